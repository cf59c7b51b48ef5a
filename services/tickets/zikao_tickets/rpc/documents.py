"""What offices print of a county."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any
from uuid import UUID

from zikao.tickets.v1 import document_service_pb2, document_service_pb2_grpc
from zikao_kit.context import current_actor
from zikao_kit.db import Transaction
from zikao_kit.idempotency import run_once
from zikao_kit.spreadsheet import csv_header

from zikao_tickets.commands.cancel_document import cancel_document
from zikao_tickets.commands.find_document import find_document
from zikao_tickets.commands.list_documents import list_documents
from zikao_tickets.commands.load_session import load_session
from zikao_tickets.commands.read_contents import ITEMS_A_PART
from zikao_tickets.commands.start_document import new_document, start_document
from zikao_tickets.converts.documents import (
    PAPERS_HEADER,
    document_to_pb,
    kind_from_pb,
    left_out_to_pb,
    papers_csv,
    scope_from_pb,
)
from zikao_tickets.domain.documents import Cursor, DocumentKind, Progress, Scope
from zikao_tickets.names import SCHEMA
from zikao_tickets.parts import Parts
from zikao_tickets.stores.document_items import Key
from zikao_tickets.stores.offices import office_audit
from zikao_tickets.stores.sessions import SessionStore


class DocumentRpc(document_service_pb2_grpc.DocumentServiceServicer):
    """What offices print of a county."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._press = parts.press()

    async def StartDocument(
        self, request: document_service_pb2.StartDocumentRequest, context: Any
    ) -> document_service_pb2.StartDocumentResponse:
        """Begin a document."""

        async def work(tx: Transaction) -> document_service_pb2.StartDocumentResponse:
            session = await load_session(SessionStore(tx), request.session_code)
            items = self._parts.document_items(tx)
            document = await new_document(
                items,
                session,
                request.county_code,
                kind_from_pb(request),
                scope_from_pb(request),
                actor=current_actor().subject,
                now=self._parts.clock.now(),
            )
            store, audit = self._parts.documents(tx), office_audit(tx)
            document = await start_document(store, items, audit, document, current_actor())
            return document_service_pb2.StartDocumentResponse(
                document=document_to_pb(document, Progress())
            )

        response_type = document_service_pb2.StartDocumentResponse
        return await run_once(self._parts.db, request, response_type, work, schema=SCHEMA)

    async def StreamDocument(
        self, request: document_service_pb2.StreamDocumentRequest, context: Any
    ) -> AsyncIterator[document_service_pb2.StreamDocumentResponse]:
        """The document's bytes; while a reader takes its time, nothing is held but a part."""
        actor = current_actor()
        document = await self._press.open_for(UUID(request.document_id), actor)
        cursor = Cursor.from_text(request.cursor)
        async with aclosing(self._press.pieces(document, cursor, actor.subject)) as pieces:
            async for piece in pieces:
                yield document_service_pb2.StreamDocumentResponse(
                    content=piece.content,
                    cursor=str(piece.cursor),
                    done=piece.done,
                    total=document.total,
                    unprintable=left_out_to_pb(piece.left_out),
                )

    async def GetDocument(
        self, request: document_service_pb2.GetDocumentRequest, context: Any
    ) -> document_service_pb2.GetDocumentResponse:
        """How far a document has come."""
        async with self._parts.db.read() as tx:
            document_id, actor = UUID(request.document_id), current_actor()
            document = await find_document(self._parts.documents(tx), document_id, actor)
            (progress,) = await self._parts.documents(tx).progress([document])
        return document_service_pb2.GetDocumentResponse(document=document_to_pb(document, progress))

    async def CancelDocument(
        self, request: document_service_pb2.CancelDocumentRequest, context: Any
    ) -> document_service_pb2.CancelDocumentResponse:
        """End a document that is not wanted any more."""

        async def work(tx: Transaction) -> document_service_pb2.CancelDocumentResponse:
            document_id = UUID(request.document_id)
            await cancel_document(
                self._parts.documents(tx),
                office_audit(tx),
                document_id,
                actor=current_actor(),
                now=self._parts.clock.now(),
            )
            return document_service_pb2.CancelDocumentResponse()

        response_type = document_service_pb2.CancelDocumentResponse
        return await run_once(self._parts.db, request, response_type, work, schema=SCHEMA)

    async def ListDocuments(
        self, request: document_service_pb2.ListDocumentsRequest, context: Any
    ) -> document_service_pb2.ListDocumentsResponse:
        """The documents of an area, the newest first."""
        async with self._parts.db.read() as tx:
            found, next_page_token = await list_documents(
                self._parts.documents(tx),
                (request.session_code, request.county_prefix),
                request.page_size,
                request.page_token,
                actor=current_actor(),
            )
        return document_service_pb2.ListDocumentsResponse(
            documents=[document_to_pb(document, progress) for document, progress in found],
            next_page_token=next_page_token,
        )

    async def ExportPaperCounts(
        self, request: document_service_pb2.ExportPaperCountsRequest, context: Any
    ) -> AsyncIterator[document_service_pb2.ExportPaperCountsResponse]:
        """How many papers go into each room, as CSV."""
        kind, county_code = DocumentKind.PAPER_COUNTS, request.county_code
        async with self._parts.db.read() as tx:
            session = await load_session(SessionStore(tx), request.session_code)
            now, actor = self._parts.clock.now(), current_actor().subject
            items = self._parts.document_items(tx)
            document = await new_document(
                items, session, county_code, kind, Scope(), actor=actor, now=now
            )
        beginning = csv_header(PAPERS_HEADER)
        after: Key = ()
        while True:
            async with self._parts.db.read() as tx:
                items = self._parts.document_items(tx)
                papers = await items.papers(document, after, ITEMS_A_PART[kind])
            if not papers:
                return
            csv = beginning + papers_csv(session, papers)
            yield document_service_pb2.ExportPaperCountsResponse(csv=csv)
            last, beginning = papers[-1][0], b""
            after = (str(last.slot), last.site_code)
