"""Carries out what an office does to a session or a refund (DOMAIN section 4)."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from zikao_kit.errors import SESSION_UNKNOWN, DomainError

from zikao_enrollment.commands.limit_admission import limit_admission
from zikao_enrollment.commands.move_refunds import request_refund_again
from zikao_enrollment.domain.office_acts import (
    Effect,
    Proposal,
    RequestRefundAgain,
    SetAdmissionRate,
    effect_of,
)
from zikao_enrollment.domain.refunds import Refund
from zikao_enrollment.domain.session_changes import require_harmless
from zikao_enrollment.domain.timetable import Session
from zikao_enrollment.store import OfficeStore
from zikao_enrollment.stores.sessions import SessionStore


async def require_session(store: SessionStore, session_code: str) -> Session:
    """The session, locked against who else changes it; raises DomainError SESSION_UNKNOWN."""
    session = await store.lock(session_code)
    if session is None:
        raise DomainError(SESSION_UNKNOWN, session_code=session_code)
    return session


async def perform_act(
    store: OfficeStore,
    session: Session,
    proposal: Proposal,
    now: datetime,
    *,
    officer: str,
    dry_run: bool,
) -> Effect:
    """Do in a locked session what is proposed, or see only whether it could be done.

    Raises DomainError as `effect_of`, SESSION_CHANGE_REFUSED for seats that are used,
    REFUND_NOT_REFUSED, WAITING_ROOM_CLOSED.
    """
    if isinstance(proposal.act, RequestRefundAgain):
        before, after = await request_refund_again(
            store.money, proposal.act.refund_id, officer=officer, now=now, dry_run=dry_run
        )
        return Effect(session, _told(before), _told(after))
    if isinstance(proposal.act, SetAdmissionRate):
        limits = await limit_admission(store.admissions, session, proposal.act, dry_run=dry_run)
        return Effect(session, *limits)
    effect = effect_of(session, proposal.county_prefix, proposal.act)
    # What is nonsense has kept no seats from anybody.
    await _change_session(store.sessions, session, effect.session, now, dry_run=dry_run)
    return effect


async def _change_session(
    store: SessionStore, session: Session, after: Session, now: datetime, *, dry_run: bool
) -> None:
    """Change a locked session, or see only whether it could be.

    All its seats are locked before it changes, as `apply_session` does: a batch that takes seats
    has been answered before, or sees the new version.
    """
    seats = await store.lock_ledger(session.code)
    require_harmless(after, seats, ())
    if not dry_run and after != session:
        before, capacities = session.capacities(), after.capacities()
        changed = {key: count for key, count in capacities.items() if before[key] != count}
        closed = dict(after.closings.items() - session.closings.items())
        await store.save(after, now)
        await store.save_capacities(session.code, changed)
        await store.save_closings(session.code, closed, now)
        await store.delete_closings(session.code, session.closings.keys() - after.closings.keys())


def _told(refund: Refund) -> Mapping[str, Any]:
    return {
        "refund_id": str(refund.refund_id),
        "amount_fen": refund.amount_fen,
        "state": refund.state,
        "refusal": refund.refusal,
    }
