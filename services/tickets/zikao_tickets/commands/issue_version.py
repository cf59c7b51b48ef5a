"""An office issues the next version of a ticket (DOMAIN sections 5 and 7)."""

from zikao_kit.errors import NOT_FOUND, DomainError
from zikao_kit.tokens import Actor

from zikao_tickets.commands.load_session import load_session
from zikao_tickets.domain.office_acts import Effect, Order
from zikao_tickets.domain.versions import (
    BY_OFFICES_WITHIN,
    IssueTemporaryTicket,
    ReissueTicket,
    TicketVersion,
    in_force,
    require_few,
)
from zikao_tickets.stores.sessions import SessionStore
from zikao_tickets.stores.versions import VersionStore


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
    return in_force(await find_versions(store, session_code, ticket_number, actor))


async def lock_in_force(
    store: VersionStore, session_code: str, ticket_number: str, actor: Actor
) -> TicketVersion:
    """The version in force, read while nobody else may change its county's tickets.

    Whoever publishes for the county waits: of two who change the same ticket the second sees what
    the first has done. Raises DomainError NOT_FOUND, OUT_OF_SCOPE.
    """
    locked = ""
    while True:
        found = await find_in_force(store, session_code, ticket_number, actor)
        if found.county_code == locked:
            return found
        locked = found.county_code
        await store.lock_county(session_code, locked)


async def issue_version(
    store: VersionStore, sessions: SessionStore, officer_limit: int, order: Order
) -> Effect:
    """Revoke the version in force in the proposal's county, and issue the next with the same seats.

    It needs a second officer without a photo, and beyond `officer_limit` of one officer's within a
    day: each revokes a ticket that is in somebody's hands, and one account must not void a county.
    Raises DomainError NOT_FOUND, TOO_MANY_VERSIONS, and beyond the limit, of a session without dual
    control, TOO_MANY_VERSIONS_BY_OFFICER.
    """
    session_code, county_code, act = order.proposal
    assert isinstance(act, ReissueTicket | IssueTemporaryTicket)
    await store.lock_county(session_code, county_code)
    before = in_force(await store.by_number(session_code, act.ticket_number))
    if before.county_code != county_code:
        raise DomainError(NOT_FOUND)
    candidate_id, since = before.candidate_id, order.now - BY_OFFICES_WITHIN
    require_few(await store.count_by_offices(session_code, candidate_id, since))
    is_one_more = await store.count_by_officer(order.author, since) >= officer_limit
    if is_one_more and not order.proposed_by:
        await _require_second(sessions, session_code, officer_limit)
    issue, after = act.issue, {}
    if not order.dry_run:
        author, now = order.author, order.now
        await store.issue_next(session_code, [candidate_id], issue, issued_by=author, now=now)
        after = _told(in_force(await store.by_number(session_code, act.ticket_number)))
    why = {"reason": issue.reason, "without_photo": issue.without_photo, "note": act.note}
    needs_second = is_one_more or bool(issue.without_photo)
    return Effect(_told(before), {**after, **why}, needs_second=needs_second)


async def _require_second(sessions: SessionStore, session_code: str, officer_limit: int) -> None:
    """Refuse what could wait for nobody."""
    if not (await load_session(sessions, session_code)).dual_control:
        raise DomainError("TOO_MANY_VERSIONS_BY_OFFICER", limit=officer_limit)


def _told(version: TicketVersion) -> dict[str, object]:
    return {"version": version.version, "serial": version.serial}
