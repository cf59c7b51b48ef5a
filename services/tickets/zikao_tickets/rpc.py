"""The gRPC methods: protobuf in, protobuf out; rules are in commands and domain."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any
from uuid import UUID

from zikao.tickets.v1 import (
    arrangement_service_pb2,
    arrangement_service_pb2_grpc,
    session_service_pb2,
    session_service_pb2_grpc,
    ticket_service_pb2,
    ticket_service_pb2_grpc,
)
from zikao_kit.context import current_actor
from zikao_kit.db import Transaction
from zikao_kit.idempotency import run_once

from zikao_tickets.arrangement_store import ArrangementStore
from zikao_tickets.commands.acknowledge_notice import acknowledge_notice
from zikao_tickets.commands.apply_session import apply_session
from zikao_tickets.commands.find_arrangement import find_arrangement
from zikao_tickets.commands.load_session import load_session
from zikao_tickets.commands.print_county import next_tickets
from zikao_tickets.commands.print_ticket import (
    find_ticket,
    print_part,
    print_ticket,
    record_prints,
    require_printed,
    require_same_version,
)
from zikao_tickets.commands.publish_arrangement import publish_arrangement
from zikao_tickets.commands.start_arrangement import start_arrangement
from zikao_tickets.commands.verify_ticket import Verification, verify_ticket
from zikao_tickets.convert import (
    arrangement_to_pb,
    county_part_to_pb,
    printed_to_pb,
    session_from_pb,
    sites_from_pb,
    verification_data_to_pb,
    verification_to_pb,
)
from zikao_tickets.domain.session import Session
from zikao_tickets.domain.ticket import PrintedTickets
from zikao_tickets.names import SCHEMA
from zikao_tickets.parts import Parts
from zikao_tickets.session_store import SessionStore
from zikao_tickets.verification_data import VerificationData


class SessionRpc(session_service_pb2_grpc.SessionServiceServicer):
    """Tickets' part of the session file."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def ApplySession(
        self, request: session_service_pb2.ApplySessionRequest, context: Any
    ) -> session_service_pb2.ApplySessionResponse:
        """Make a session what the file says."""
        session = session_from_pb(request.session)
        # A province's rooms: not on the event loop.
        sites = await asyncio.to_thread(sites_from_pb, request.session)

        async def work(tx: Transaction) -> session_service_pb2.ApplySessionResponse:
            changes = await apply_session(
                SessionStore(tx),
                session,
                sites,
                course_codes=[course.code for course in request.session.courses],
                dry_run=request.dry_run,
                now=self._parts.clock.now(),
            )
            return session_service_pb2.ApplySessionResponse(changes=changes)

        response_type = session_service_pb2.ApplySessionResponse
        return await run_once(self._parts.db, request, response_type, work, schema=SCHEMA)


