"""Offices say what their sites and rooms are (DOMAIN section 5)."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from zikao_kit.errors import SESSION_UNKNOWN, DomainError
from zikao_kit.tokens import Actor

from zikao_tickets.commands.apply_session import told_in_audit
from zikao_tickets.domain.session import Site
from zikao_tickets.domain.site_changes import (
    changed_sites,
    loss_problems,
    lost_seats,
    settled,
    site_changes,
)
from zikao_tickets.domain.site_problems import (
    SiteProblem,
    foreign_problems,
    site_problems,
    size_problems,
    with_county_names,
)
from zikao_tickets.store import OfficeStore
from zikao_tickets.stores.sites import SiteStore


class SiteImport(NamedTuple):
    """Sites of the counties whose code begins so, in the order in which they are filled.

    `unprintable` is what of them no ticket could show.
    """

    session_code: str
    county_prefix: str
    sites: Sequence[Site]
    remove_others: bool
    unprintable: Sequence[SiteProblem] = ()


class ImportedSites(NamedTuple):
    """What has changed, or would, in Chinese; or all that is wrong, and then nothing has."""

    changes: Sequence[str] = ()
    problems: Sequence[SiteProblem] = ()


async def import_sites(
    store: OfficeStore, wanted: SiteImport, *, actor: Actor, dry_run: bool, now: datetime
) -> ImportedSites:
    """Make the sites what is wanted; all or none of them.

    Locks the session against who else changes its rooms, and against publications. Raises
    DomainError SESSION_UNKNOWN. The caller has checked the actor's scope.
    """
    if await store.sessions.lock(wanted.session_code) is None:
        raise DomainError(SESSION_UNKNOWN, session_code=wanted.session_code)
    sites, problems = await _checked(store.sites, wanted)
    if problems:
        return ImportedSites(problems=problems)
    area = wanted.session_code, wanted.county_prefix
    before = await store.sites.sites(*area)
    after = settled(before, sites if wanted.remove_others else _merged(before, sites))
    in_use = await store.sites.seats_in_use(wanted.session_code, changed_sites(before, after))
    losses = lost_seats(before, after, in_use)
    if problems := [*size_problems(sites, after), *loss_problems(sites, losses)]:
        return ImportedSites(problems=problems)
    changes = [*site_changes(before, after)]
    if changes and not dry_run:
        await store.sites.replace_sites(wanted.session_code, before, after)
        await store.audit.add(
            actor,
            "import_sites",
            now,
            session_code=wanted.session_code,
            county_prefix=wanted.county_prefix,
            before={},
            after=told_in_audit(changes),
        )
    return ImportedSites(changes)


async def _checked(
    store: SiteStore, wanted: SiteImport
) -> tuple[Sequence[Site], Sequence[SiteProblem]]:
    """The sites with their counties' names, and what is wrong with them."""
    counties = {site.county_code for site in wanted.sites}
    names = await store.county_names(wanted.session_code, counties)
    sites = with_county_names(wanted.sites, names)
    known = await store.counties_of(wanted.session_code, {site.code for site in sites})
    problems = [
        *site_problems(sites),
        *foreign_problems(sites, wanted.county_prefix, known),
        *wanted.unprintable,
    ]
    return sites, sorted(problems, key=lambda problem: problem.site)


def _merged(before: Sequence[Site], given: Sequence[Site]) -> list[Site]:
    """Those that there are in their places, the new ones after them."""
    by_code = {site.code: site for site in given}
    kept = [by_code.pop(site.code, site) for site in before]
    return [*kept, *by_code.values()]
