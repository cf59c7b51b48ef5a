"""Make a session what its file says (DOMAIN section 8)."""

from datetime import datetime

from zikao_kit.errors import INVALID_REQUEST, DomainError
from zikao_kit.tokens import Actor

from zikao_registration.domain.session import Session, session_problems
from zikao_registration.domain.session_changes import (
    changes_between,
    refuse_older_digits,
    refuse_shared_digits,
    require_changes_effective,
    require_harmless,
)
from zikao_registration.stores.registrations import Store
from zikao_registration.stores.sessions import SessionStore


async def apply_session(
    store: Store, session: Session, *, dry_run: bool, actor: Actor, now: datetime
) -> list[str]:
    """Apply and say what changed, in Chinese; nothing when all is as it should be.

    Raises DomainError INVALID_REQUEST with everything that contradicts itself,
    SESSION_CHANGE_REFUSED naming what candidates would lose.
    """
    if problems := session_problems(session):
        raise DomainError(INVALID_REQUEST, fields=problems)
    before = await store.sessions.lock(session.code)
    await _refuse_harm(store.sessions, before, session)
    changes = changes_between(before, session)
    if changes and not dry_run:
        await store.sessions.save(session, now)
        after = {"session": session.code, "changes": changes}
        await store.audit(actor, "apply_session", now, after=after)
    return changes


async def _refuse_harm(sessions: SessionStore, before: Session | None, after: Session) -> None:
    if await sessions.shares_digits(after):
        raise refuse_shared_digits(after)
    if await sessions.shares_older_numbers(after):
        raise refuse_older_digits(after)
    if before is not None:
        require_harmless(
            before,
            after,
            used_counties=await sessions.used_counties(after.code),
            numbers_assigned=await sessions.has_ticket_numbers(after.code),
        )
    if await sessions.has_open_changes(after.code):
        require_changes_effective(after)
