"""Documents as messages, and paper counts as CSV."""

from collections.abc import Iterable, Sequence

from zikao.tickets.v1 import document_service_pb2
from zikao_kit.convert import time_to_pb
from zikao_kit.spreadsheet import csv_rows

from zikao_tickets.domain.documents import Document, DocumentKind, LeftOut, Progress, Scope
from zikao_tickets.domain.occupancy import PaperCount, SitePlace
from zikao_tickets.domain.session import Session

PAPERS_HEADER = (
    "考次",
    "区县名称",
    "场次",
    "考点代码",
    "考点名称",
    "考场",
    "课程代码",
    "课程名称",
    "份数",
)
_KIND_PREFIX, _STATE_PREFIX = "DOCUMENT_KIND_", "DOCUMENT_STATE_"


def document_to_pb(document: Document, progress: Progress) -> document_service_pb2.Document:
    """A document and how far it has come."""
    return document_service_pb2.Document(
        document_id=str(document.document_id),
        session_code=document.session_code,
        county_code=document.county_code,
        kind=document_service_pb2.DocumentKind.Value(_KIND_PREFIX + document.kind.upper()),
        site_code=document.scope.site_code or "",
        slot=document.scope.slot or 0,
        state=document_service_pb2.DocumentState.Value(_STATE_PREFIX + document.state.upper()),
        done=progress.done,
        total=document.total,
        pages=progress.pages,
        bytes=progress.size,
        left_out=progress.left_out,
        as_of=time_to_pb(document.as_of),
        started_by=document.started_by,
    )


def kind_from_pb(request: document_service_pb2.StartDocumentRequest) -> DocumentKind:
    """What is printed."""
    name = document_service_pb2.DocumentKind.Name(request.kind)
    return DocumentKind(name.removeprefix(_KIND_PREFIX).lower())


def scope_from_pb(request: document_service_pb2.StartDocumentRequest) -> Scope:
    """What of a county is printed."""
    return Scope(request.site_code or None, request.slot or None)


def left_out_to_pb(left_out: Iterable[LeftOut]) -> list[document_service_pb2.UnprintableTicket]:
    """Tickets that could not be printed."""
    return [
        document_service_pb2.UnprintableTicket(ticket_number=number, reason=reason)
        for number, reason in left_out
    ]


def papers_csv(session: Session, papers: Iterable[tuple[SitePlace, Sequence[PaperCount]]]) -> bytes:
    """A line for each room and course."""
    return csv_rows(
        (
            session.code,
            place.county_name,
            place.slot,
            place.site_code,
            place.site_name,
            count.room_code,
            count.course_code,
            session.courses[count.course_code],
            count.papers,
        )
        for place, counts in papers
        for count in counts
    )
