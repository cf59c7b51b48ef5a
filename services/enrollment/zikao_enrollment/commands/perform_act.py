"""Carries out what an office does to a session (DOMAIN section 4, Offices)."""

from datetime import datetime

from zikao_kit.errors import SESSION_UNKNOWN, DomainError

from zikao_enrollment.domain.office_acts import Effect, Proposal, effect_of
from zikao_enrollment.domain.session_changes import require_harmless
from zikao_enrollment.domain.timetable import Session
from zikao_enrollment.stores.sessions import SessionStore


async def require_session(store: SessionStore, session_code: str) -> Session:
    """The session, locked against who else changes it; raises DomainError SESSION_UNKNOWN."""
    session = await store.lock(session_code)
    if session is None:
        raise DomainError(SESSION_UNKNOWN, session_code=session_code)
    return session


async def perform_act(
    store: SessionStore, session: Session, proposal: Proposal, now: datetime, *, dry_run: bool
) -> Effect:
    """Change a locked session as proposed, or see only whether it could be.

    All its seats are locked before it changes, as `apply_session` does: a batch that takes seats
    has been answered before, or sees the new version. Raises DomainError as `effect_of`, and
    SESSION_CHANGE_REFUSED for seats that are used.
    """
    effect = effect_of(session, proposal)  # what is nonsense keeps no seats from anybody
    seats = await store.lock_ledger(session.code)
    after = effect.session
    require_harmless(after, seats, ())
    if not dry_run and after != session:
        before, capacities = session.capacities(), after.capacities()
        changed = {key: count for key, count in capacities.items() if before[key] != count}
        closed = dict(after.closings.items() - session.closings.items())
        await store.save(after, now)
        await store.save_capacities(session.code, changed)
        await store.save_closings(session.code, closed, now)
        await store.delete_closings(session.code, session.closings.keys() - after.closings.keys())
    return effect
