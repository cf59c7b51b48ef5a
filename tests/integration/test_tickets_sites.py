"""Sites and rooms as offices keep them: imported, used otherwise, listed."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio
from support.commands import Ended, run_command
from support.service import Caller, new_id
from support.service_databases import ServiceDatabases
from support.tickets_database import CLOSED as ENROLLMENT_CLOSED
from support.tickets_database import SESSION, SITE
from support.tickets_offices import (
    CLOSED,
    DONE,
    NORMAL,
    RESERVE,
    audited,
    importing,
    officer,
    room_use,
    rows,
    sites_in,
)
from support.tickets_peers import COUNTY
from support.tickets_service import Installation, tickets_installation
from zikao_tickets.converts.sites import sites_from_pb
from zikao_tickets.domain.layout import Layout, RoomPlan
from zikao_tickets.domain.rooms import RoomUse
from zikao_tickets.domain.session import Site

pytestmark = pytest.mark.asyncio(loop_scope="module")

NEIGHBOUR = "510105"
ANOTHER = replace(SITE, code="B", name="第七中学", address="磨子桥")
HORSESHOE = RoomPlan(
    "002", 3, 2, Layout.CUSTOM, (1, 2, 0, 3, 5, 4), frozenset({1}), RoomUse.RESERVE
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(
    service_databases: ServiceDatabases, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Installation]:
    """A county in which two people sit in site A, room 001; each test sees what others left."""
    dsn = await service_databases.clone("tickets")
    async with tickets_installation(tmp_path_factory.mktemp("sites"), dsn) as running:
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


async def sites_of(service: Installation, prefix: str = "51") -> list[Site]:
    """The sites as officers of the province see them."""
    answer = await officer(service, "51").call(sites_in(prefix))
    return sites_from_pb([each.site for each in answer.sites])


async def problems(
    office: Caller, *sites: Site, prefix: str = COUNTY
) -> list[tuple[int, str, str]]:
    """What is wrong with sites; nothing has changed then."""
    answer = await office.call(importing(*sites, prefix=prefix))
    assert list(answer.changes) == []
    return [(each.site, each.room_code, each.description) for each in answer.problems]


async def test_a_county_adds_a_site(service: Installation, office: Caller) -> None:
    """It is filled after the others, names its county as they do, and is there once."""
    added = replace(ANOTHER, county_name="", rooms=(*SITE.rooms, HORSESHOE))
    request = importing(added)
    dry = importing(added, dry_run=True)
    assert list((await office.call(dry)).changes) == ["新增考点B第七中学"]
    assert [site.code for site in await sites_of(service)] == ["A"]
    answer = await office.call(request)
    assert list(answer.changes) == ["新增考点B第七中学"]
    assert await office.call(request) == answer
    found = await sites_of(service)
    assert [site.code for site in found] == ["A", "B"]
    assert found[1].county_name == "锦江区"
    assert found[1].rooms[0].use is RoomUse.NORMAL
    assert found[1].rooms[1] == HORSESHOE
    assert list((await office.call(importing(added))).changes) == []
    request.dry_run = True
    assert (await office.refused(request)).reason == "REQUEST_ID_REUSED"


async def test_what_changes_is_said(service: Installation, office: Caller) -> None:
    """Name, rooms, layout, accessible seats and use; order and another county stay."""
    await officer(service, NEIGHBOUR).call(
        importing(
            replace(ANOTHER, code="C", county_code=NEIGHBOUR, county_name="青羊区"),
            prefix=NEIGHBOUR,
        )
    )
    first = replace(RoomPlan("001", 5, 6), layout=Layout.ROWS, accessible=frozenset({2, 1}))
    other = replace(HORSESHOE, numbering=(2, 1, 0, 3, 5, 4), use=RoomUse.CLOSED)
    changed = replace(ANOTHER, name="第七中学东区", rooms=(first, other, RoomPlan("003", 5, 6)))
    answer = await office.call(importing(changed))
    assert list(answer.changes) == [
        "考点B名称由第七中学改为第七中学东区",
        "考点B考场001由5列6行改为5列6行，逐行编号，无障碍座位1、2号",
        "考点B考场002用途由备用改为停用",
        "考点B考场002座位编号已更改",
        "新增考点B考场003（5列6行）",
    ]
    assert [site.code for site in await sites_of(service, COUNTY)] == ["A", "B"]
    assert [site.code for site in await sites_of(service, NEIGHBOUR)] == ["C"]
    (entry,) = await audited(service, county_prefix=NEIGHBOUR)
    assert (entry.action, json.loads(entry.after_json)) == (
        "import_sites",
        {"changes": ["新增考点C第七中学"], "in_all": 1},
    )


async def test_every_problem_is_told_at_once(service: Installation, office: Caller) -> None:
    """By site and room, and nothing is imported, not even what is right."""
    bad_rooms = (
        replace(HORSESHOE, numbering=(1, 2, 0, 3, 5, 5)),
        RoomPlan("001", 1, 2, accessible=frozenset({3})),
        RoomPlan("001", 5, 6),
    )
    found = await problems(
        office,
        replace(ANOTHER, code="D"),
        replace(ANOTHER, code="E", rooms=bad_rooms),
        replace(ANOTHER, code="E", county_code=NEIGHBOUR),
        replace(ANOTHER, code="C"),
    )
    assert found == [
        (1, "001", "重复"),
        (1, "002", "：自定义布局的座位编号须为从1开始的连续号码，每号一次，没有课桌处为0"),
        (1, "001", "：考场没有无障碍座位3号"),
        (2, "", "重复"),
        (2, "", "所属区县510105不在所填区域内"),
        (3, "", "的代码已由其他区域的考点使用"),
    ]
    nameless = replace(ANOTHER, code="D", county_code="510106", county_name="")
    province = officer(service, "51")
    assert await problems(province, nameless, prefix="51") == [(0, "", "未填写区县510106的名称")]
    assert {site.code for site in await sites_of(service)} == {"A", "B", "C"}
    broken = importing(replace(ANOTHER, code="b"))
    assert [each.field for each in (await office.refused(broken)).fields] == ["sites[0].code"]


async def test_other_sites_go_when_asked(service: Installation, office: Caller) -> None:
    """Those of the county, and the order is that of the request; another county's stay."""
    ordered = importing(replace(ANOTHER, code="D"), SITE, remove_others=True)
    assert list((await office.call(ordered)).changes) == [
        "新增考点D第七中学",
        "取消考点B第七中学东区",
    ]
    assert [site.code for site in await sites_of(service)] == ["C", "D", "A"]
    turned = importing(SITE, replace(ANOTHER, code="D"), remove_others=True)
    assert list((await office.call(turned)).changes) == ["考点使用顺序自第1个起变更，该位由D改为A"]
    only = importing(SITE, remove_others=True)
    assert list((await office.call(only)).changes) == ["取消考点D第七中学"]


