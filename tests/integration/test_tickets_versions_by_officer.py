"""One account at an office does not void the tickets of a county."""

from pathlib import Path
from uuid import UUID

from support.service import new_id
from support.service_databases import MakeDatabase
from support.tickets_peers import COUNTY, ticket_number
from support.tickets_service import OFFICER, tickets_installation
from zikao.tickets.v1 import office_ticket_service_pb2 as pb
from zikao.tickets.v1 import types_pb2 as types
from zikao_sandbox.portraits import portrait_jpeg

ZHANG, LI, COLLEAGUE = (UUID(int=number) for number in range(1, 4))


async def test_an_officer_issues_a_bounded_number_a_day(
    tmp_path: Path, make_database: MakeDatabase
) -> None:
    """One version more is refused, of whatever ticket and kind; a colleague issues it."""
    dsn = await make_database("tickets")
    async with tickets_installation(tmp_path, dsn, versions_per_officer=1) as service:
        for person in (ZHANG, LI):
            service.peers.register(person, "张三", portrait_jpeg(person.int, "女"))
            service.peers.enroll(person, (1, "00015"))
        await service.published_county()
        desk = service.calling(OFFICER, "county_officer", COUNTY)
        await desk.call(reissue(ZHANG))
        temporary = pb.IssueTemporaryTicketRequest(
            request_id=new_id(), session_code="22.1", ticket_number=ticket_number(LI), note="照片"
        )
        for request in (reissue(LI), temporary):
            refused = await desk.refused(request)
            assert refused.reason == "TOO_MANY_VERSIONS_BY_OFFICER"
            assert refused.metadata["limit"] == "1"
        other = service.calling(COLLEAGUE, "county_officer", COUNTY)
        assert (await other.call(reissue(LI))).ticket.version == 2


def reissue(person: UUID) -> pb.ReissueTicketRequest:
    """A new version, because the old one was lost."""
    return pb.ReissueTicketRequest(
        request_id=new_id(),
        session_code="22.1",
        ticket_number=ticket_number(person),
        reason=types.TICKET_REASON_LOST,
        note="遗失",
    )