class ArrangementRpc(arrangement_service_pb2_grpc.ArrangementServiceServicer):
    """Giving every enrolled sitting a site, room and seat."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def StartArrangement(
        self, request: arrangement_service_pb2.StartArrangementRequest, context: Any
    ) -> arrangement_service_pb2.StartArrangementResponse:
        """Start the arrangement of one county."""

        async def work(tx: Transaction) -> arrangement_service_pb2.StartArrangementResponse:
            session = await load_session(SessionStore(tx), request.session_code)
            started = await start_arrangement(
                ArrangementStore(tx),
                session,
                request.county_code,
                keys=self._parts.keys,
                actor=current_actor().subject,
                now=self._parts.clock.now(),
            )
            return arrangement_service_pb2.StartArrangementResponse(
                arrangement=arrangement_to_pb(started)
            )

        response_type = arrangement_service_pb2.StartArrangementResponse
        return await run_once(self._parts.db, request, response_type, work, schema=SCHEMA)

    async def GetArrangement(
        self, request: arrangement_service_pb2.GetArrangementRequest, context: Any
    ) -> arrangement_service_pb2.GetArrangementResponse:
        """An arrangement and its progress."""
        async with self._parts.db.read() as tx:
            found = await find_arrangement(
                ArrangementStore(tx), UUID(request.arrangement_id), current_actor()
            )
        return arrangement_service_pb2.GetArrangementResponse(
            arrangement=arrangement_to_pb(found, self._parts.revealed_seed(found))
        )

    async def PublishArrangement(
        self, request: arrangement_service_pb2.PublishArrangementRequest, context: Any
    ) -> arrangement_service_pb2.PublishArrangementResponse:
        """Check, publish, make the tickets and reveal the seed."""

        async def work(tx: Transaction) -> arrangement_service_pb2.PublishArrangementResponse:
            published = await publish_arrangement(
                ArrangementStore(tx),
                UUID(request.arrangement_id),
                actor=current_actor(),
                now=self._parts.clock.now(),
            )
            return arrangement_service_pb2.PublishArrangementResponse(
                arrangement=arrangement_to_pb(published, self._parts.revealed_seed(published))
            )

        response_type = arrangement_service_pb2.PublishArrangementResponse
        return await run_once(self._parts.db, request, response_type, work, schema=SCHEMA)


class TicketRpc(ticket_service_pb2_grpc.TicketServiceServicer):
    """The candidate's admission ticket, and the office's copies of a whole county."""

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
        printed = await self._printed(session, now)
        ticket = require_printed(printed)

        async def work(tx: Transaction) -> ticket_service_pb2.PrintTicketResponse:
            await self._record(tx, session, printed, now)
            return printed_to_pb(ticket)

        response_type = ticket_service_pb2.PrintTicketResponse
        answer = await run_once(self._parts.db, request, response_type, work, schema=SCHEMA)
        require_same_version(answer.version, ticket)
        return printed_to_pb(ticket, printed.pdf)

    async def StreamCountyTickets(
        self, request: ticket_service_pb2.StreamCountyTicketsRequest, context: Any
    ) -> AsyncIterator[ticket_service_pb2.StreamCountyTicketsResponse]:
        """All tickets of a county, part by part, by ticket number.

        While a reader takes its time with a part, nothing is held but that part.
        """
        session = await self._session(request.session_code)
        after = request.after_ticket_number
        while True:
            part, after = await self._county_part(session, request.county_code, after)
            if part is None:
                return
            yield part
            del part

    async def _county_part(
        self, session: Session, county_code: str, after: str
    ) -> tuple[ticket_service_pb2.StreamCountyTicketsResponse | None, str]:
        """The part after a ticket number and its last number; None at the end."""
        key = (session.code, county_code)
        async with self._parts.db.read() as tx:
            tickets = await next_tickets(self._parts.tickets(tx), *key, after)
        if not tickets:
            return None, after
        printed = await print_part(self._parts.pool, self._parts.signer, session, tickets)
        last = tickets[-1].ticket_number
        async with self._parts.db.transaction() as tx:
            await self._record(tx, session, printed, self._parts.clock.now())
            done, total = await self._parts.tickets(tx).county_progress(*key, last)
        return county_part_to_pb(printed, done=done, total=total), last

    async def _printed(self, session: Session, now: datetime) -> PrintedTickets:
        """The calling candidate's ticket; a refusal is on the office's list before it is said."""
        candidate_id = UUID(current_actor().subject)
        async with self._parts.db.read() as tx:
            ticket = await find_ticket(self._parts.tickets(tx), session, candidate_id, now)
        printed = await print_ticket(self._parts.pool, self._parts.signer, session, ticket)
        if printed.refused:
            async with self._parts.db.transaction() as tx:
                await self._record(tx, session, printed, now)
        return printed

    async def _session(self, session_code: str) -> Session:
        async with self._parts.db.read() as tx:
            return await load_session(SessionStore(tx), session_code)

    async def _record(
        self, tx: Transaction, session: Session, printed: PrintedTickets, now: datetime
    ) -> None:
        actor = current_actor().subject
        await record_prints(self._parts.tickets(tx), session.code, printed, actor=actor, now=now)


class VerificationRpc(ticket_service_pb2_grpc.VerificationServiceServicer):
    """Checking a ticket at the door."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._data = VerificationData(self._read_data)

    async def GetVerificationData(
        self, request: ticket_service_pb2.GetVerificationDataRequest, context: Any
    ) -> ticket_service_pb2.GetVerificationDataResponse:
        """The public keys that scanners carry, and the revoked tickets."""
        return await self._data.of(request.session_code)

    async def _read_data(self, session_code: str) -> ticket_service_pb2.GetVerificationDataResponse:
        as_of = self._parts.clock.now()
        async with self._parts.db.read() as tx:
            revoked = await self._parts.tickets(tx).revoked(session_code)
        keys = self._parts.signer.public_keys
        # A hundred thousand revoked tickets take a tenth of a second: not on the event loop.
        return await asyncio.to_thread(verification_data_to_pb, keys, revoked, as_of)

    async def VerifyTicket(
        self, request: ticket_service_pb2.VerifyTicketRequest, context: Any
    ) -> ticket_service_pb2.VerifyTicketResponse:
        """Verify a scanned QR text and return the photo to compare the face with."""

        async def work(tx: Transaction) -> Verification:
            return await verify_ticket(
                self._parts.tickets(tx),
                self._parts.signer,
                request.proof,
                actor=current_actor(),
                now=self._parts.clock.now(),
            )

        verification = await self._parts.db.run(work)
        return verification_to_pb(*verification.require_accepted())
