"""Arranging many counties over the wire: started, watched, cancelled, listed and published."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from support.service import Caller, new_id, until
from support.service_databases import MakeDatabase
from support.tickets_database import CLOSED, SESSION, SITE
from support.tickets_offices import audited, decision, officer, rows
from support.tickets_peers import COUNTY
from support.tickets_service import Installation, tickets_installation
from zikao.tickets.v1 import arrangement_operation_service_pb2 as pb
from zikao.tickets.v1 import arrangement_service_pb2 as arrangements
from zikao.tickets.v1 import office_service_pb2 as offices
from zikao.tickets.v1 import ticket_statistics_service_pb2 as statistics
from zikao_tickets.domain.layout import RoomPlan
from zikao_tickets.domain.session import Session
from zikao_tickets.domain.states import KEPT_NOTHING

ENGLISH = (1, "00015")
OTHER = "510105"
SITES = [replace(SITE, rooms=(RoomPlan("001", 5, 6),)), replace(SITE, code="B", county_code=OTHER)]
DONE, PUBLISHED = arrangements.ARRANGEMENT_STATE_DONE, arrangements.ARRANGEMENT_STATE_PUBLISHED
PENDING = arrangements.ARRANGEMENT_STATE_PENDING
CANCELLED = arrangements.ARRANGEMENT_STATE_CANCELLED


@pytest.fixture
async def service(tmp_path: Path, make_database: MakeDatabase) -> AsyncIterator[Installation]:
    """A session in two counties of a city with five candidates each, ready to be arranged."""
    async with tickets_installation(tmp_path, await make_database("tickets")) as running:
        for number in range(1, 11):
            running.peers.register(UUID(int=number), "张三", b"photo")
            county = COUNTY if number % 2 else OTHER
            running.peers.enroll(UUID(int=number), ENGLISH, county=county)
        await apply(running, SESSION)
        await running.move_to(CLOSED)
        await running.arrive()
        yield running


async def apply(service: Installation, session: Session) -> None:
    """Apply the session with a site in each county."""
    await service.apply(session, *SITES)


def starting(prefix: str = "5101", **fields: Any) -> pb.StartArrangementsRequest:
    """Start all counties of an area."""
    return pb.StartArrangementsRequest(
        request_id=new_id(), session_code="22.1", county_prefix=prefix, **fields
    )


def listing(prefix: str = "5101", **fields: Any) -> pb.ListArrangementsRequest:
    """Arrangements of an area."""
    return pb.ListArrangementsRequest(session_code="22.1", county_prefix=prefix, **fields)


def cancelling(**which: str) -> pb.CancelArrangementsRequest:
    """End an operation or an arrangement."""
    return pb.CancelArrangementsRequest(request_id=new_id(), **which)


def publishing(prefix: str = "5101") -> pb.PublishArrangementsRequest:
    """Publish what is done in an area."""
    return pb.PublishArrangementsRequest(
        request_id=new_id(), session_code="22.1", county_prefix=prefix
    )


def counting(grouping: str) -> statistics.GetTicketStatisticsRequest:
    """The numbers of the city."""
    value = statistics.TicketStatisticsGrouping.Value(f"TICKET_STATISTICS_GROUPING_{grouping}")
    return statistics.GetTicketStatisticsRequest(
        session_code="22.1", county_prefix="5101", grouping=value
    )


async def watched(city: Caller, operation_id: str) -> list[pb.WatchArrangementsResponse]:
    """All messages of an operation's stream, to its end."""
    call = city.start(pb.WatchArrangementsRequest(operation_id=operation_id), 30.0)
    return [message async for message in call]


async def arranged(service: Installation) -> tuple[Caller, str]:
    """The city's officer, and the operation by which both counties are done."""
    city = officer(service, "5101")
    started = await city.call(starting())
    await watched(city, started.operation_id)
    return city, started.operation_id


async def until_published(city: Caller) -> Sequence[arrangements.Arrangement]:
    """Both counties, once a worker has published them."""

    async def published() -> Any:
        found = (await city.call(listing("5101", state=PUBLISHED))).arrangements
        return found if len(found) == 2 else None

    return await until(published)  # type: ignore[no-any-return]


