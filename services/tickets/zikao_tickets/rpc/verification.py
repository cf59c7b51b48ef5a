"""Checking a ticket at the door."""

import asyncio
from typing import Any

from zikao.tickets.v1 import ticket_service_pb2, ticket_service_pb2_grpc
from zikao_kit.context import current_actor
from zikao_kit.db import Transaction

from zikao_tickets.commands.verify_ticket import Verification, verify_ticket
from zikao_tickets.converts.verification import verification_data_to_pb, verification_to_pb
from zikao_tickets.parts import Parts
from zikao_tickets.verification_data import VerificationData


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
