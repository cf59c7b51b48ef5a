"""Make a session what its file says (DOMAIN section 8)."""

from collections.abc import Sequence
from datetime import datetime

from zikao_kit.errors import INVALID_REQUEST, DomainError

from zikao_tickets.domain.session import Session, Site
from zikao_tickets.domain.session_changes import changes_between, require_harmless, settled
from zikao_tickets.domain.session_problems import session_problems
from zikao_tickets.stores.sessions import SessionStore


async def apply_session(
    store: SessionStore,
    session: Session,
    sites: Sequence[Site],
    *,
    course_codes: Sequence[str],
    dry_run: bool,
    now: datetime,
) -> list[str]:
    """Apply and say what changed, in Chinese; nothing when all is as it should be.

    `course_codes` are those of the file, repetitions included; without `sites` those that there
    are stay. Raises DomainError INVALID_REQUEST with everything that contradicts itself, and
    SESSION_CHANGE_REFUSED naming what candidates would lose.
    """
    if problems := session_problems(session, sites, course_codes):
        raise DomainError(INVALID_REQUEST, fields=problems)
    before = await store.lock(session.code)
    sites_before = await store.sites(session.code)
    sites = settled(sites_before, sites or sites_before)
    require_harmless(
        before,
        session,
        sites_before,
        sites,
        courses_in_use=await store.courses_in_use(session.code) if before else set(),
        seats_in_use=await store.seats_in_use(session.code),
    )
    changes = changes_between(before, session, sites_before, sites)
    if changes and not dry_run:
        await store.save(session, now)
        await store.replace_sites(session.code, sites_before, sites)
    return changes
