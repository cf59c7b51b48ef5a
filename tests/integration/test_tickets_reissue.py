"""Versions of tickets: what candidates see of them, what offices issue, what the feed says."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio
from support.service import TIMEOUT_SECONDS, Caller, new_id, until
from support.service_databases import ServiceDatabases
from support.tickets_database import SESSION, SITE
from support.tickets_offices import audited, officer, rows
from support.tickets_peers import COUNTY, ticket_number
from support.tickets_service import Installation, tickets_installation
from zikao.tickets.v1 import office_ticket_service_pb2 as offices
from zikao.tickets.v1 import ticket_feed_service_pb2 as feed
from zikao.tickets.v1 import ticket_service_pb2 as tickets
from zikao.tickets.v1 import types_pb2 as types
from zikao.tickets.v1 import verification_service_pb2 as door
from zikao_kit.migrate import open_database
from zikao_sandbox.portraits import portrait_jpeg
from zikao_tickets.commands.issue_version import issue_version
from zikao_tickets.domain.layout import RoomPlan
from zikao_tickets.domain.office_acts import Order, Proposal
from zikao_tickets.domain.versions import MAX_BY_OFFICES, ReissueTicket, TicketReason
from zikao_tickets.names import PACKAGE
from zikao_tickets.proof import TicketKind, verify
from zikao_tickets.stores.sessions import SessionStore
from zikao_tickets.stores.versions import VersionStore
from zikao_tickets.verification_list import keys_from_pb

pytestmark = pytest.mark.asyncio(loop_scope="module")

ZHANG, LI, WANG, ZHAO, QIAN, SUN, NOBODY = (UUID(int=number) for number in range(1, 8))
WITHOUT_PHOTO = WANG
ENGLISH, OTHER_COURSE = (1, "00015"), (1, "00018")
LOST, NAME_FIXED = types.TICKET_REASON_LOST, types.TICKET_REASON_NAME_FIXED
COURSES = {**SESSION.courses, OTHER_COURSE[1]: "计算机应用基础"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(
    service_databases: ServiceDatabases, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Installation]:
    """Six published seats, at the moment printing opens; one photo never comes."""
    dsn = await service_databases.clone("tickets")
    rooms = replace(SITE, rooms=tuple(RoomPlan(f"{number:03}", 5, 6) for number in (1, 2)))
    async with tickets_installation(tmp_path_factory.mktemp("reissue"), dsn) as running:
        for person in (ZHANG, LI, WANG, ZHAO, QIAN, SUN):
            jpeg = portrait_jpeg(person.int, "女")
            if person != WITHOUT_PHOTO:
                running.peers.photos[str(person)] = jpeg
            running.peers.register(person, "张三", jpeg)
            running.peers.enroll(person, ENGLISH)
        await running.apply(replace(SESSION, courses=COURSES), rooms)
        await running.move_to(SESSION.arrangements_open_at)
        await running.arrive()
        await running.publish((await running.arranged()).arrangement_id)
        early = await candidate(running, ZHANG).refused(asking())
        assert early.reason == "PRINTING_CLOSED"
        await running.move_to(SESSION.printing_opens_at)
        yield running
    await service_databases.drop(dsn)


def candidate(service: Installation, person: UUID) -> Caller:
    """A candidate at the portal."""
    return Caller(service.channel("portal"), service.token(person, "candidate"))


def asking(session_code: str = "22.1") -> tickets.GetTicketRequest:
    """What is my ticket?"""
    return tickets.GetTicketRequest(session_code=session_code)


def reissue(person: UUID, reason: Any = LOST, **fields: Any) -> offices.ReissueTicketRequest:
    """A new version, because the old one was lost."""
    return offices.ReissueTicketRequest(
        **{
            "request_id": new_id(),
            "session_code": "22.1",
            "ticket_number": ticket_number(person),
            "reason": reason,
            "note": "考生来电",
            **fields,
        }
    )


def temporary(person: UUID, **fields: Any) -> offices.IssueTemporaryTicketRequest:
    """A temporary ticket."""
    return offices.IssueTemporaryTicketRequest(
        **{
            "request_id": new_id(),
            "session_code": "22.1",
            "ticket_number": ticket_number(person),
            "note": "照片未到",
            **fields,
        }
    )


def printing(person: UUID, **fields: Any) -> offices.PrintForCandidateRequest:
    """The candidate's ticket at the office's printer."""
    return offices.PrintForCandidateRequest(
        **{
            "request_id": new_id(),
            "session_code": "22.1",
            "ticket_number": ticket_number(person),
            **fields,
        }
    )


def finding(person: UUID, session_code: str = "22.1") -> offices.GetTicketVersionsRequest:
    """Every version of a ticket."""
    return offices.GetTicketVersionsRequest(
        session_code=session_code, ticket_number=ticket_number(person)
    )


async def printed(service: Installation, person: UUID) -> Any:
    """What the candidate prints."""
    me = candidate(service, person)
    names = {"session_code": "22.1"}
    await me.call(tickets.AcknowledgeNoticeRequest(request_id=new_id(), version=1, **names))
    return await me.call(tickets.PrintTicketRequest(request_id=new_id(), **names))


async def events_of(service: Installation, person: UUID) -> list[Any]:
    """Every state of a candidate's ticket that the feed has delivered, the first first."""
    stream = Caller(service.channel("ticket-reader")).start(feed.WatchTicketsRequest())
    found = []
    async for page in stream:
        found += [event for event in page.events if event.candidate_id == str(person)]
        if not page.events:
            stream.cancel()
            return found
    raise AssertionError("a feed does not end")


