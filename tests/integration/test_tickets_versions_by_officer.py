"""One account at an office voids no county's tickets, nor makes one without a photo."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio
from support.service import new_id
from support.service_databases import ServiceDatabases
from support.tickets_database import SESSION
from support.tickets_offices import DONE, PENDING, audited, decision, listing, officer, rows
from support.tickets_peers import COUNTY, ticket_number
from support.tickets_service import Installation, tickets_installation
from zikao.tickets.v1 import office_ticket_service_pb2 as pb
from zikao.tickets.v1 import types_pb2 as types
from zikao_sandbox.portraits import portrait_jpeg
from zikao_tickets.domain.versions import MAX_BY_OFFICES

pytestmark = pytest.mark.asyncio(loop_scope="module")

ZHANG, LI, WANG = (UUID(int=number) for number in range(1, 4))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(
    service_databases: ServiceDatabases, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Installation]:
    """Three published seats; an officer issues one version a day."""
    dsn, directory = await service_databases.clone("tickets"), tmp_path_factory.mktemp("versions")
    async with tickets_installation(directory, dsn, versions_per_officer=1) as running:
        for person in (ZHANG, LI, WANG):
            running.peers.register(person, "张三", portrait_jpeg(person.int, "女"))
            running.peers.enroll(person, (1, "00015"))
        await running.published_county()
        yield running
    await service_databases.drop(dsn)


def reissue(person: UUID, **changes: Any) -> pb.ReissueTicketRequest:
    """A new version, because the old one was lost."""
    fields = {"request_id": new_id(), "session_code": "22.1", "note": "遗失"}
    return pb.ReissueTicketRequest(
        ticket_number=ticket_number(person), reason=types.TICKET_REASON_LOST, **fields | changes
    )


def temporary(person: UUID, **changes: Any) -> pb.IssueTemporaryTicketRequest:
    """A temporary ticket, without a photo if nothing else is said."""
    fields: dict[str, Any] = {
        "request_id": new_id(),
        "session_code": "22.1",
        "without_photo": True,
        "note": "照片",
    }
    return pb.IssueTemporaryTicketRequest(ticket_number=ticket_number(person), **fields | changes)


async def version_of(service: Installation, person: UUID) -> int:
    """The version in force."""
    (row,) = await rows(
        service,
        "SELECT version FROM tickets.ticket WHERE candidate_id = $1 AND revoked_at IS NULL",
        person,
    )
    return int(row["version"])


async def test_an_officer_issues_a_bounded_number_a_day(service: Installation) -> None:
    """One version more is refused, of whatever ticket and kind; a colleague issues it."""
    desk = officer(service)
    first = await desk.call(reissue(ZHANG))
    assert first.action.state == DONE
    assert (await officer(service).call(listing(COUNTY))).actions[0] == first.action
    for request in (reissue(LI), temporary(LI), reissue(LI, dry_run=True)):
        refused = await desk.refused(request)
        assert refused.reason == "TOO_MANY_VERSIONS_BY_OFFICER"
        assert refused.metadata["limit"] == "1"
    assert (await officer(service).call(temporary(LI))).ticket.version == 2


async def test_under_dual_control_one_version_more_waits(service: Installation) -> None:
    """A second officer confirms it, whose own number stays as it was; the first has issued it."""
    await service.apply(replace(SESSION, dual_control=True))
    first_id = new_id()
    first, second = officer(service, subject=first_id), officer(service)
    assert (await first.call(reissue(ZHANG))).action.state == DONE
    before = await version_of(service, ZHANG)
    request = reissue(ZHANG)
    waits = await first.call(request)
    assert (waits.action.state, waits.HasField("ticket")) == (PENDING, False)
    assert waits.action.act.reissue_ticket.ticket_number == ticket_number(ZHANG)
    assert await version_of(service, ZHANG) == before
    assert (await first.refused(decision(waits.action))).reason == "SECOND_OFFICER_NEEDED"
    assert (await second.call(decision(waits.action))).action.state == DONE
    found = await second.call(
        pb.GetTicketVersionsRequest(session_code="22.1", ticket_number=ticket_number(ZHANG))
    )
    assert (found.versions[0].version, found.versions[0].issued_by) == (before + 1, first_id)
    assert await first.call(request) == waits
    assert (await second.call(reissue(LI))).action.state == DONE
    done = [entry.action for entry in await audited(service, county_prefix=COUNTY)]
    assert {"propose_reissue_ticket", "confirm_reissue_ticket"} <= set(done)


async def test_a_ticket_without_a_photo_needs_two_officers(service: Installation) -> None:
    """It waits, and is issued when it is confirmed; with a photo one officer is enough."""
    desk = officer(service)
    before = await version_of(service, WANG)
    asked = await desk.call(temporary(WANG, dry_run=True))
    assert (asked.action.state, asked.action.action_id) == (PENDING, "")
    action = (await desk.call(temporary(WANG))).action
    assert (action.state, action.act.issue_temporary_ticket.without_photo) == (PENDING, True)
    assert await version_of(service, WANG) == before
    assert (await officer(service).call(listing(COUNTY, state=PENDING))).actions == [action]
    await officer(service).call(decision(action))
    assert await version_of(service, WANG) == before + 1
    asked = await desk.call(temporary(WANG, without_photo=False, dry_run=True))
    assert (asked.action.state, asked.HasField("ticket")) == (PENDING, False)  # its second today
    issued = (await officer(service).call(temporary(WANG, without_photo=False))).ticket
    assert (issued.version, issued.without_photo) == (before + 2, False)


async def test_what_waits_is_bounded_and_checked_again(service: Installation) -> None:
    """A ticket replaced too often by then is left alone; an officer has a hundred waiting acts."""
    first_id = new_id()
    desk, second = officer(service, subject=first_id), officer(service)
    action = (await desk.call(temporary(WANG))).action
    for _ in range(MAX_BY_OFFICES - 2):
        await officer(service).call(reissue(WANG))
    assert (await second.refused(decision(action))).reason == "TOO_MANY_VERSIONS"
    await rows(
        service,
        "INSERT INTO tickets.office_action (action_id, session_code, county_prefix, act, state,"
        " proposed_by, proposed_at, expires_at) SELECT gen_random_uuid(), session_code,"
        " county_prefix, act, state, proposed_by, proposed_at, expires_at"
        " FROM tickets.office_action, generate_series(1, 99) WHERE proposed_by = $1",
        first_id,
    )
    await desk.call(reissue(LI))
    for request in (reissue(LI), temporary(LI)):
        assert (await desk.refused(request)).reason == "TOO_MANY_PENDING_ACTIONS"
