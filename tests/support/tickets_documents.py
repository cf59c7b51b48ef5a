"""Documents of the tickets service as a county's officer asks for them."""

from __future__ import annotations

from typing import Any

import asyncpg
from support.service import Caller, new_id
from support.tickets_peers import COUNTY
from support.tickets_service import OFFICER, Installation
from zikao.tickets.v1 import document_service_pb2 as documents
from zikao.tickets.v1 import document_service_pb2_grpc


class Office:
    """The county's officer at the documents of a running service."""

    def __init__(self, running: Installation) -> None:
        self.running = running
        self.stub = document_service_pb2_grpc.DocumentServiceStub(running.channel("portal"))

    async def start(self, kind: Any = documents.DOCUMENT_KIND_TICKETS, **fields: Any) -> str:
        """Begin a document; its id."""
        request = self.request(kind, **fields)
        answer = await self.stub.StartDocument(request, **self.running.officer())
        assert answer.document.state == documents.DOCUMENT_STATE_OPEN
        return str(answer.document.document_id)

    def request(self, kind: Any, **fields: Any) -> documents.StartDocumentRequest:
        """To begin a document of the county."""
        place = {"session_code": "22.1", "county_code": COUNTY}
        return documents.StartDocumentRequest(
            **{"request_id": new_id(), "kind": kind} | place | fields
        )

    async def stream(self, document_id: str, cursor: str = "") -> list[Any]:
        """All pieces after a cursor."""
        request = documents.StreamDocumentRequest(document_id=document_id, cursor=cursor)
        return [
            piece async for piece in self.stub.StreamDocument(request, **self.running.officer())
        ]

    async def fetch(self, document_id: str) -> bytes:
        """The whole document."""
        return b"".join(piece.content for piece in await self.stream(document_id))

    async def get(self, document_id: str) -> Any:
        """The document as the officer sees it."""
        request = documents.GetDocumentRequest(document_id=document_id)
        return (await self.stub.GetDocument(request, **self.running.officer())).document

    async def cancel(self, document_id: str) -> None:
        """Cancel a document."""
        await self.stub.CancelDocument(cancelling(document_id), **self.running.officer())

    async def refused(self, request: Any, county: str = COUNTY) -> str:
        """Why a county's officer is refused."""
        token = self.running.token(OFFICER, "county_officer", county)
        return (await Caller(self.running.channel("portal"), token).refused(request)).reason

    async def sql(self, statement: str, *args: Any) -> list[asyncpg.Record]:
        """Ask the database behind the service's back."""
        connection = await asyncpg.connect(self.running.config.database.dsn)
        try:
            return await connection.fetch(statement, *args)
        finally:
            await connection.close()


def streaming(document_id: str, cursor: str = "") -> documents.StreamDocumentRequest:
    """To fetch a document."""
    return documents.StreamDocumentRequest(document_id=document_id, cursor=cursor)


def cancelling(document_id: str) -> documents.CancelDocumentRequest:
    """To cancel a document."""
    return documents.CancelDocumentRequest(request_id=new_id(), document_id=document_id)