async def test_an_operation_goes_from_its_start_to_its_end(service: Installation) -> None:
    """A dry run names two counties and starts none; a start arranges both, seen by two watchers."""
    city = officer(service, "5101")
    dry = await city.call(starting(dry_run=True))
    assert (dry.operation_id, list(dry.county_codes)) == ("", [COUNTY, OTHER])
    request = starting()
    started = await city.call(request)
    assert await city.call(request) == started
    assert list(started.county_codes) == [COUNTY, OTHER]
    seen = await asyncio.gather(*(watched(city, started.operation_id) for _ in range(2)))
    for messages in seen:
        assert [message.full for message in messages] == [True] + [False] * (len(messages) - 1)
        last = {each.county_code: each for message in messages for each in message.arrangements}
        assert [each.state for each in last.values()] == [DONE, DONE]
        assert [each.candidates for each in last.values()] == [5, 5]
        totals = messages[-1].totals
        assert (totals.arrangements, totals.ended, totals.sittings) == (2, 2, 10)
        assert (totals.rooms, totals.rooms_bound, totals.site_changes) == (2, 2, 0)
    (late,) = await watched(city, started.operation_id)
    assert late.full
    assert {each.operation_id for each in late.arrangements} == {started.operation_id}


async def test_what_waits_is_cancelled_at_once(service: Installation) -> None:
    """Pending counties end, one by itself or all of an operation; new ones may be started then."""
    city = officer(service, "5101")
    service.peers.enrollment_is_silent = True
    first = await city.call(starting())
    assert (await city.refused(starting())).reason == "NOTHING_TO_ARRANGE"
    found = (await city.call(listing(state=PENDING))).arrangements
    assert [each.county_code for each in found] == [COUNTY, OTHER]
    one = cancelling(arrangement_id=found[0].arrangement_id)
    assert (await city.call(one)).cancelled == 1
    one.request_id = new_id()
    assert (await city.call(one)).cancelled == 0
    second = await city.call(starting())
    assert (list(second.county_codes), list(second.in_progress)) == ([COUNTY], [OTHER])
    assert (await city.call(cancelling(operation_id=first.operation_id))).cancelled == 1
    refused = await city.refused(cancelling(operation_id=first.operation_id))
    assert (refused.reason, refused.metadata["state"]) == ("STATE_NOT_ALLOWED", "均已结束")
    newest = (await city.call(listing("510105"))).arrangements[0]
    assert newest.state == CANCELLED
    (last,) = await watched(city, first.operation_id)
    assert (last.totals.ended, last.totals.cancelled) == (2, 2)
    entries = await audited(service, county_prefix="5101")
    told = [(each.action, each.county_prefix, json.loads(each.after_json)) for each in entries]
    operations = [{"operation_id": each.operation_id, "anew": False} for each in (first, second)]
    assert told == [
        ("start_arrangements", "5101", operations[0] | {"county_codes": [COUNTY, OTHER]}),
        (
            *("cancel_arrangements", COUNTY),
            {"arrangement_id": one.arrangement_id, "cancelled": 1, "ending": 0},
        ),
        ("start_arrangements", "5101", operations[1] | {"county_codes": [COUNTY]}),
        (
            *("cancel_arrangements", "5101"),
            {"operation_id": first.operation_id, "cancelled": 1, "ending": 0},
        ),
    ]


async def test_pages_go_by_county_and_the_newest_first(service: Installation) -> None:
    """Six arrangements in pages of four: each once; a token of nobody's is refused."""
    for _ in range(3):
        city, _ = await arranged(service)
    first = await city.call(listing(page_size=4))
    second = await city.call(listing(page_size=4, page_token=first.next_page_token))
    found = [*first.arrangements, *second.arrangements]
    assert [each.county_code for each in found] == [COUNTY] * 3 + [OTHER] * 3
    for three in (found[:3], found[3:]):
        times = [each.started_at.ToNanoseconds() for each in three]
        assert times == sorted(times, reverse=True)
    assert len({each.arrangement_id for each in found}) == 6
    assert second.next_page_token == ""
    assert list((await city.call(listing(with_gap_only=True))).arrangements) == []
    assert (await city.refused(listing(page_token="510104:1"))).reason == "INVALID_REQUEST"