async def test_a_room_is_used_otherwise(service: Installation, office: Caller) -> None:
    """At once without dual control; its people stay where they are, and the list says so."""
    done = (await office.call(room_use("001", CLOSED))).action
    assert (done.state, done.county_prefix) == (DONE, COUNTY)
    (record,) = (await office.call(sites_in())).sites
    assert [(each.room_code, each.sittings, each.use_reason) for each in record.rooms] == [
        ("001", 2, "漏水")
    ]
    assert record.site.rooms[0].use == CLOSED
    assert len(await rows(service, "SELECT 1 FROM tickets.seat")) == 2
    await office.call(importing(SITE))
    assert (await sites_of(service, COUNTY))[0].rooms[0].use is RoomUse.CLOSED
    await service.apply(SESSION, SITE, ANOTHER)
    assert (await sites_of(service, COUNTY))[0].rooms[0].use is RoomUse.CLOSED
    await office.call(room_use("001", RESERVE, reason="备用"))
    await office.call(room_use("001", NORMAL, reason="修好"))
    entries = await audited(service, action="set_room_use", county_prefix=COUNTY)
    assert [json.loads(each.before_json)["use"] for each in entries] == [
        "normal",
        "closed",
        "reserve",
    ]
    assert json.loads(entries[0].after_json)["sittings"] == 2


async def test_who_sits_in_a_closed_room_moves_with_the_next_arrangement(
    service: Installation, office: Caller
) -> None:
    """Nothing changes before it; then both have new tickets, and the room may be changed."""
    await office.call(importing(SITE, ANOTHER))
    await office.call(room_use("001", CLOSED))
    tickets = "SELECT version FROM tickets.ticket WHERE revoked_at IS NULL"
    assert [row["version"] for row in await rows(service, tickets)] == [1, 1]
    await service.publish((await service.arranged()).arrangement_id)
    assert [row["version"] for row in await rows(service, tickets)] == [2, 2]
    records = (await office.call(sites_in())).sites
    assert [(each.site.code, [room.sittings for room in each.rooms]) for each in records] == [
        ("A", [0]),
        ("B", [2]),
    ]
    turned = replace(SITE, rooms=(RoomPlan("001", 6, 5),))
    answer = await office.call(importing(turned))
    assert list(answer.changes) == ["考点A考场001由5列6行改为6列5行"]
    await office.call(importing(SITE))


async def test_lists_go_page_by_page(service: Installation, office: Caller) -> None:
    """In the order in which sites are filled."""
    page = await office.call(sites_in(page_size=1))
    assert [each.site.code for each in page.sites] == ["A"]
    rest = await office.call(sites_in(page_size=1, page_token=page.next_page_token))
    assert ([each.site.code for each in rest.sites], rest.next_page_token) == (["B"], "")
    operator = Caller(service.channel("operator"))
    assert len((await operator.call(sites_in("51"))).sites) == len(await sites_of(service))


