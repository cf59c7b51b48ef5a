"""Makes a session what its file says (DOMAIN section 8)."""

from datetime import datetime

from zikao_kit.errors import INVALID_REQUEST, DomainError
from zikao_kit.tokens import Actor

from zikao_enrollment.domain.session_changes import changes_between, require_harmless
from zikao_enrollment.domain.session_problems import session_problems
from zikao_enrollment.domain.timetable import Session
from zikao_enrollment.store import OfficeStore
from zikao_enrollment.stores.sessions import SessionStore

PROVINCE_DIGITS = 2
# A file may change thousands of courses.
MAX_AUDITED = 100


async def apply_session(
    store: SessionStore, session: Session, *, dry_run: bool, now: datetime
) -> list[str]:
    """Apply and say what changed, in Chinese; nothing when all is as it should be.

    All seats are locked before what is used is looked at: a batch that takes seats sees the
    change, or is seen by it. Raises DomainError INVALID_REQUEST with everything that
    contradicts itself, SESSION_CHANGE_REFUSED naming what candidates would lose.
    """
    if problems := session_problems(session):
        raise DomainError(INVALID_REQUEST, fields=problems)
    before = await store.lock(session.code)
    seats = await store.lock_ledger(session.code)
    if before is not None:
        uses = await store.course_uses(session.code)
        require_harmless(session, seats, uses)
    changes = changes_between(before, session)
    if changes and not dry_run:
        capacities = session.capacities()
        await store.save(session, now)
        await store.save_capacities(session.code, capacities)
        await store.delete_seats(session.code, seats.keys() - capacities.keys())
    return changes


async def apply_audited(
    store: OfficeStore, session: Session, *, actor: Actor, dry_run: bool, now: datetime
) -> list[str]:
    """The same in the name of somebody, with an entry in the audit of what has changed."""
    changes = await apply_session(store.sessions, session, dry_run=dry_run, now=now)
    if changes and not dry_run:
        await store.audit.add(
            actor,
            "apply_session",
            now,
            session_code=session.code,
            county_prefix=session.counties[0].code[:PROVINCE_DIGITS],
            before={},
            after={"changes": changes[:MAX_AUDITED], "in_all": len(changes)},
        )
    return changes
