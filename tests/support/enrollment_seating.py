"""Candidates seated in a transaction, as a batch does it, without the batch."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from zikao_enrollment.commands.change_ledger import change_ledger
from zikao_enrollment.commands.seat_batch import Locked, seat_batch
from zikao_enrollment.domain.orders import Candidate, Order
from zikao_enrollment.domain.timetable import Session
from zikao_enrollment.domain.wishes import Wish
from zikao_enrollment.store import Store
from zikao_kit.errors import DomainError


async def seat(
    store: Store,
    session: Session,
    candidates: Mapping[UUID, Candidate],
    wishes: Sequence[Wish],
    now: datetime,
) -> Sequence[Order | DomainError]:
    """The answers to wishes of locked candidates, whose seats are counted."""
    seated = await seat_batch(store, session, Locked({}, candidates), wishes, now)
    await change_ledger(store, session.code, seated)
    return seated.answers
