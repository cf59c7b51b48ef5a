"""What stands on tickets: sites that people sit in, and texts that paper can show."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
import pytest_asyncio
from support.service import Caller, new_id
from support.service_databases import ServiceDatabases
from support.tickets_database import CLOSED as ENROLLMENT_CLOSED
from support.tickets_database import SESSION, SITE
from support.tickets_offices import (
    DONE,
    PENDING,
    audited,
    correction,
    decision,
    importing,
    officer,
    rows,
    sites_in,
)
from support.tickets_peers import COUNTY
from support.tickets_service import Installation, session_message, tickets_installation
from zikao.tickets.v1 import session_service_pb2
from zikao.tickets.v1 import ticket_service_pb2 as tickets
from zikao.tickets.v1 import types_pb2 as types
from zikao_tickets.converts.sites import sites_from_pb
from zikao_tickets.domain.layout import RoomPlan
from zikao_tickets.domain.rooms import RoomUse
from zikao_tickets.domain.session import Site
from zikao_tickets.domain.site_changes import settled

pytestmark = pytest.mark.asyncio(loop_scope="module")

NEIGHBOUR = "510105"
ANOTHER = replace(SITE, code="B", name="第七中学", address="磨子桥")
EVENTS = "SELECT count(*) FROM tickets.outbox"
VERSIONS = "SELECT candidate_id, version, revoked_at IS NULL FROM tickets.ticket ORDER BY 1, 2"
TICKETS = "SELECT candidate_id, version, revoked_at FROM tickets.ticket ORDER BY 1, 2"
TEXTS_ADVICE = "；请以“更正考点”办理，有关准考证随之换发新版"
ADVICE = "；先停用有关考场，重新编排并发布后方可更改"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(
    service_databases: ServiceDatabases, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Installation]:
    """A county in which two people sit in site A, room 001; each test sees what others left."""
    dsn = await service_databases.clone("tickets")
    async with tickets_installation(tmp_path_factory.mktemp("texts"), dsn) as running:
        for number in (1, 2):
            running.peers.register(UUID(int=number), "张三", b"photo")
            running.peers.enroll(UUID(int=number), (1, "00015"))
        await running.apply()
        await running.move_to(ENROLLMENT_CLOSED)
        await running.arrive()
        await running.publish((await running.arranged()).arrangement_id)
        yield running
    await service_databases.drop(dsn)


@pytest.fixture
def office(service: Installation) -> Caller:
    """The county's officer."""
    return officer(service)


async def sites_of(service: Installation) -> list[Site]:
    """The county's sites."""
    answer = await officer(service).call(sites_in())
    return sites_from_pb([each.site for each in answer.sites])


async def problems(
    office: Caller, *sites: Site, prefix: str = COUNTY
) -> list[tuple[int, str, str]]:
    """What is wrong with sites; nothing has changed then."""
    answer = await office.call(importing(*sites, prefix=prefix))
    assert list(answer.changes) == []
    return [(each.site, each.room_code, each.description) for each in answer.problems]