async def test_a_candidate_sees_how_often_it_was_printed(service: Installation) -> None:
    """The count is in the answers of both methods and not on the paper: the bytes stay the same."""
    first = await printed(service, ZHANG)
    second = await printed(service, ZHANG)
    assert (first.print_count, second.print_count) == (1, 2)
    assert first.pdf == second.pdf
    seen = await candidate(service, ZHANG).call(asking())
    assert (seen.version, seen.serial, seen.print_count) == (1, first.serial, 2)
    assert (seen.kind, seen.reason) == (
        types.TICKET_KIND_REGULAR,
        types.TICKET_REASON_ARRANGED,
    )
    (seat,) = seen.seats
    assert (seat.slot, seat.course_code, seat.site_code, seat.room) == (1, "00015", "A", "001")
    assert not seen.HasField("replaced")


async def test_nobody_sees_a_ticket_that_there_is_not(service: Installation) -> None:
    """Whoever has no seat has no ticket, and nobody has one in a session that is not known."""
    nobody = candidate(service, NOBODY)
    assert (await nobody.refused(asking())).reason == "TICKET_UNAVAILABLE"
    assert (await nobody.refused(asking("22.9"))).reason == "SESSION_UNKNOWN"


async def test_a_lost_ticket_opens_no_door(service: Installation) -> None:
    """The office issues version 2 with the same seats; version 1 is refused from that moment.

    Candidate, office, audit and feed all say so.
    """
    old = await printed(service, LI)
    desk = officer(service)
    request = reissue(LI)
    issued = (await desk.call(request)).ticket
    assert (issued.version, issued.reason, issued.issued_by) == (2, LOST, _officer_of(issued))
    assert issued.serial == f"{old.serial}/2"
    assert (await desk.call(request)).ticket == issued
    new = await printed(service, LI)
    assert (new.version, new.print_count) == (2, 1)
    scanner = Caller(service.channel("scanner"))
    refused = await scanner.refused(door.VerifyTicketRequest(proof=old.proof))
    assert refused.metadata["proof_reason"] == "REVOKED"
    assert (await scanner.call(door.VerifyTicketRequest(proof=new.proof))).ticket_number
    seen = await candidate(service, LI).call(asking())
    assert (seen.version, seen.replaced.version, list(seen.changed_slots)) == (2, 1, [])
    assert list(seen.replaced.seats) == list(seen.seats)
    versions = (await desk.call(finding(LI))).versions
    assert [(each.version, each.print_count) for each in versions] == [(2, 1), (1, 1)]
    assert versions[1].HasField("revoked_at")
    first, last = await events_of(service, LI)
    assert (first.version, list(first.revoked_versions)) == (1, [])
    assert (last.version, last.reason, list(last.revoked_versions)) == (2, LOST, [1])
    assert list(last.seats) == list(seen.seats)
    entry = (await audited(service, county_prefix=COUNTY, action="reissue_ticket"))[-1]
    assert '"serial": "' + old.serial + '/2"' in entry.after_json
    assert "考生来电" in entry.after_json


