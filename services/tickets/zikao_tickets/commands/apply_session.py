"""Make a session what its file says (DOMAIN section 8)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from zikao_kit.errors import INVALID_REQUEST, DomainError, FieldProblem
from zikao_kit.tokens import Actor

from zikao_tickets.domain.session import Session, Site
from zikao_tickets.domain.session_changes import changes_between, require_harmless
from zikao_tickets.domain.session_problems import session_problems
from zikao_tickets.domain.site_changes import changed_sites, settled
from zikao_tickets.domain.site_problems import SiteProblem, with_county_names
from zikao_tickets.store import OfficeStore

PROVINCE_DIGITS = 2
# A file may change tens of thousands of rooms.
MAX_AUDITED = 100


class Unprintable(NamedTuple):
    """What of a session and its sites no ticket could show."""

    session: Sequence[FieldProblem] = ()
    sites: Sequence[SiteProblem] = ()


NOTHING = Unprintable()


async def apply_session(
    store: OfficeStore,
    session: Session,
    sites: Sequence[Site],
    *,
    course_codes: Sequence[str],
    unprintable: Unprintable = NOTHING,
    actor: Actor,
    dry_run: bool,
    now: datetime,
) -> list[str]:
    """Apply and say what changed, in Chinese; nothing when all is as it should be.

    `course_codes` are those of the file, repetitions included; without `sites` those that there
    are stay. Locks the session against publications too. Raises DomainError INVALID_REQUEST with
    everything that contradicts itself or is `unprintable`, and SESSION_CHANGE_REFUSED naming what
    candidates would lose.
    """
    sites = with_county_names(sites, {})
    problems = session_problems(session, sites, course_codes, unprintable.sites)
    if problems := [*unprintable.session, *problems]:
        raise DomainError(INVALID_REQUEST, fields=problems)
    before = await store.sessions.lock(session.code)
    sites_before = await store.sites.sites(session.code)
    sites = settled(sites_before, sites or sites_before)
    require_harmless(
        before,
        session,
        sites_before,
        sites,
        courses_in_use=await store.sessions.courses_in_use(session.code),
        courses_seated=await store.sessions.courses_seated(session.code),
        seats_in_use=await store.sites.seats_in_use(
            session.code, changed_sites(sites_before, sites)
        ),
    )
    changes = changes_between(before, session, sites_before, sites)
    if changes and not dry_run:
        await store.sessions.save(session, now)
        await store.sites.replace_sites(session.code, sites_before, sites)
        await store.audit.add(
            actor,
            "apply_session",
            now,
            session_code=session.code,
            county_prefix=sites[0].county_code[:PROVINCE_DIGITS] if sites else "",
            before={},
            after=told_in_audit(changes),
        )
    return changes


def told_in_audit(changes: Sequence[str]) -> dict[str, Any]:
    """The first of many changes, and how many they are."""
    return {"changes": changes[:MAX_AUDITED], "in_all": len(changes)}
