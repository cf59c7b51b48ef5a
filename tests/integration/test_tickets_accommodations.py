"""Who needs an accessible seat, as the county's office notes it."""

import json
from collections.abc import AsyncIterator
from uuid import UUID

import pytest
import pytest_asyncio
from support.service import Caller
from support.service_databases import ServiceDatabases
from support.tickets_offices import audited, auditor, need, needs_in, officer, rows
from support.tickets_peers import COUNTY, ticket_number
from support.tickets_service import Installation, tickets_installation
from zikao.tickets.v1 import office_audit_service_pb2 as audit
from zikao.tickets.v1 import site_service_pb2 as pb

pytestmark = pytest.mark.asyncio(loop_scope="module")

NONE, SEAT = pb.ACCOMMODATION_NEED_NONE, pb.ACCOMMODATION_NEED_ACCESSIBLE_SEAT
NUMBERS = [ticket_number(UUID(int=number)) for number in range(1, 5)]
NEIGHBOUR = "510105"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(
    service_databases: ServiceDatabases, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Installation]:
    """Three candidates sit in the county, a fourth in its neighbour."""
    dsn = await service_databases.clone("tickets")
    async with tickets_installation(tmp_path_factory.mktemp("needs"), dsn) as running:
        for number in range(1, 5):
            running.peers.register(UUID(int=number), "张三", b"photo")
            county = COUNTY if number < 4 else NEIGHBOUR
            running.peers.enroll(UUID(int=number), (1, "00015"), county=county)
        await running.apply()
        await running.arrive()
        yield running
    await service_databases.drop(dsn)


@pytest.fixture
def office(service: Installation) -> Caller:
    """The county's officer."""
    return officer(service)


async def noted(caller: Caller, county: str = COUNTY) -> list[str]:
    """The numbers of those who need something."""
    answer = await caller.call(needs_in(county))
    assert {each.need for each in answer.accommodations} <= {SEAT}
    return [each.ticket_number for each in answer.accommodations]


async def test_a_need_is_noted_and_taken_back(service: Installation, office: Caller) -> None:
    """It is listed with who noted it; the audit has the number masked."""
    request = need(NUMBERS[1])
    await office.call(request)
    await office.call(request)
    await office.call(need(NUMBERS[0]))
    assert await noted(office) == NUMBERS[:2]
    await office.call(need(NUMBERS[1], NONE))
    assert await noted(office) == NUMBERS[:1]
    entries = await audited(service, action="set_accommodation")
    told = [json.loads(entry.before_json)["need"] for entry in entries]
    assert told == [None, None, "accessible_seat"]
    masked = NUMBERS[1][:4] + "********"
    assert json.loads(entries[2].after_json) == {"ticket_number": masked, "need": None}
    assert NUMBERS[1] not in str(entries)
    request.need = NONE
    assert (await office.refused(request)).reason == "REQUEST_ID_REUSED"


async def test_only_who_sits_in_the_county(service: Installation, office: Caller) -> None:
    """A number of nobody, or of somebody who sits elsewhere, is nobody's; offices keep apart."""
    assert (await office.refused(need(NUMBERS[3]))).reason == "CANDIDATE_NOT_ENROLLED"
    assert (await office.refused(need("999999999999"))).reason == "CANDIDATE_NOT_ENROLLED"
    neighbour = officer(service, NEIGHBOUR)
    await neighbour.call(need(NUMBERS[3], county_code=NEIGHBOUR))
    assert await noted(neighbour, NEIGHBOUR) == NUMBERS[3:]
    assert (await neighbour.refused(need(NUMBERS[0]))).reason == "OUT_OF_SCOPE"
    assert (await neighbour.refused(needs_in())).reason == "OUT_OF_SCOPE"
    foreign = audit.ListOfficeAuditEntriesRequest(county_prefix=COUNTY)
    assert (await auditor(service, "5107").refused(foreign)).reason == "OUT_OF_SCOPE"


async def test_the_list_goes_page_by_page(office: Caller) -> None:
    """By ticket number."""
    for number in NUMBERS[:3]:
        await office.call(need(number))
    page = await office.call(needs_in(page_size=2))
    assert [each.ticket_number for each in page.accommodations] == NUMBERS[:2]
    rest = await office.call(needs_in(page_size=2, page_token=page.next_page_token))
    assert [each.ticket_number for each in rest.accommodations] == NUMBERS[2:3]
    assert rest.next_page_token == ""


async def test_what_is_refused(service: Installation, office: Caller) -> None:
    """Unknown sessions, and what breaks the contract; nothing of it is noted."""
    before = await rows(service, "SELECT * FROM tickets.accommodation")
    for request in (need(NUMBERS[0], session_code="99.1"), needs_in(session_code="99.1")):
        assert (await office.refused(request)).reason == "SESSION_UNKNOWN"
    for bad in (
        need(NUMBERS[0], pb.ACCOMMODATION_NEED_UNSPECIFIED),
        need("张三"),
        needs_in(page_token="x"),
    ):
        assert (await office.refused(bad)).reason == "INVALID_REQUEST"
    assert await rows(service, "SELECT * FROM tickets.accommodation") == before