def _officer_of(issued: Any) -> str:
    """An account, whichever: the office's helper makes one a test."""
    assert UUID(issued.issued_by)
    return str(issued.issued_by)


async def test_a_name_that_was_put_right_is_on_the_next_version(service: Installation) -> None:
    """A printed version keeps its name for ever; the one an office issues then has the new one."""
    before = await printed(service, ZHAO)
    service.peers.register(ZHAO, "赵𬭎", portrait_jpeg(ZHAO.int, "女"))
    await service.arrive()
    assert (await printed(service, ZHAO)).pdf == before.pdf
    await officer(service).call(reissue(ZHAO, NAME_FIXED))
    after = await printed(service, ZHAO)
    scanner = Caller(service.channel("scanner"))
    answer = await scanner.call(door.VerifyTicketRequest(proof=after.proof))
    assert (after.version, answer.name) == (2, "赵𬭎")


async def test_a_temporary_ticket_goes_without_a_photo(service: Installation) -> None:
    """Whose photo never came is PHOTO_PENDING; the temporary ticket is printed, and says so."""
    desk = officer(service)
    assert (await desk.refused(printing(WITHOUT_PHOTO))).reason == "PHOTO_PENDING"
    issued = (await desk.call(temporary(WITHOUT_PHOTO, without_photo=True))).ticket
    assert (issued.kind, issued.without_photo) == (types.TICKET_KIND_TEMPORARY, True)
    request = printing(WITHOUT_PHOTO)
    paper = await desk.call(request)
    assert (paper.version, paper.print_count, paper.pdf[:5]) == (2, 1, b"%PDF-")
    assert await desk.call(request) == paper
    own = await printed(service, WITHOUT_PHOTO)
    assert (own.pdf, own.print_count) == (paper.pdf, 2)
    data = door.GetVerificationDataRequest(session_code="22.1")
    answer = await Caller(service.channel("scanner")).call(data)
    proof = verify(own.proof, keys_from_pb(answer.keys))
    assert (proof.kind, proof.has_photo) == (TicketKind.TEMPORARY, False)
    regular = (await desk.call(reissue(WITHOUT_PHOTO))).ticket
    assert (regular.kind, regular.without_photo) == (types.TICKET_KIND_REGULAR, False)
    done = [entry.action for entry in await audited(service, county_prefix=COUNTY)]
    assert {"issue_temporary_ticket", "print_for_candidate", "reissue_ticket"} <= set(done)


async def test_an_office_keeps_to_its_county_and_to_what_there_is(service: Installation) -> None:
    """A neighbour's officer, a number nobody has and an unknown session are refused, each act."""
    for build in (reissue, temporary, printing):
        desk, neighbour = officer(service), officer(service, "510105")
        assert (await neighbour.refused(build(ZHANG))).reason == "OUT_OF_SCOPE"
        assert (await desk.refused(build(NOBODY))).reason == "NOT_FOUND"
        assert (await desk.refused(build(ZHANG, session_code="22.9"))).reason == "SESSION_UNKNOWN"
    assert (await officer(service, "510105").refused(finding(ZHANG))).reason == "OUT_OF_SCOPE"
    assert (await officer(service).refused(finding(NOBODY))).reason == "NOT_FOUND"
    assert (await officer(service).refused(finding(ZHANG, "22.9"))).reason == "SESSION_UNKNOWN"


