"""Make a session what its file says (DOMAIN section 8)."""

from datetime import datetime

from zikao_kit.tokens import Actor

from zikao_registration.domain.session import (
    Session,
    check_change,
    check_session,
    describe_changes,
    refuse_shared_digits,
)
from zikao_registration.store import Store


async def apply_session(
    store: Store, session: Session, *, dry_run: bool, actor: Actor, now: datetime
) -> list[str]:
    """Apply and say what changed, in Chinese; nothing when all is as it should be.

    Raises DomainError INVALID_REQUEST for settings that contradict each other,
    SESSION_CHANGE_REFUSED naming what candidates would lose.
    """
    check_session(session)
    before = await store.get_session(session.code, for_update=True)
    changes = describe_changes(before, session)
    await _refuse_harm(store, before, session)
    if changes and not dry_run:
        await store.save_session(session, now)
        after = {"session": session.code, "changes": changes}
        await store.audit(actor, "apply_session", now, after=after)
    return changes


async def _refuse_harm(store: Store, before: Session | None, after: Session) -> None:
    if await store.find_digits_owner(after):
        raise refuse_shared_digits(after)
    if before is not None:
        check_change(
            before,
            after,
            used_counties=await store.used_counties(after.code),
            numbers_assigned=await store.has_ticket_numbers(after.code),
        )