async def test_what_stands_on_tickets_does_not_change(
    service: Installation, office: Caller
) -> None:
    """Neither rooms go where people sit, nor do names, desks or use change; all by its line."""
    before = [tuple(row) for row in await rows(service, TICKETS)]
    gone = replace(SITE, rooms=(RoomPlan("002", 5, 6),))
    assert await problems(office, gone) == [(0, "001", f"已安排座位至2号，不能取消{ADVICE}")]
    small = replace(SITE, rooms=(RoomPlan("001", 1, 1),))
    assert await problems(office, small) == [(0, "001", f"已安排座位至2号，不能减至1个{ADVICE}")]
    closed = replace(RoomPlan("001", 6, 5), use=RoomUse.CLOSED)
    changed = replace(SITE, name="第十八中学", address="新街1号", rooms=(closed,))
    assert await problems(office, ANOTHER, changed) == [
        (1, "001", f"已安排座位，座位不能由5列6行改为6列5行{ADVICE}"),
        (1, "001", f"已安排座位，用途不能由正常改为停用{ADVICE}"),
        (1, "", f"已安排座位，名称不能由第十七中学改为第十八中学{TEXTS_ADVICE}"),
        (1, "", f"已安排座位，地址不能由通盈街368号改为新街1号{TEXTS_ADVICE}"),
    ]
    larger = replace(SITE, rooms=(RoomPlan("001", 10, 10),))
    assert len(await problems(office, larger)) == 1
    province = officer(service, "51")
    moved = replace(SITE, county_code=NEIGHBOUR, county_name="青羊区")
    assert await problems(province, moved, prefix="51") == [
        (0, "", f"已安排座位，所属区县不能由510104改为510105{ADVICE}"),
        (0, "", f"已安排座位，所属区县名称不能由锦江区改为青羊区{ADVICE}"),
    ]
    alone = await office.call(importing(ANOTHER, remove_others=True))
    assert [(each.site, each.room_code, each.description) for each in alone.problems] == [
        (-1, "001", f"考点A考场001已安排座位至2号，不能取消{ADVICE}")
    ]
    assert [tuple(row) for row in await rows(service, TICKETS)] == before
    assert (await sites_of(service))[0] == settled([], [SITE])[0]
    await office.call(importing(replace(SITE, rooms=(*SITE.rooms, RoomPlan("002", 5, 6)))))
    await office.call(importing(SITE))


async def test_a_file_changes_nothing_that_stands_on_tickets(service: Installation) -> None:
    """Names, desks and the times of a slot with seats: all is said at once, nothing is applied."""
    later = replace(SESSION.slots[0], ends_at=SESSION.slots[0].ends_at + timedelta(minutes=30))
    session = replace(SESSION, slots=(later,))
    site = replace(SITE, address="新街1号", rooms=(RoomPlan("001", 6, 5),))
    request = session_service_pb2.ApplySessionRequest(
        request_id=new_id(), session=session_message(session, site)
    )
    refused = await Caller(service.channel("operator")).refused(request)
    assert refused.reason == "SESSION_CHANGE_REFUSED"
    assert [each.description for each in refused.fields] == [
        "第1场已安排座位，时间不能由2022-04-16 09:00:00+08:00至2022-04-16 11:30:00+08:00"
        "改为2022-04-16 09:00:00+08:00至2022-04-16 12:00:00+08:00（考试改期须另设考次）",
        "考点A考场001已安排座位，座位不能由5列6行改为6列5行",
        "考点A已安排座位，地址不能由通盈街368号改为新街1号",
    ]
    assert await service.apply_settings(SESSION) == []


async def test_what_no_ticket_can_show_is_not_imported(
    service: Installation, office: Caller
) -> None:
    """A character without font and a text without room are told by line, of a file by field."""
    bad = replace(ANOTHER, code="D", name="第\U000f0001中学", address="磨子桥" * 50)
    found = [
        (1, "", "名称中的? (U+F0001)没有字体可印"),
        (1, "", "地址过长，准考证上印不下"),
    ]
    assert await problems(office, replace(ANOTHER, code="E"), bad) == found
    session = replace(SESSION, name="四月\U000f0001", courses={"00015": "英" * 99})
    request = session_service_pb2.ApplySessionRequest(
        request_id=new_id(), session=session_message(session, SITE, bad)
    )
    refused = await Caller(service.channel("operator")).refused(request)
    assert [(each.field, each.description) for each in refused.fields] == [
        ("session.name", "考次名称中的? (U+F0001)没有字体可印"),
        ("session.courses", "课程00015名称过长，准考证上印不下"),
        *(("session.sites", f"考点D{description}") for _, _, description in found),
    ]


async def test_a_county_has_an_end(service: Installation, office: Caller) -> None:
    """200 sites with 5,000 rooms; what there is counts with what comes."""
    rooms = tuple(RoomPlan(f"{number:03}", 5, 6) for number in range(1, 1001))
    many = [replace(ANOTHER, code=f"M{number}", rooms=rooms[:1]) for number in range(200)]
    there = len(await sites_of(service))
    assert await problems(office, *many) == [
        (0, "", f"所属区县510104共有考点{200 + there}个，最多200个")
    ]
    large = [replace(ANOTHER, code=f"M{number}", rooms=rooms) for number in range(5)]
    ((place, _, said),) = await problems(office, *large)
    assert (place, said.startswith("所属区县510104共有考场50")) == (0, True)
    assert len(await sites_of(service)) == there