async def test_a_request_id_is_of_one_act(service: Installation) -> None:
    """The same id with another body is refused; so is that of a print of a replaced version."""
    desk = officer(service)
    for request in (reissue(QIAN), temporary(QIAN)):
        await desk.call(request)
        request.note = "另一原因"
        assert (await desk.refused(request)).reason == "REQUEST_ID_REUSED"
    old = printing(QIAN)
    await desk.call(old)
    await desk.call(reissue(QIAN))
    assert (await desk.refused(old)).reason == "REQUEST_ID_REUSED"


async def test_an_office_issues_five_versions_a_day(service: Installation) -> None:
    """One more is refused; after a day the next one is not."""
    desk = officer(service)
    for _ in range(MAX_BY_OFFICES):
        await desk.call(reissue(SUN))
    refused = await desk.refused(reissue(SUN))
    assert (refused.reason, refused.metadata["limit"]) == ("TOO_MANY_VERSIONS", "5")
    assert (await desk.refused(temporary(SUN))).reason == "TOO_MANY_VERSIONS"
    await rows(
        service,
        "UPDATE tickets.ticket SET issued_at = issued_at - interval '1 day' WHERE issued_by <> ''"
        " AND candidate_id = $1",
        SUN,
    )
    assert (await desk.call(reissue(SUN))).ticket.version == MAX_BY_OFFICES + 2


async def test_two_officers_issue_one_version_after_the_other(service: Installation) -> None:
    """At the same moment: versions follow each other, and one is in force."""
    before = (await candidate(service, ZHANG).call(asking())).version
    desks = [officer(service) for _ in range(4)]
    answers = await asyncio.gather(*(desk.call(reissue(ZHANG)) for desk in desks))
    issued = sorted(answer.ticket.version for answer in answers)
    assert issued == list(range(before + 1, before + 5))
    assert (await candidate(service, ZHANG).call(asking())).version == issued[-1]


async def test_a_publication_waits_for_a_version_that_is_being_issued(
    service: Installation,
) -> None:
    """Whoever gets other seats while an office replaces the ticket ends with the new seats.

    The candidate sees the slot that was changed; so does the feed.
    """
    service.peers.enroll(LI, OTHER_COURSE)
    arrangement = await service.arranged()
    async with open_database(service.config.database, PACKAGE) as db, db.transaction() as tx:
        act = ReissueTicket(ticket_number(LI), TicketReason.DAMAGED, "污损")
        order = Order(Proposal("22.1", COUNTY, act), new_id(), SESSION.printing_opens_at, False)
        await issue_version(VersionStore(tx), SessionStore(tx), 1, order)
        publication = asyncio.create_task(service.publish(arrangement.arrangement_id))
        await until(lambda: _somebody_waits(service))
    await publication
    seen = await candidate(service, LI).call(asking())
    assert [seat.course_code for seat in seen.seats] == [OTHER_COURSE[1]]
    assert (seen.reason, list(seen.changed_slots)) == (types.TICKET_REASON_REARRANGED, [1])
    last = (await events_of(service, LI))[-1]
    assert (last.version, list(last.seats)) == (seen.version, list(seen.seats))


async def _somebody_waits(service: Installation) -> bool:
    return bool(
        await rows(
            service,
            "SELECT 1 FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock'",
        )
    )


async def test_a_reader_goes_on_where_it_was(service: Installation) -> None:
    """From a cursor the feed brings what came after it; a cursor that is none is refused."""
    reader = Caller(service.channel("ticket-reader"))
    events = await events_of(service, LI)
    stream = reader.start(feed.WatchTicketsRequest(cursor=events[0].cursor))
    page = await stream.read()
    stream.cancel()
    assert [e.cursor for e in page.events if e.candidate_id == str(LI)] == [
        event.cursor for event in events[1:]
    ]
    refused = await reader.refused(feed.WatchTicketsRequest(cursor="x"), TIMEOUT_SECONDS)
    assert refused.reason == "INVALID_REQUEST"