async def test_a_file_without_sites_leaves_them_to_the_offices(service: Installation) -> None:
    """Settings change and sites stay; one with sites takes away those that it does not have."""
    third = replace(ANOTHER, code="C", county_code=NEIGHBOUR, county_name="青羊区")
    await officer(service, "51").call(importing(third, prefix="51"))
    before = await sites_of(service)
    assert await service.apply_settings(replace(SESSION, dual_control=True)) == [
        "双人复核由否改为是"
    ]
    assert await sites_of(service) == before
    assert (await service.apply(SESSION, SITE, ANOTHER))[1:] == ["取消考点C第七中学"]
    entries = await audited(service, action="apply_session")
    assert (entries[-1].actor, entries[-1].role, entries[-1].county_prefix) == (
        "operator",
        "service",
        "51",
    )


@pytest.mark.parametrize(
    "request_of",
    [
        lambda code: importing(SITE, session_code=code),
        lambda code: sites_in(session_code=code),
        lambda code: room_use("001", session_code=code),
    ],
)
async def test_a_session_that_is_none(office: Caller, request_of: Any) -> None:
    """Every method says so."""
    assert (await office.refused(request_of("99.1"))).reason == "SESSION_UNKNOWN"


@pytest.mark.parametrize(
    "bad",
    [
        sites_in(page_size=51),
        sites_in(page_token="B"),
        room_use("12a"),
        room_use("001", reason="请联系13800000000"),
    ],
)
async def test_what_breaks_the_contract(office: Caller, bad: Any) -> None:
    """Is said at its field."""
    refused = await office.refused(bad)
    assert (refused.reason, len(refused.fields)) == ("INVALID_REQUEST", 1)


async def test_a_room_of_another_county_is_none(service: Installation, office: Caller) -> None:
    """A county's officer uses its own rooms, in its own name."""
    assert (await office.refused(room_use("001", site_code="C"))).reason == "NOT_FOUND"
    assert (await office.refused(room_use("777"))).reason == "NOT_FOUND"
    stranger = officer(service, NEIGHBOUR)
    assert (await stranger.refused(room_use("001"))).reason == "OUT_OF_SCOPE"
    again = room_use("001", NORMAL, request_id=new_id())
    await office.call(again)
    again.reason = "另有原因"
    assert (await office.refused(again)).reason == "REQUEST_ID_REUSED"


async def bring(service: Installation, *arguments: str | Path) -> Ended:
    """Run `zikao import-sites` as an operator does."""
    certs = service.ca.issue("operator").cert_file.parent
    where = ["--tickets", f"localhost:{service.port}", "--certs", str(certs)]
    what = ["--session", "22.1", "--county", "5102"]
    return await run_command(["import-sites", *map(str, arguments), *what, *where])


async def test_sites_come_from_files(service: Installation, tmp_path: Path) -> None:
    """Tried, then brought; what the service does not take is said with its line."""
    sites, rooms = tmp_path / "sites.csv", tmp_path / "rooms.csv"
    header = "code,county_code,county_name,name,address,rooms\n"
    sites.write_text(
        f"{header}X1,510203,大安区,一中,一街,2 of 5x6\nX2,510203,,二中,二街,1 of 4x5\n"
    )
    rooms.write_text("site,room,columns,rows,layout,use\nX1,002,3,2,1 2/0 3/5 4,closed\n")
    changes = ["changes:", "  - 新增考点X1一中", "  - 新增考点X2二中"]
    for arguments in (("--dry-run",), ()):
        assert await sites_of(service, "5102") == []
        code, said = await bring(service, sites, "--rooms", rooms, *arguments)
        assert (code, said.splitlines()) == (0, changes)
    found = await sites_of(service, "5102")
    assert [(site.code, site.county_name) for site in found] == [
        ("X1", "大安区"),
        ("X2", "大安区"),
    ]
    assert found[0].rooms[1].numbering == (1, 2, 0, 3, 5, 4)
    sites.write_text(f"{header}X1,510203,,一中,一街,1 of 5x6\nX3,510104,,三中,三街,1 of 5x6\n")
    rooms.write_text("site,room,columns,rows,layout\nX1,001,2,1,1/1\n")
    code, said = await bring(service, sites, "--rooms", rooms)
    assert (code, said.splitlines()) == (
        3,
        [
            "rooms.csv line 2: 考点X1考场001：自定义布局的座位编号须为从1开始的连续号码，每号一次，"
            "没有课桌处为0",
            "sites.csv line 3: 考点X3所属区县510104不在所填区域内",
        ],
    )
