"""`zikao export`: what offices print of a county, as a PDF that goes on where it was cut off."""

from __future__ import annotations

import time
import uuid
from dataclasses import asdict, dataclass
from pathlib import Path

import grpc
from zikao.tickets.v1 import document_service_pb2 as documents
from zikao.tickets.v1 import document_service_pb2_grpc as documents_grpc
from zikao_client import CallFailed
from zikao_kit.config import CertFiles
from zikao_kit.error_table import reason_of

from zikao_ctl.export_files import (
    STREAM_TIMEOUT_SECONDS,
    ExportFailed,
    OnProgress,
    PartFile,
    persist,
)
from zikao_ctl.installation import open_operator_channel

CALL_TIMEOUT_SECONDS = 30.0
_EXPIRED = ("DOCUMENT_EXPIRED", "DOCUMENT_CANCELLED", "NOT_FOUND", "INVALID_REQUEST")


@dataclass(frozen=True)
class Wanted:
    """A kind of document, and of what."""

    kind: str
    """'DOCUMENT_KIND_TICKETS'"""
    session_code: str
    county_code: str
    site_code: str = ""
    slot: int = 0

    @property
    def as_text(self) -> dict[str, str]:
        """What tells it from other requests."""
        return {name: str(value) for name, value in asdict(self).items()}


class DocumentExport:
    """A document on its way into a file.

    The place in the file is "document/cursor": the same command again goes on with the same
    document. When that is not possible any more, it begins another one.
    """

    def __init__(self, wanted: Wanted, path: Path, show: OnProgress) -> None:
        """`show` gets how much is done, and how much there will be."""
        self._wanted, self._show = wanted, show
        self._file = PartFile(path, wanted.as_text)
        self._moved_at = time.monotonic()
        self.left_out: dict[str, str] = {}
        """Tickets that could not be printed, of the parts that came now, with the reason."""

    async def run(self, target: str, files: CertFiles) -> documents.Document:
        """Fetch what is not there yet. Raises ExportFailed."""
        async with open_operator_channel(target, files) as channel:
            stub = documents_grpc.DocumentServiceStub(channel)
            await persist(lambda: self._try(stub), lambda: self._moved_at)
            document = await self._document(stub)
        self._file.finish()
        return document

    async def _try(self, stub: documents_grpc.DocumentServiceAsyncStub) -> None:
        if not self._file.cursor:
            await self._start(stub)
        document_id, cursor = self._place()
        request = documents.StreamDocumentRequest(document_id=document_id, cursor=cursor)
        try:
            async for piece in stub.StreamDocument(request, timeout=STREAM_TIMEOUT_SECONDS):
                self._store(document_id, piece)
        except grpc.aio.AioRpcError as error:
            if reason_of(error) not in _EXPIRED or not cursor:
                raise
            self._file.restart()
            await self._try(stub)

    async def _start(self, stub: documents_grpc.DocumentServiceAsyncStub) -> None:
        wanted = self._wanted
        request = documents.StartDocumentRequest(
            request_id=str(uuid.uuid4()),
            session_code=wanted.session_code,
            county_code=wanted.county_code,
            kind=documents.DocumentKind.Value(wanted.kind),
            site_code=wanted.site_code,
            slot=wanted.slot,
        )
        started = await stub.StartDocument(request, timeout=CALL_TIMEOUT_SECONDS)
        self._file.add(b"", f"{started.document.document_id}/", 0)

    def _store(self, document_id: str, piece: documents.StreamDocumentResponse) -> None:
        self._file.add(piece.content, f"{document_id}/{piece.cursor}", 0)
        self._moved_at = time.monotonic()
        self.left_out |= {each.ticket_number: each.reason for each in piece.unprintable}
        self._show(piece.done, piece.total)

    async def _document(self, stub: documents_grpc.DocumentServiceAsyncStub) -> documents.Document:
        request = documents.GetDocumentRequest(document_id=self._place()[0])
        try:
            answer = await stub.GetDocument(request, timeout=CALL_TIMEOUT_SECONDS)
        except grpc.aio.AioRpcError as error:
            raise ExportFailed(str(CallFailed(error))) from error
        return answer.document

    def _place(self) -> tuple[str, str]:
        document_id, _, cursor = self._file.cursor.partition("/")
        return document_id, cursor


async def export_paper_counts(wanted: Wanted, path: Path, target: str, files: CertFiles) -> int:
    """Fetch the paper counts as CSV; how many lines there are. Raises ExportFailed."""
    request = documents.ExportPaperCountsRequest(
        session_code=wanted.session_code, county_code=wanted.county_code
    )
    content = b""
    async with open_operator_channel(target, files) as channel:
        stub = documents_grpc.DocumentServiceStub(channel)
        try:
            async for part in stub.ExportPaperCounts(request, timeout=STREAM_TIMEOUT_SECONDS):
                content += part.csv
        except grpc.aio.AioRpcError as error:
            raise ExportFailed(str(CallFailed(error))) from error
    path.write_bytes(content)  # noqa: ASYNC240 - once, and nothing else goes on
    return content.count(b"\n") - 1
