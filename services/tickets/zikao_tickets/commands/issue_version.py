"""An office issues the next version of a ticket (DOMAIN section 5)."""

from datetime import datetime

from zikao_kit.errors import NOT_FOUND, DomainError
from zikao_kit.tokens import Actor

from zikao_tickets.domain.versions import (
    BY_OFFICES_WITHIN,
    Issue,
    TicketReason,
    TicketVersion,
    require_few,
    require_few_of_officer,
)
from zikao_tickets.proof import TicketKind
from zikao_tickets.stores.office_audit import OfficeAuditStore
from zikao_tickets.stores.versions import VersionStore


def temporary(*, without_photo: bool) -> Issue:
    """A temporary ticket."""
    return Issue(TicketReason.TEMPORARY, TicketKind.TEMPORARY, without_photo)


async def find_versions(
    store: VersionStore, session_code: str, ticket_number: str, actor: Actor
) -> list[TicketVersion]:
    """Every version, the newest first; raises DomainError NOT_FOUND, OUT_OF_SCOPE."""
    versions = await store.by_number(session_code, ticket_number)
    if not versions:
        raise DomainError(NOT_FOUND)
    actor.require_scope(versions[0].county_code)
    return versions


async def find_in_force(
    store: VersionStore, session_code: str, ticket_number: str, actor: Actor
) -> TicketVersion:
    """The version in force; raises DomainError NOT_FOUND, OUT_OF_SCOPE."""
    for version in await find_versions(store, session_code, ticket_number, actor):
        if version.revoked_at is None:
            return version
    raise DomainError(NOT_FOUND)


async def issue_version(
    store: VersionStore,
    audit: OfficeAuditStore,
    session_code: str,
    ticket_number: str,
    issue: Issue,
    *,
    note: str,
    actor: Actor,
    now: datetime,
    officer_limit: int,
) -> TicketVersion:
    """Revoke the version in force and issue the next one, with the same seats.

    Whoever publishes for the county waits: of two who change the same ticket the second sees what
    the first has done. Raises DomainError NOT_FOUND, OUT_OF_SCOPE, TOO_MANY_VERSIONS, and
    TOO_MANY_VERSIONS_BY_OFFICER after `officer_limit` of the officer's within a day.
    """
    before = await _lock_in_force(store, session_code, ticket_number, actor)
    candidate_id = before.candidate_id
    since = now - BY_OFFICES_WITHIN
    require_few(await store.count_by_offices(session_code, candidate_id, since))
    require_few_of_officer(await store.count_by_officer(actor.subject, since), officer_limit)
    await store.issue_next(session_code, [candidate_id], issue, issued_by=actor.subject, now=now)
    after = await find_in_force(store, session_code, ticket_number, actor)
    await audit.add(
        actor,
        "issue_temporary_ticket" if issue.reason is TicketReason.TEMPORARY else "reissue_ticket",
        now,
        session_code=session_code,
        county_prefix=before.county_code,
        before={"version": before.version, "serial": before.serial},
        after={
            "version": after.version,
            "serial": after.serial,
            "reason": after.reason,
            "without_photo": after.without_photo,
            "note": note,
        },
    )
    return after


async def _lock_in_force(
    store: VersionStore, session_code: str, ticket_number: str, actor: Actor
) -> TicketVersion:
    """The version in force, read while nobody else may change its county's tickets."""
    locked = ""
    while True:
        found = await find_in_force(store, session_code, ticket_number, actor)
        if found.county_code == locked:
            return found
        locked = found.county_code
        await store.lock_county(session_code, locked)