async def ticket_of(service: Installation, number: int) -> tickets.GetTicketResponse:
    """A candidate's ticket as the candidate sees it."""
    caller = service.calling(UUID(int=number), "candidate")
    answer: tickets.GetTicketResponse = await caller.call(
        tickets.GetTicketRequest(session_code="22.1")
    )
    return answer


async def test_a_corrected_site_is_on_new_versions(service: Installation) -> None:
    """The seats stay, the old versions end, candidates, feed and audit are told; once."""
    await service.move_to(SESSION.printing_opens_at)
    office = officer(service)
    before = await ticket_of(service, 1)
    (events,) = await rows(service, EVENTS)
    request = correction()
    answer = await office.call(request)
    assert answer.action.state == DONE
    assert await office.call(request) == answer
    found = await ticket_of(service, 1)
    assert (found.version, found.reason) == (2, types.TICKET_REASON_SITE_CORRECTED)
    assert [(seat.site_name, seat.site_address) for seat in found.seats] == [
        ("第十八中学", "新街1号")
    ]
    assert [seat.seat for seat in found.seats] == [seat.seat for seat in before.seats]
    assert [tuple(row)[1:] for row in await rows(service, VERSIONS)] == [(1, False), (2, True)] * 2
    assert (await rows(service, EVENTS))[0][0] == events[0] + 2
    (entry,) = await audited(service, action="correct_site")
    assert json.loads(entry.before_json)["name"] == "第十七中学"
    assert json.loads(entry.after_json)["tickets"] == 2
    assert (await office.call(correction())).action.state == DONE
    assert (await ticket_of(service, 1)).version == 2
    request.reason = "另有原因"
    assert (await office.refused(request)).reason == "REQUEST_ID_REUSED"


async def test_a_correction_that_tickets_show_takes_two_officers(
    service: Installation, office: Caller
) -> None:
    """Under dual control it waits while people sit there; of an empty site one decides."""
    await service.apply_settings(replace(SESSION, dual_control=True))
    await office.call(importing(ANOTHER))
    assert (await office.call(correction(site_code="B"))).action.state == DONE
    action = (await office.call(correction(name="第十九中学"))).action
    assert action.state == PENDING
    assert (await ticket_of(service, 2)).version == 2
    await officer(service).call(decision(action))
    found = await ticket_of(service, 2)
    assert (found.version, found.seats[0].site_name) == (3, "第十九中学")
    assert (found.seats[0].site_address, action.act.correct_site.reason) == ("新街1号", "校名更正")


async def test_what_cannot_be_corrected(service: Installation) -> None:
    """No such site or session, a text that no ticket could show, too much that waits."""
    subject = new_id()
    desk = officer(service, COUNTY, subject)
    assert (await desk.refused(correction(site_code="Z"))).reason == "NOT_FOUND"
    assert (await desk.refused(correction(session_code="99.1"))).reason == "SESSION_UNKNOWN"
    refused = await desk.refused(correction(name="\U000f0001", address="磨子桥" * 50))
    assert [(each.field, each.description) for each in refused.fields] == [
        ("name", "名称中的? (U+F0001)没有字体可印"),
        ("address", "地址过长，准考证上印不下"),
    ]
    assert (await desk.refused(correction(reason="请联系13800000000"))).reason == "INVALID_REQUEST"
    await desk.call(correction(name="第二十中学"))
    await rows(
        service,
        "INSERT INTO tickets.office_action (action_id, session_code, county_prefix, act, state,"
        " proposed_by, proposed_at, expires_at) SELECT gen_random_uuid(), session_code,"
        " county_prefix, act, state, proposed_by, proposed_at, expires_at"
        " FROM tickets.office_action, generate_series(1, 99) WHERE proposed_by = $1",
        subject,
    )
    again = correction(name="第二十一中学")
    assert (await desk.refused(again)).reason == "TOO_MANY_PENDING_ACTIONS"
