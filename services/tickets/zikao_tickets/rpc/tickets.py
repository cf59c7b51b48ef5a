"""The candidate's admission ticket."""

from datetime import datetime
from typing import Any
from uuid import UUID

from zikao.tickets.v1 import ticket_service_pb2, ticket_service_pb2_grpc
from zikao_kit.context import current_actor
from zikao_kit.db import Transaction
from zikao_kit.idempotency import run_once

from zikao_tickets.commands.acknowledge_notice import acknowledge_notice
from zikao_tickets.commands.load_session import load_session
from zikao_tickets.commands.print_ticket import (
    find_ticket,
    require_printed,
    require_same_version,
)
from zikao_tickets.commands.show_ticket import show_ticket
from zikao_tickets.converts.tickets import printed_to_pb
from zikao_tickets.converts.versions import shown_to_pb
from zikao_tickets.domain.session import Session
from zikao_tickets.domain.ticket import Ticket
from zikao_tickets.names import SCHEMA
from zikao_tickets.parts import Parts
from zikao_tickets.rpc.handing_out import print_surely, record
from zikao_tickets.stores.sessions import SessionStore
from zikao_tickets.stores.versions import VersionStore


class TicketRpc(ticket_service_pb2_grpc.TicketServiceServicer):
    """The candidate's admission ticket."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def GetNotice(
        self, request: ticket_service_pb2.GetNoticeRequest, context: Any
    ) -> ticket_service_pb2.GetNoticeResponse:
        """The current examination notice."""
        notice = (await self._session(request.session_code)).notice
        return ticket_service_pb2.GetNoticeResponse(
            version=notice.version, paragraphs=notice.paragraphs
        )

    async def AcknowledgeNotice(
        self, request: ticket_service_pb2.AcknowledgeNoticeRequest, context: Any
    ) -> ticket_service_pb2.AcknowledgeNoticeResponse:
        """The candidate has read the notice."""

        async def work(tx: Transaction) -> ticket_service_pb2.AcknowledgeNoticeResponse:
            await acknowledge_notice(
                self._parts.tickets(tx),
                await load_session(SessionStore(tx), request.session_code),
                UUID(current_actor().subject),
                request.version,
                self._parts.clock.now(),
            )
            return ticket_service_pb2.AcknowledgeNoticeResponse()

        response_type = ticket_service_pb2.AcknowledgeNoticeResponse
        return await run_once(self._parts.db, request, response_type, work, schema=SCHEMA)

    async def GetTicket(
        self, request: ticket_service_pb2.GetTicketRequest, context: Any
    ) -> ticket_service_pb2.GetTicketResponse:
        """The candidate's ticket in force, and what was changed."""
        candidate_id, now = UUID(current_actor().subject), self._parts.clock.now()
        async with self._parts.db.read() as tx:
            session = await load_session(SessionStore(tx), request.session_code)
            tickets, versions = self._parts.tickets(tx), VersionStore(tx)
            return shown_to_pb(await show_ticket(tickets, versions, session, candidate_id, now))

    async def PrintTicket(
        self, request: ticket_service_pb2.PrintTicketRequest, context: Any
    ) -> ticket_service_pb2.PrintTicketResponse:
        """The candidate's ticket; its bytes are made again rather than kept for a repetition."""
        with self._parts.prints.only(UUID(current_actor().subject)):
            return await self._print(request)

    async def _print(
        self, request: ticket_service_pb2.PrintTicketRequest
    ) -> ticket_service_pb2.PrintTicketResponse:
        now = self._parts.clock.now()
        session = await self._session(request.session_code)
        printed = await print_surely(self._parts, session, await self._find(session, now), now)
        ticket = require_printed(printed)

        async def work(tx: Transaction) -> ticket_service_pb2.PrintTicketResponse:
            count = await record(self._parts, tx, session, printed, now)
            return printed_to_pb(ticket, count)

        response_type = ticket_service_pb2.PrintTicketResponse
        answer = await run_once(self._parts.db, request, response_type, work, schema=SCHEMA)
        require_same_version(answer.version, ticket)
        return printed_to_pb(ticket, answer.print_count, printed.pdf)

    async def _find(self, session: Session, now: datetime) -> Ticket:
        """The calling candidate's ticket."""
        candidate_id = UUID(current_actor().subject)
        async with self._parts.db.read() as tx:
            return await find_ticket(self._parts.tickets(tx), session, candidate_id, now)

    async def _session(self, session_code: str) -> Session:
        async with self._parts.db.read() as tx:
            return await load_session(SessionStore(tx), session_code)
