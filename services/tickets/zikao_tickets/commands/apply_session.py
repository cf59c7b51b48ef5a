"""Make a session what its file says (DOMAIN section 8)."""

from collections.abc import Sequence
from datetime import datetime

from zikao_tickets.domain.session import (
    Session,
    Site,
    changes_between,
    require_courses,
    require_notice,
    require_rooms,
)
from zikao_tickets.domain.session_problems import require_consistent
from zikao_tickets.store import SessionStore


async def apply_session(
    store: SessionStore, session: Session, sites: Sequence[Site], *, dry_run: bool, now: datetime
) -> list[str]:
    """Apply and say what changed, in Chinese; nothing when all is as it should be.

    Raises DomainError INVALID_REQUEST for what no session may say, and SESSION_CHANGE_REFUSED
    naming what candidates would lose.
    """
    require_consistent(session, sites)
    before = await store.lock(session.code)
    sites_before = await store.sites(session.code)
    changes = changes_between(before, session, sites_before, sites)
    if before is not None:
        require_courses(session, await store.courses_in_use(session.code))
        require_notice(before.notice, session.notice)
    require_rooms(sites_before, sites, await store.seats_in_use(session.code))
    if changes and not dry_run:
        await store.save(session, now)
        await store.replace_sites(session.code, sites_before, sites)
    return changes
