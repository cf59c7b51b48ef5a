"""What stands on tickets: sites that people sit in, and texts that paper can show."""

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
from support.tickets_offices import importing, officer, rows, sites_in
from support.tickets_peers import COUNTY
from support.tickets_service import Installation, session_message, tickets_installation
from zikao.tickets.v1 import session_service_pb2
from zikao_tickets.converts.sites import sites_from_pb
from zikao_tickets.domain.layout import RoomPlan
from zikao_tickets.domain.rooms import RoomUse
from zikao_tickets.domain.session import Site
from zikao_tickets.domain.site_changes import settled

pytestmark = pytest.mark.asyncio(loop_scope="module")

NEIGHBOUR = "510105"
ANOTHER = replace(SITE, code="B", name="第七中学", address="磨子桥")
TICKETS = "SELECT candidate_id, version, revoked_at FROM tickets.ticket ORDER BY 1, 2"
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
        (1, "", f"已安排座位，名称不能由第十七中学改为第十八中学{ADVICE}"),
        (1, "", f"已安排座位，地址不能由通盈街368号改为新街1号{ADVICE}"),
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
