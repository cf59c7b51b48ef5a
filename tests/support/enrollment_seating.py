"""Candidates seated in a transaction, as a batch does it, without the batch."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from zikao_enrollment.commands.change_ledger import change_ledger
from zikao_enrollment.commands.seat_batch import Locked, seat_batch
from zikao_enrollment.domain.orders import Order, Standing
from zikao_enrollment.domain.timetable import Session
from zikao_enrollment.domain.wishes import Wish
from zikao_enrollment.store import Store
from zikao_kit.errors import DomainError


async def seat(
    store: Store,
    session: Session,
    candidates: Mapping[UUID, Standing],
    wishes: Sequence[Wish],
    now: datetime,
) -> Sequence[Order | DomainError]:
    """The answers to wishes of locked candidates, whose seats are counted."""
    seated = await seat_batch(store, session, Locked({}, candidates), wishes, now)
    await change_ledger(store, session.code, seated)
    answers = dict(seated.answers)
    for share, places in seated.shares:
        ids = zip(share.order_ids, share.candidate_ids, strict=True)
        answers.update(zip(places, (Order(*each, share.terms) for each in ids), strict=True))
    return [answers[place] for place in range(len(wishes))]
