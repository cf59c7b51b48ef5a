"""Who may call what of tickets: every method by everybody, in and out of scope, own and not."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from uuid import UUID

import asyncpg
import pytest
import pytest_asyncio
from google.protobuf.descriptor import MethodDescriptor
from support.authorisation import (
    Entry,
    NobodysData,
    OwnOnly,
    Scoped,
    Someone,
    methods_of,
    require_admitted,
    require_entries,
    require_fitting,
    require_scope,
    short_name,
)
from support.service import Caller, new_id
from support.service_databases import ServiceDatabases
from support.tickets_database import SESSION, SITE
from support.tickets_glyphs import glyph_png
from support.tickets_peers import COUNTY, ticket_number
from support.tickets_service import Installation, tickets_installation
from zikao.tickets.v1 import arrangement_operation_service_pb2 as operations
from zikao.tickets.v1 import arrangement_service_pb2 as arrangements
from zikao.tickets.v1 import document_service_pb2 as documents
from zikao.tickets.v1 import document_service_pb2_grpc
from zikao.tickets.v1 import door_service_pb2 as door
from zikao.tickets.v1 import office_service_pb2 as offices
from zikao.tickets.v1 import office_ticket_service_pb2 as office_tickets
from zikao.tickets.v1 import session_service_pb2 as sessions
from zikao.tickets.v1 import site_service_pb2 as sites
from zikao.tickets.v1 import ticket_service_pb2 as tickets
from zikao.tickets.v1 import ticket_statistics_service_pb2 as statistics
from zikao.tickets.v1 import types_pb2 as types
from zikao.tickets.v1 import unprintable_service_pb2 as unprintable
from zikao.tickets.v1 import verification_service_pb2 as verification
from zikao_sandbox.portraits import portrait_jpeg
from zikao_tickets.converts.sites import site_to_pb

pytestmark = pytest.mark.asyncio(loop_scope="module")

METHODS = methods_of("zikao.tickets.v1")
CERTIFICATES = ("enrollment", "operator", "portal", "registration", "scanner", "ticket-reader")
CANDIDATE, REISSUED, TEMPORARY = (UUID(int=number) for number in range(1, 4))
# Role and scope; the county is 510104.
STAFF = {
    "officer of the county": ("county_officer", COUNTY),
    "officer of another county": ("county_officer", "510105"),
    "officer of the city": ("city_officer", "5101"),
    "officer of another city": ("city_officer", "5102"),
    "officer of the province": ("province_officer", "51"),
    "officer of another province": ("province_officer", "52"),
    "auditor": ("auditor", "51"),
    "auditor of another province": ("auditor", "52"),
}


@dataclass
class World:
    """A county with a published arrangement, and everybody who may try."""

    installation: Installation
    arrangement_id: str = ""
    operation_id: str = ""
    proof: str = ""
    action_id: str = ""
    document_id: str = ""
    everybody: list[Someone] = field(default_factory=list)


ENTRIES: dict[str, Entry] = {
    "SessionService.ApplySession": NobodysData("settings, by the operator's certificate"),
    "ArrangementService.StartArrangement": Scoped(
        lambda _: arrangements.StartArrangementRequest(
            request_id=new_id(), session_code="22.1", county_code=COUNTY
        )
    ),
    "ArrangementService.ListDraws": NobodysData("hashes and revealed seeds are everybody's"),
    "ArrangementService.GetArrangement": Scoped(
        lambda world: arrangements.GetArrangementRequest(arrangement_id=world.arrangement_id)
    ),
    "ArrangementService.PublishArrangement": Scoped(
        lambda world: arrangements.PublishArrangementRequest(
            request_id=new_id(), arrangement_id=world.arrangement_id
        )
    ),
    "SiteService.CorrectSite": Scoped(
        lambda _: sites.CorrectSiteRequest(
            request_id=new_id(),
            session_code="22.1",
            county_code=COUNTY,
            site_code="A",
            name="第十八中学",
            address="新街1号",
            reason="校名更正",
        )
    ),
    "SiteService.SetRoomUse": Scoped(
        lambda _: sites.SetRoomUseRequest(
            request_id=new_id(),
            session_code="22.1",
            county_code=COUNTY,
            site_code="A",
            room_code="001",
            use=sessions.ROOM_USE_CLOSED,
            reason="漏水",
        )
    ),
    "SiteService.ImportSites": Scoped(
        lambda _: sites.ImportSitesRequest(
            request_id=new_id(), session_code="22.1", county_prefix=COUNTY, sites=[site_to_pb(SITE)]
        )
    ),
    "SiteService.ListSites": Scoped(
        lambda _: sites.ListSitesRequest(session_code="22.1", county_prefix=COUNTY)
    ),
    "SiteService.SetAccommodation": Scoped(
        lambda _: sites.SetAccommodationRequest(
            request_id=new_id(),
            session_code="22.1",
            county_code=COUNTY,
            ticket_number=ticket_number(CANDIDATE),
            need=sites.ACCOMMODATION_NEED_ACCESSIBLE_SEAT,
        )
    ),
    "SiteService.ListAccommodations": Scoped(
        lambda _: sites.ListAccommodationsRequest(session_code="22.1", county_code=COUNTY)
    ),
    "DocumentService.StartDocument": Scoped(
        lambda _: documents.StartDocumentRequest(
            request_id=new_id(),
            session_code="22.1",
            county_code=COUNTY,
            kind=documents.DOCUMENT_KIND_DOOR_POSTERS,
        )
    ),
    "DocumentService.StreamDocument": Scoped(
        lambda world: documents.StreamDocumentRequest(document_id=world.document_id)
    ),
    "DocumentService.GetDocument": Scoped(
        lambda world: documents.GetDocumentRequest(document_id=world.document_id)
    ),
    "DocumentService.CancelDocument": Scoped(
        lambda world: documents.CancelDocumentRequest(
            request_id=new_id(), document_id=world.document_id
        )
    ),
    "DocumentService.ListDocuments": Scoped(
        lambda _: documents.ListDocumentsRequest(session_code="22.1", county_prefix=COUNTY)
    ),
    "DocumentService.ExportPaperCounts": Scoped(
        lambda _: documents.ExportPaperCountsRequest(session_code="22.1", county_code=COUNTY)
    ),
    "OfficeService.DecideOfficeAction": Scoped(
        lambda world: offices.DecideOfficeActionRequest(
            request_id=new_id(), action_id=world.action_id, decision=offices.OFFICE_DECISION_REJECT
        )
    ),
    "OfficeService.ListOfficeActions": Scoped(
        lambda _: offices.ListOfficeActionsRequest(county_prefix=COUNTY)
    ),
    "OfficeAuditService.ListOfficeAuditEntries": NobodysData("offices' acts, to auditors alone"),
    "ArrangementOperationService.StartArrangements": Scoped(
        lambda _: operations.StartArrangementsRequest(
            request_id=new_id(), session_code="22.1", county_prefix=COUNTY, dry_run=True
        )
    ),
    "ArrangementOperationService.WatchArrangements": Scoped(
        lambda world: operations.WatchArrangementsRequest(operation_id=world.operation_id)
    ),
    "ArrangementOperationService.CancelArrangements": Scoped(
        lambda world: operations.CancelArrangementsRequest(
            request_id=new_id(), arrangement_id=world.arrangement_id
        )
    ),
    "ArrangementOperationService.PublishArrangements": Scoped(
        lambda _: operations.PublishArrangementsRequest(
            request_id=new_id(), session_code="22.1", county_prefix=COUNTY
        )
    ),
    "ArrangementOperationService.ListArrangements": Scoped(
        lambda _: operations.ListArrangementsRequest(session_code="22.1", county_prefix=COUNTY)
    ),
    "ArrangementOperationService.ExportArrangement": Scoped(
        lambda world: operations.ExportArrangementRequest(arrangement_id=world.arrangement_id)
    ),
    "TicketStatisticsService.GetTicketStatistics": Scoped(
        lambda _: statistics.GetTicketStatisticsRequest(
            session_code="22.1",
            county_prefix=COUNTY,
            grouping=statistics.TICKET_STATISTICS_GROUPING_COUNTY,
        )
    ),
    "TicketService.GetNotice": NobodysData("the notice is everybody's"),
    "TicketService.AcknowledgeNotice": OwnOnly(),
    "TicketService.PrintTicket": OwnOnly(),
    "TicketService.GetTicket": OwnOnly(),
    "OfficeTicketService.GetTicketVersions": Scoped(
        lambda _: office_tickets.GetTicketVersionsRequest(
            session_code="22.1", ticket_number=ticket_number(REISSUED)
        )
    ),
    "OfficeTicketService.ReissueTicket": Scoped(
        lambda _: office_tickets.ReissueTicketRequest(
            request_id=new_id(),
            session_code="22.1",
            ticket_number=ticket_number(REISSUED),
            reason=types.TICKET_REASON_LOST,
            note="遗失",
        )
    ),
    "OfficeTicketService.IssueTemporaryTicket": Scoped(
        lambda _: office_tickets.IssueTemporaryTicketRequest(
            request_id=new_id(),
            session_code="22.1",
            ticket_number=ticket_number(TEMPORARY),
            note="照片未到",
        )
    ),
    "OfficeTicketService.PrintForCandidate": Scoped(
        lambda _: office_tickets.PrintForCandidateRequest(
            request_id=new_id(), session_code="22.1", ticket_number=ticket_number(TEMPORARY)
        )
    ),
    "UnprintableService.ListUnprintable": Scoped(
        lambda _: unprintable.ListUnprintableRequest(session_code="22.1", county_prefix=COUNTY)
    ),
    "UnprintableService.RecheckUnprintable": Scoped(
        lambda _: unprintable.RecheckUnprintableRequest(
            request_id=new_id(), session_code="22.1", county_prefix=COUNTY
        )
    ),
    "UnprintableService.SupplyGlyph": Scoped(
        lambda _: unprintable.SupplyGlyphRequest(
            request_id=new_id(),
            session_code="22.1",
            county_prefix=COUNTY,
            character="\U000f0001",
            png=glyph_png(),
        )
    ),
    "DoorService.UploadScans": NobodysData("scanners bring what they have scanned"),
    "DoorService.ListDuplicateScans": Scoped(
        lambda _: door.ListDuplicateScansRequest(session_code="22.1", county_prefix=COUNTY)
    ),
    "TicketFeedService.WatchTickets": NobodysData("to services, by their certificates"),
    "VerificationService.GetVerificationData": NobodysData("public keys and revoked serials"),
    "VerificationService.GetVerificationFile": NobodysData("the same, signed"),
    "VerificationService.VerifyTicket": Scoped(
        lambda world: verification.VerifyTicketRequest(proof=world.proof)
    ),
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(
    service_databases: ServiceDatabases, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[World]:
    """A running service whose county is arranged and published."""
    dsn = await service_databases.clone("tickets")
    async with tickets_installation(tmp_path_factory.mktemp("authorisation"), dsn) as running:
        jpeg = portrait_jpeg(1, "女")
        for person in (CANDIDATE, REISSUED, TEMPORARY):
            running.peers.register(person, "张三", jpeg)
            running.peers.photos[str(person)] = jpeg
            running.peers.enroll(person, (1, "00015"))
        arrangement = await running.published_county()
        await running.move_to(SESSION.printing_opens_at)
        proof = await _print(running)
        action_id = await pending_action(dsn)
        operation_id = await _operation(dsn)
        document_id, everybody = await _document(running), _everybody(running)
        yield World(
            running,
            arrangement.arrangement_id,
            operation_id,
            proof,
            action_id,
            document_id,
            everybody,
        )
    await service_databases.drop(dsn)


async def pending_action(dsn: str) -> str:
    """An act that waits for a second officer."""
    act = {"setRoomUse": {"siteCode": "A", "roomCode": "001", "use": "ROOM_USE_CLOSED"}}
    connection = await asyncpg.connect(dsn)
    action_id = await connection.fetchval(
        "INSERT INTO tickets.office_action (action_id, session_code, county_prefix, act, state,"
        " proposed_by, proposed_at, expires_at) VALUES (gen_random_uuid(), '22.1', $1,"
        " $2::text::jsonb, 'pending', 'somebody', now(), now() + interval '1 year')"
        " RETURNING action_id",
        COUNTY,
        json.dumps(act),
    )
    await connection.close()
    return str(action_id)


async def _operation(dsn: str) -> str:
    """An operation on the county in which nothing was started."""
    connection = await asyncpg.connect(dsn)
    operation_id = new_id()
    await connection.execute(
        "INSERT INTO tickets.arrangement_operation VALUES ($1, '22.1', $2, now(), 'officer')",
        operation_id,
        COUNTY,
    )
    await connection.close()
    return operation_id


async def _print(running: Installation) -> str:
    candidate, seen = running.candidate(CANDIDATE), {"session_code": "22.1"}
    notice = tickets.AcknowledgeNoticeRequest(request_id=new_id(), version=1, **seen)
    await running.tickets.AcknowledgeNotice(notice, **candidate)
    request = tickets.PrintTicketRequest(request_id=new_id(), **seen)
    printed = await running.tickets.PrintTicket(request, **candidate)
    return str(printed.proof)


async def _document(running: Installation) -> str:
    stub = document_service_pb2_grpc.DocumentServiceStub(running.channel("operator"))
    request = documents.StartDocumentRequest(
        request_id=new_id(),
        session_code="22.1",
        county_code=COUNTY,
        kind=documents.DOCUMENT_KIND_TICKETS,
    )
    started = await stub.StartDocument(request, **running.officer())
    return str(started.document.document_id)


def _everybody(running: Installation) -> list[Someone]:
    services = [
        Someone(f"service {name}", Caller(running.channel(name)), name) for name in CERTIFICATES
    ]
    portal = running.channel("portal")
    candidate = Caller(portal, running.token(CANDIDATE, "candidate"))
    staff = [
        Someone(
            name, Caller(portal, running.token(UUID(int=9), role, scope)), "portal", role, scope
        )
        for name, (role, scope) in STAFF.items()
    ]
    return [*services, Someone("candidate", candidate, "portal", "candidate"), *staff]


async def test_every_method_has_an_entry() -> None:
    """A new method says whose data it may be asked about, or this fails."""
    require_entries(METHODS, ENTRIES)
    for method in METHODS:
        require_fitting(method, ENTRIES[short_name(method)])


@pytest.mark.parametrize("method", METHODS, ids=short_name)
async def test_the_contract_says_who_is_let_in(world: World, method: MethodDescriptor) -> None:
    """Every role and every certificate is let in or kept out as the method's option says."""
    await require_admitted(method, world.everybody)


@pytest.mark.parametrize(
    "method", [m for m in METHODS if isinstance(ENTRIES.get(short_name(m)), Scoped)], ids=short_name
)
async def test_officers_keep_to_their_scope(world: World, method: MethodDescriptor) -> None:
    """The county's, its city's and its province's officers reach it; nobody else's do."""
    entry = ENTRIES[short_name(method)]
    assert isinstance(entry, Scoped)
    await require_scope(method, lambda: entry.build(world), COUNTY, world.everybody)