async def test_many_are_published_by_two_officers(service: Installation) -> None:
    """The second officer sees who drew how often, approves both, and a worker publishes each."""
    await apply(service, replace(SESSION, dual_control=True))
    await arranged(service)
    await officer(service, COUNTY).call(
        arrangements.StartArrangementRequest(
            request_id=new_id(), session_code="22.1", county_code=COUNTY, anew=True
        )
    )
    city = officer(service, "5101")

    async def done() -> Any:
        found = (await city.call(listing(state=DONE))).arrangements
        return found if any(each.anew for each in found) else None

    by_county = {each.county_code: each for each in await until(done)}
    action = (await city.call(publishing())).action
    assert action.state == offices.OFFICE_ACTION_STATE_PENDING
    (again, other) = action.act.publish_arrangements.arrangements
    assert again == offices.ProposedArrangement(
        arrangement_id=by_county[COUNTY].arrangement_id,
        county_code=COUNTY,
        anew=True,
        started_by=by_county[COUNTY].started_by,
        discarded=1,
        rooms=1,
        rooms_bound=1,
    )
    assert (other.county_code, other.anew, other.discarded) == (OTHER, False, 0)
    assert "" != other.started_by != again.started_by
    assert (await city.refused(decision(action))).reason == "SECOND_OFFICER_NEEDED"
    second = officer(service, "51")
    await second.call(decision(action))
    found = await until_published(city)
    assert all(each.seed for each in found)
    assert (await city.refused(publishing())).reason == "NOTHING_TO_PUBLISH"
    tickets = await rows(service, "SELECT county_code, count(*) FROM tickets.ticket GROUP BY 1")
    assert sorted(map(tuple, tickets)) == [(COUNTY, 5), (OTHER, 5)]
    entries = await audited(service, county_prefix="5101")
    assert [each.action for each in entries] == [
        "start_arrangements",
        "start_arrangements",
        "propose_publish_arrangements",
        "confirm_publish_arrangements",
    ]


async def test_what_changed_since_it_was_proposed_is_not_published(service: Installation) -> None:
    """Other seats than the proposed ones: the second officer's confirmation is refused."""
    await apply(service, replace(SESSION, dual_control=True))
    city, _ = await arranged(service)
    many = (await city.call(publishing())).action
    found = (await city.call(listing("510104"))).arrangements[0]
    alone = arrangements.PublishArrangementRequest(
        request_id=new_id(), arrangement_id=found.arrangement_id
    )
    one = (await city.call(alone)).action
    await rows(service, "UPDATE tickets.arrangement SET seats_sha256 = 'other'")
    second = officer(service, "51")
    for action in (many, one):
        assert (await second.refused(decision(action))).reason == "ARRANGEMENT_CHANGED"
    alone.request_id = new_id()
    assert (await city.refused(alone)).reason == "ARRANGEMENT_CHANGED"


async def test_what_cannot_be_published_after_all_says_why(service: Installation) -> None:
    """Of two approved counties one has lost a seat: it is done again and says what is wrong."""
    city, _ = await arranged(service)
    await rows(service, "DELETE FROM tickets.seat WHERE site_code = 'B' AND seat_number = 1")
    assert (await city.call(publishing())).action.state == offices.OFFICE_ACTION_STATE_DONE

    async def refused() -> Any:
        return (await city.call(listing(OTHER))).arrangements[0].failure

    assert "第1场考生无座位1处" in await until(refused)
    states = [each.state for each in (await city.call(listing())).arrangements]
    assert states == [PUBLISHED, DONE]


async def test_an_arrangement_is_exported_for_whoever_draws_again(service: Installation) -> None:
    """The head alone before the publication: who sits where, and the seed, come with that.

    Until then anybody is told the hash of the seed, and since when it is fixed, then the seed.
    Whoever saw seats before could arrange otherwise until they please. Resumed by its cursor; what
    has no plan, from before those were kept, is refused.
    """
    city, _ = await arranged(service)
    found = (await city.call(listing(COUNTY))).arrangements[0]
    request = pb.ExportArrangementRequest(arrangement_id=found.arrangement_id)
    (only,) = [part async for part in city.start(request, 10.0)]
    head = json.loads(only.lines)
    assert (head["seed"], bytes.fromhex(head["seed_sha256"])) == ("", found.seed_sha256)
    assert (only.cursor, only.seats_total) == ("0", 0)
    request.cursor = only.cursor
    assert [part.lines async for part in city.start(request, 10.0)] == [b""]
    anybody = Caller(service.channel("portal"))
    asked = arrangements.ListDrawsRequest(session_code="22.1", county_code=COUNTY)
    (before,) = (await anybody.call(asked)).draws
    told = arrangements.Draw(seed_sha256=found.seed_sha256, fixed_at=found.started_at)
    assert before == told
    published = await service.publish(found.arrangement_id)
    (after,) = (await anybody.call(asked)).draws
    assert after.published_at.ToDatetime() > after.fixed_at.ToDatetime()
    assert (after.seed, after.seats_sha256) == (published.seed, published.seats_sha256)
    assert after.arrangement_id == found.arrangement_id
    request.cursor = ""
    parts = [part async for part in city.start(request, 10.0)]
    head, seats = (json.loads(part.lines) for part in parts)
    assert bytes.fromhex(head["seed"]) == published.seed
    assert [len(seats["seats"]), parts[-1].seats_done, parts[-1].seats_total] == [5, 5, 5]
    request.cursor = parts[0].cursor
    assert [part.lines async for part in city.start(request, 10.0)] == [parts[1].lines]
    await rows(service, "DELETE FROM tickets.arrangement_plan")
    request.cursor = ""
    refused = await city.refused(request)
    assert (refused.reason, refused.metadata["state"]) == ("STATE_NOT_ALLOWED", KEPT_NOTHING)


