"""Checking a ticket at the door."""

import asyncio
from typing import Any

from zikao.tickets.v1 import verification_service_pb2 as pb
from zikao.tickets.v1 import verification_service_pb2_grpc
from zikao_kit.context import current_actor
from zikao_kit.db import Transaction
from zikao_kit.serialized import serialized

from zikao_tickets.commands.load_session import load_session
from zikao_tickets.commands.make_verification_list import NumberedList, make_verification_list
from zikao_tickets.commands.verify_ticket import Verification, verify_ticket
from zikao_tickets.converts.scans import door_from_pb
from zikao_tickets.converts.verification import verification_data_to_pb, verification_to_pb
from zikao_tickets.parts import Parts
from zikao_tickets.stores.scans import ScanStore
from zikao_tickets.stores.sessions import SessionStore
from zikao_tickets.verification_data import Made, VerificationData


class VerificationRpc(verification_service_pb2_grpc.VerificationServiceServicer):
    """Checking a ticket at the door."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._data = VerificationData(self._read_data)
        self._lists = VerificationData(self._make_list)

    async def GetVerificationData(
        self, request: pb.GetVerificationDataRequest, context: Any
    ) -> pb.GetVerificationDataResponse:
        """The public keys that scanners carry, and the revoked tickets."""
        return await self._data.of(request.session_code)

    async def GetVerificationFile(
        self, request: pb.GetVerificationFileRequest, context: Any
    ) -> pb.GetVerificationFileResponse:
        """The same as a file, signed."""
        return await self._lists.of(request.session_code)

    async def _read_data(self, session_code: str) -> Made[pb.GetVerificationDataResponse]:
        as_of = self._parts.clock.now()
        async with self._parts.db.read() as tx:
            revoked = await self._parts.proof_keys(tx).revoked(session_code)
        keys, epoch = self._parts.signer.public_keys, self._parts.signer.key_epoch
        # A hundred thousand revoked tickets take a tenth of a second: not on the event loop.
        answer = await asyncio.to_thread(verification_data_to_pb, keys, epoch, revoked, as_of)
        return Made(answer, is_heavy=bool(revoked))

    async def _make_list(self, session_code: str) -> Made[pb.GetVerificationFileResponse]:
        async def work(tx: Transaction) -> NumberedList:
            await load_session(SessionStore(tx), session_code)
            return await make_verification_list(
                self._parts.proof_keys(tx),
                self._parts.signer,
                session_code,
                self._parts.clock.now(),
            )

        made = await self._parts.db.run(work)
        answer = pb.GetVerificationFileResponse(
            file=made.file, list_number=made.number, key_epoch=made.key_epoch
        )
        # Of a session that there is, and one more look at the database for everybody who asks.
        return Made(serialized(answer), is_heavy=True)

    async def VerifyTicket(
        self, request: pb.VerifyTicketRequest, context: Any
    ) -> pb.VerifyTicketResponse:
        """Verify a scanned QR text and return the photo to compare the face with."""

        door = door_from_pb(request.scan) if request.HasField("scan") else None

        async def work(tx: Transaction) -> Verification:
            return await verify_ticket(
                self._parts.tickets(tx),
                SessionStore(tx),
                ScanStore(tx),
                self._parts.signer,
                request.proof,
                door=door,
                actor=current_actor(),
                now=self._parts.clock.now(),
            )

        verification = await self._parts.db.run(work)
        proof, bearer = verification.require_accepted()
        return verification_to_pb(proof, bearer, door, verification.other_scans)
