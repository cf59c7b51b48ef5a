"""Single tickets in the hands of the office of their county."""

from datetime import datetime
from typing import Any, TypeVar

from zikao.tickets.v1 import office_ticket_service_pb2 as pb
from zikao.tickets.v1 import office_ticket_service_pb2_grpc as pb_grpc
from zikao.tickets.v1.office_service_pb2 import OFFICE_ACTION_STATE_DONE
from zikao_kit.context import current_actor
from zikao_kit.db import Transaction
from zikao_kit.errors import NOT_FOUND, DomainError
from zikao_kit.idempotency import run_once
from zikao_kit.office_acts import Act

from zikao_tickets.commands.issue_version import find_in_force, find_versions, lock_in_force
from zikao_tickets.commands.load_session import load_session
from zikao_tickets.commands.print_ticket import require_printed, require_same_version
from zikao_tickets.converts.versions import (
    reissue_from_pb,
    seat_to_pb,
    temporary_from_pb,
    version_to_pb,
)
from zikao_tickets.domain.office_acts import Proposal
from zikao_tickets.domain.session import Session
from zikao_tickets.domain.ticket import PrintedTickets, Ticket
from zikao_tickets.domain.versions import TicketVersion
from zikao_tickets.names import SCHEMA
from zikao_tickets.parts import Parts
from zikao_tickets.rpc.handing_out import print_surely, record
from zikao_tickets.rpc.proposals import propose_found
from zikao_tickets.stores.offices import office_audit
from zikao_tickets.stores.sessions import SessionStore
from zikao_tickets.stores.versions import VersionStore

R = TypeVar("R", pb.ReissueTicketResponse, pb.IssueTemporaryTicketResponse)


class OfficeTicketRpc(pb_grpc.OfficeTicketServiceServicer):
    """Single tickets in the hands of the office of their county."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def GetTicketVersions(
        self, request: pb.GetTicketVersionsRequest, context: Any
    ) -> pb.GetTicketVersionsResponse:
        """A ticket with all of its versions."""
        async with self._parts.db.read() as tx:
            session = await load_session(SessionStore(tx), request.session_code)
            names = (session.code, request.ticket_number)
            versions = await find_versions(VersionStore(tx), *names, current_actor())
            holder = versions[0].candidate_id
            ticket = await self._parts.tickets(tx).ticket(session.code, holder)
        return pb.GetTicketVersionsResponse(
            county_code=versions[0].county_code,
            versions=map(version_to_pb, versions),
            seats=map(seat_to_pb, ticket.seats if ticket else ()),
        )

    async def ReissueTicket(
        self, request: pb.ReissueTicketRequest, context: Any
    ) -> pb.ReissueTicketResponse:
        """The next version with the same seats."""
        return await self._issue(request, reissue_from_pb(request), pb.ReissueTicketResponse)

    async def IssueTemporaryTicket(
        self, request: pb.IssueTemporaryTicketRequest, context: Any
    ) -> pb.IssueTemporaryTicketResponse:
        """A temporary ticket as the next version."""
        act = temporary_from_pb(request)
        return await self._issue(request, act, pb.IssueTemporaryTicketResponse)

    async def PrintForCandidate(
        self, request: pb.PrintForCandidateRequest, context: Any
    ) -> pb.PrintForCandidateResponse:
        """The version in force, for a candidate who cannot print."""
        with self._parts.prints.only(current_actor().subject):
            return await self._print(request)

    async def _issue(self, request: Any, act: Act, response_type: type[R]) -> R:
        names, actor = (request.session_code, request.ticket_number), current_actor()

        async def find(tx: Transaction) -> Proposal:
            await load_session(SessionStore(tx), request.session_code)
            before = await lock_in_force(VersionStore(tx), *names, actor)
            return Proposal(request.session_code, before.county_code, act)

        async def finish(tx: Transaction, answer: R) -> None:
            if answer.action.action_id and answer.action.state == OFFICE_ACTION_STATE_DONE:
                issued = await find_in_force(VersionStore(tx), *names, actor)
                answer.ticket.CopyFrom(version_to_pb(issued))

        dry_run = request.dry_run
        return await propose_found(
            self._parts, request, find, response_type, finish, dry_run=dry_run
        )

    async def _print(self, request: pb.PrintForCandidateRequest) -> pb.PrintForCandidateResponse:
        now = self._parts.clock.now()
        session, version, ticket = await self._find(request)
        printed = await print_surely(self._parts, session, ticket, now)
        require_printed(printed)

        async def work(tx: Transaction) -> pb.PrintForCandidateResponse:
            count = await self._hand_out(tx, session, version, printed, now)
            return _printed_to_pb(ticket, count)

        response_type = pb.PrintForCandidateResponse
        answer = await run_once(self._parts.db, request, response_type, work, schema=SCHEMA)
        require_same_version(answer.version, ticket)
        return _printed_to_pb(ticket, answer.print_count, printed.pdf)

    async def _find(
        self, request: pb.PrintForCandidateRequest
    ) -> tuple[Session, TicketVersion, Ticket]:
        async with self._parts.db.read() as tx:
            session = await load_session(SessionStore(tx), request.session_code)
            names = (session.code, request.ticket_number)
            version = await find_in_force(VersionStore(tx), *names, current_actor())
            ticket = await self._parts.tickets(tx).ticket(session.code, version.candidate_id)
        if ticket is None:  # revoked between the two readings
            raise DomainError(NOT_FOUND)
        return session, version, ticket

    async def _hand_out(
        self,
        tx: Transaction,
        session: Session,
        version: TicketVersion,
        printed: PrintedTickets,
        now: datetime,
    ) -> int:
        """Record the print, also in the office's audit; how often it was handed out by now."""
        count = await record(self._parts, tx, session, printed, now)
        await office_audit(tx).add(
            current_actor(),
            "print_for_candidate",
            now,
            session_code=session.code,
            county_prefix=version.county_code,
            before={},
            after={"version": version.version, "serial": version.serial},
        )
        return count


def _printed_to_pb(
    ticket: Ticket, print_count: int, pdf: bytes = b""
) -> pb.PrintForCandidateResponse:
    """One printed ticket; what is stored as the answer is without its bytes."""
    return pb.PrintForCandidateResponse(
        pdf=pdf, version=ticket.version, serial=ticket.serial, print_count=print_count
    )