async def test_numbers_are_counted(service: Installation) -> None:
    """By county, slot and both: sittings at once, seats and tickets once they are in force."""
    city, _ = await arranged(service)
    await city.call(publishing())
    await until_published(city)
    found = {}
    for grouping in ("COUNTY", "SLOT", "COUNTY_SLOT"):
        rows_of = (await city.call(counting(grouping))).rows
        found[grouping] = [(r.county_code, r.slot, r.sittings, r.seats, r.rooms) for r in rows_of]
    assert found == {
        "COUNTY": [(COUNTY, 0, 5, 5, 1), (OTHER, 0, 5, 5, 1)],
        "SLOT": [("", 1, 10, 10, 2)],
        "COUNTY_SLOT": [(COUNTY, 1, 5, 5, 1), (OTHER, 1, 5, 5, 1)],
    }
    (row, _) = (await city.call(counting("COUNTY"))).rows
    assert (row.candidates, row.tickets, row.printed, row.rooms_bound) == (5, 5, 0, 1)
    elsewhere = officer(service, "5102")
    assert (await elsewhere.refused(counting("COUNTY"))).reason == "OUT_OF_SCOPE"
    unknown = counting("COUNTY")
    unknown.session_code = "22.2"
    assert (await city.refused(unknown)).reason == "SESSION_UNKNOWN"
    unknown.session_code = ""
    assert (await city.refused(unknown)).reason == "INVALID_REQUEST"


async def test_what_is_refused(service: Installation) -> None:
    """Elsewhere, of nobody, nothing there, anew when tickets are out: each its reason."""
    city, elsewhere = officer(service, "5101"), officer(service, "5102")
    assert (await elsewhere.refused(starting())).reason == "OUT_OF_SCOPE"
    assert (await elsewhere.refused(starting("5102"))).reason == "NOTHING_TO_ARRANGE"
    unknown = starting()
    unknown.session_code = "22.2"
    assert (await city.refused(unknown)).reason == "SESSION_UNKNOWN"
    assert (await city.refused(publishing())).reason == "NOTHING_TO_PUBLISH"
    _, operation_id = await arranged(service)
    found = (await city.call(listing(COUNTY))).arrangements[0]
    for request in (
        pb.WatchArrangementsRequest(operation_id=operation_id),
        cancelling(operation_id=operation_id),
        cancelling(arrangement_id=found.arrangement_id),
        pb.ExportArrangementRequest(arrangement_id=found.arrangement_id),
        listing(),
        publishing(),
    ):
        assert (await elsewhere.refused(request)).reason == "OUT_OF_SCOPE"
    for request in (
        pb.WatchArrangementsRequest(operation_id=new_id()),
        cancelling(operation_id=new_id()),
        cancelling(arrangement_id=new_id()),
        pb.ExportArrangementRequest(arrangement_id=new_id()),
    ):
        assert (await city.refused(request)).reason == "NOT_FOUND"
    done = cancelling(arrangement_id=found.arrangement_id)
    assert (await city.refused(done)).reason == "STATE_NOT_ALLOWED"
    beyond = pb.ExportArrangementRequest(arrangement_id=found.arrangement_id, cursor="6")
    assert (await city.refused(beyond)).reason == "INVALID_REQUEST"
    await service.move_to(SESSION.printing_opens_at)
    city = officer(service, "5101")
    assert (await city.refused(starting(anew=True))).reason == "ANEW_NOT_ALLOWED"
    anew = arrangements.StartArrangementRequest(
        request_id=new_id(), session_code="22.1", county_code=COUNTY, anew=True
    )
    assert (await city.refused(anew)).reason == "ANEW_NOT_ALLOWED"
    await apply(service, replace(SESSION, dual_control=True))
    assert (await city.call(starting(anew=True))).operation_id


async def test_without_seats_there_is_nothing_to_export(service: Installation) -> None:
    """Too early is refused; a pending arrangement has no seats."""
    city = officer(service, "5101")
    service.peers.enrollment_is_silent = True
    await city.call(starting())
    found = (await city.call(listing(COUNTY))).arrangements[0]
    export = pb.ExportArrangementRequest(arrangement_id=found.arrangement_id)
    assert (await city.refused(export)).reason == "STATE_NOT_ALLOWED"
    await service.move_to(CLOSED - timedelta(days=1))
    assert (await officer(service, "5101").refused(starting())).reason == "ARRANGEMENT_TOO_EARLY"
