"""What becomes of ticket numbers after they were given out."""

from typing import Any

from zikao.registration.v1 import ticket_number_service_pb2 as pb
from zikao.registration.v1 import ticket_number_service_pb2_grpc
from zikao_kit.context import current_actor
from zikao_kit.convert import time_to_pb
from zikao_kit.db import Transaction

from zikao_registration.commands.activate_ticket_number import (
    ActivationClaim,
    activate_ticket_number,
    check_activation,
)
from zikao_registration.commands.cancel_ticket_number import cancel_ticket_number
from zikao_registration.commands.list_held_numbers import list_ticket_numbers
from zikao_registration.commands.merge_ticket_numbers import merge_ticket_numbers
from zikao_registration.commands.register_anew import register_anew
from zikao_registration.converts.older import number_to_pb
from zikao_registration.converts.recoveries import document_from_pb
from zikao_registration.converts.registrations import registration_to_pb
from zikao_registration.domain.passwords import check_password
from zikao_registration.domain.recovery import Purpose
from zikao_registration.page_tokens import PageTokens
from zikao_registration.parts import Parts
from zikao_registration.stores.accounts import AccountStore
from zikao_registration.stores.older import OlderStore
from zikao_registration.stores.recovery_desk import RecoveryDesk
from zikao_registration.stores.registrations import Store

DEFAULT_PAGE_SIZE = 20


class TicketNumberRpc(ticket_number_service_pb2_grpc.TicketNumberServiceServicer):
    """Activated, merged, cancelled, followed by another."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def ActivateTicketNumber(
        self, request: pb.ActivateTicketNumberRequest, context: Any
    ) -> pb.ActivateTicketNumberResponse:
        """Bind a number to a new account; the password is hashed once all else is in order."""
        now = self._parts.clock.now()
        document = document_from_pb(request, now.date())
        check_password(request.new_password, document_number=document.number)
        name = self._parts.rare_characters.mapped(request.name)
        claim = ActivationClaim(request.ticket_number, document, name, request.mobile)
        attempt = self._parts.recovery_attempt(Purpose.ACTIVATION, current_actor().caller, now)

        async def check(tx: Transaction) -> None:
            await check_activation(RecoveryDesk.of(tx, self._parts.keys), attempt, claim)

        response_type = pb.ActivateTicketNumberResponse
        with self._parts.hashing.new_place() as hash_password:
            first = await self._parts.answered_before(request, response_type, check)
            if first is not None:
                return first
            password_hash = await hash_password(request.new_password)

        async def work(tx: Transaction) -> pb.ActivateTicketNumberResponse:
            candidate_id = await activate_ticket_number(
                *self._stores(tx), claim, password_hash, actor=current_actor(), now=now
            )
            return pb.ActivateTicketNumberResponse(candidate_id=str(candidate_id))

        return await self._parts.run_once(request, response_type, work)

    async def MergeTicketNumbers(
        self, request: pb.MergeTicketNumbersRequest, context: Any
    ) -> pb.MergeTicketNumbersResponse:
        """Keep one number of a person."""

        async def work(tx: Transaction) -> pb.MergeTicketNumbersResponse:
            _, store, older = self._stores(tx)
            keep, cancel, reason = request.keep, list(request.cancel), request.reason
            actor, now = current_actor(), self._parts.clock.now()
            merged = await merge_ticket_numbers(
                store, older, keep, cancel, reason, actor=actor, now=now
            )
            return pb.MergeTicketNumbersResponse(ticket_numbers=map(number_to_pb, merged))

        return await self._parts.run_once(request, pb.MergeTicketNumbersResponse, work)

    async def CancelTicketNumber(
        self, request: pb.CancelTicketNumberRequest, context: Any
    ) -> pb.CancelTicketNumberResponse:
        """Cancel a number that nobody has activated."""

        async def work(tx: Transaction) -> pb.CancelTicketNumberResponse:
            _, store, older = self._stores(tx)
            actor, now = current_actor(), self._parts.clock.now()
            number, reason = request.ticket_number, request.reason
            await cancel_ticket_number(store, older, number, reason, actor=actor, now=now)
            return pb.CancelTicketNumberResponse(cancelled_at=time_to_pb(now))

        return await self._parts.run_once(request, pb.CancelTicketNumberResponse, work)

    async def ListTicketNumbers(
        self, request: pb.ListTicketNumbersRequest, context: Any
    ) -> pb.ListTicketNumbersResponse:
        """Every number of a person."""
        tokens, size = PageTokens(self._parts.keys, request), request.page_size or DEFAULT_PAGE_SIZE
        (after,) = tokens.read() or ("",)
        async with self._parts.db.transaction() as tx:
            _, store, older = self._stores(tx)
            actor, now = current_actor(), self._parts.clock.now()
            found = await list_ticket_numbers(
                store, older, request.ticket_number, after, size, actor=actor, now=now
            )
        return pb.ListTicketNumbersResponse(
            ticket_numbers=map(number_to_pb, found),
            next_page_token=tokens.make([found[-1].ticket_number]) if len(found) == size else "",
        )

    async def RegisterAnew(
        self, request: pb.RegisterAnewRequest, context: Any
    ) -> pb.RegisterAnewResponse:
        """A new application with the same account."""

        async def work(tx: Transaction) -> pb.RegisterAnewResponse:
            _, store, older = self._stores(tx)
            actor, now = current_actor(), self._parts.clock.now()
            draft = await register_anew(store, older, request.session_code, actor=actor, now=now)
            return pb.RegisterAnewResponse(registration=registration_to_pb(draft))

        return await self._parts.run_once(request, pb.RegisterAnewResponse, work)

    def _stores(self, tx: Transaction) -> tuple[AccountStore, Store, OlderStore]:
        return self._parts.accounts(tx), self._parts.store(tx), self._parts.older(tx)
