"""The ways back for who has lost the ticket number or the password.

What strangers may ask is answered in even time: each answer, an error too, comes at a multiple of
a quantum since the call began.
"""

import asyncio
from typing import Any, TypeVar
from uuid import UUID

from google.protobuf.message import Message
from zikao.registration.v1 import recovery_service_pb2 as pb
from zikao.registration.v1 import recovery_service_pb2_grpc
from zikao_kit.context import current_actor
from zikao_kit.convert import time_to_pb
from zikao_kit.db import Transaction
from zikao_kit.errors import DomainError
from zikao_kit.even_time import even_time

from zikao_registration.commands.complete_password_recovery import (
    complete_password_recovery,
    require_code,
)
from zikao_registration.commands.find_claimed import find_ticket_number
from zikao_registration.commands.limit_recoveries import RecoveryAttempt
from zikao_registration.commands.recover_with_answer import (
    find_answerer,
    find_claimed_answer,
    question_of,
)
from zikao_registration.commands.reset_password import reset_candidate_password, reset_password
from zikao_registration.commands.start_password_recovery import start_password_recovery
from zikao_registration.converts.recoveries import (
    channel_from_pb,
    claim_from_pb,
    document_from_pb,
    question_to_pb,
    reset_reason_from_pb,
)
from zikao_registration.domain.documents import Document
from zikao_registration.domain.passwords import check_password
from zikao_registration.domain.recovery import Claim, Purpose
from zikao_registration.parts import Parts
from zikao_registration.password_hashing import Place
from zikao_registration.stores.recovery_desk import RecoveryDesk

A = TypeVar("A", bound=Message)

# A few queries; with an Argon2 verification, which may have to wait for others.
QUANTUM_SECONDS = 0.1
HASHING_QUANTUM_SECONDS = 0.25


class RecoveryRpc(recovery_service_pb2_grpc.RecoveryServiceServicer):
    """Ticket numbers and passwords for those who have lost them."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def FindTicketNumber(
        self, request: pb.FindTicketNumberRequest, context: Any
    ) -> pb.FindTicketNumberResponse:
        """The ticket number of a document and a name."""
        async with even_time(QUANTUM_SECONDS):
            attempt = self._attempt(Purpose.TICKET_NUMBER)
            document = document_from_pb(request, attempt.now.date())
            async with self._parts.db.read() as tx:
                stores = self._stores(tx)
                await attempt.count(stores, document)
                number = await find_ticket_number(stores, document, request.name)
                await attempt.judge(stores.accounts, document.person_key, failed=not number)
            return pb.FindTicketNumberResponse(ticket_number=number)

    async def StartPasswordRecovery(
        self, request: pb.StartPasswordRecoveryRequest, context: Any
    ) -> pb.StartPasswordRecoveryResponse:
        """Send a code."""
        async with even_time(QUANTUM_SECONDS):
            return await self._start(request)

    async def CompletePasswordRecovery(
        self, request: pb.CompletePasswordRecoveryRequest, context: Any
    ) -> pb.CompletePasswordRecoveryResponse:
        """Set a password with a code."""
        async with even_time(QUANTUM_SECONDS):
            return await self._complete(request)

    async def GetSecurityQuestion(
        self, request: pb.GetSecurityQuestionRequest, context: Any
    ) -> pb.GetSecurityQuestionResponse:
        """The question to answer."""
        async with even_time(QUANTUM_SECONDS):
            attempt = self._attempt(Purpose.QUESTION)
            claim = claim_from_pb(request, attempt.now.date())
            async with self._parts.db.read() as tx:
                stores = self._stores(tx)
                await attempt.count(stores, claim.document)
                found = await find_claimed_answer(stores, claim)
                subject = claim.document.person_key
                await attempt.judge(stores.accounts, subject, failed=found is None)
            question = question_of(stores.recoveries, claim, found)
            return pb.GetSecurityQuestionResponse(question=question_to_pb(question))

    async def RecoverWithSecurityAnswer(
        self, request: pb.RecoverWithSecurityAnswerRequest, context: Any
    ) -> pb.RecoverWithSecurityAnswerResponse:
        """Set a password with the answer."""
        async with even_time(HASHING_QUANTUM_SECONDS):
            return await self._recover_with_answer(request)

    async def ResetCandidatePassword(
        self, request: pb.ResetCandidatePasswordRequest, context: Any
    ) -> pb.ResetCandidatePasswordResponse:
        """Give a candidate the initial password, at the office."""
        now = self._parts.clock.now()
        document = document_from_pb(request, now.date())
        reason = reset_reason_from_pb(request.reason)

        async def work(tx: Transaction) -> pb.ResetCandidatePasswordResponse:
            candidate_id = await reset_candidate_password(
                self._stores(tx),
                document,
                reason,
                contacts_confirmed=request.contacts_confirmed,
                actor=current_actor(),
                now=now,
            )
            return pb.ResetCandidatePasswordResponse(candidate_id=str(candidate_id))

        async with self._parts.spreading_revocations():
            return await self._parts.run_once(request, pb.ResetCandidatePasswordResponse, work)

    async def _start(
        self, request: pb.StartPasswordRecoveryRequest
    ) -> pb.StartPasswordRecoveryResponse:
        attempt = self._attempt(Purpose.SEND_CODE)
        claim = claim_from_pb(request, attempt.now.date())
        channel = channel_from_pb(request.channel)
        self._parts.messenger.require(channel)
        first = await self._answered_before(
            request, pb.StartPasswordRecoveryResponse, attempt, claim.document
        )
        if first is not None:
            return first

        async def work(tx: Transaction) -> pb.StartPasswordRecoveryResponse:
            stores, subject = self._stores(tx), claim.document.person_key
            recovery = await start_password_recovery(stores, claim, channel, now=attempt.now)
            await attempt.judge(stores.accounts, subject, failed=recovery.account_id is None)
            return pb.StartPasswordRecoveryResponse(
                recovery_id=str(recovery.recovery_id), expires_at=time_to_pb(recovery.expires_at)
            )

        return await self._parts.run_once(request, pb.StartPasswordRecoveryResponse, work)

    async def _complete(
        self, request: pb.CompletePasswordRecoveryRequest
    ) -> pb.CompletePasswordRecoveryResponse:
        check_password(request.new_password)
        attempt, recovery_id = self._attempt(Purpose.USE_CODE), UUID(request.recovery_id)

        async def check(tx: Transaction) -> None:
            stores, code, password = self._stores(tx), request.code, request.new_password
            await attempt.require_caller(stores.accounts)
            async with attempt.judging(stores.accounts, request.recovery_id):
                await require_code(stores, recovery_id, code, password, now=attempt.now)

        response_type = pb.CompletePasswordRecoveryResponse
        with self._parts.hashing.new_place() as hash_password:
            first = await self._parts.answered_before(request, response_type, check)
            if first is not None:
                return first
            password_hash = await hash_password(request.new_password)

        async def work(tx: Transaction) -> pb.CompletePasswordRecoveryResponse:
            stores, actor = self._stores(tx), current_actor()
            await complete_password_recovery(
                stores, recovery_id, password_hash, actor=actor, now=attempt.now
            )
            return pb.CompletePasswordRecoveryResponse()

        async with self._parts.spreading_revocations():
            return await self._parts.run_once(request, response_type, work)

    async def _recover_with_answer(
        self, request: pb.RecoverWithSecurityAnswerRequest
    ) -> pb.RecoverWithSecurityAnswerResponse:
        attempt = self._attempt(Purpose.ANSWER)
        claim = claim_from_pb(request, attempt.now.date())
        check_password(request.new_password, document_number=claim.document.number)
        response_type, hashing = pb.RecoverWithSecurityAnswerResponse, self._parts.hashing
        with hashing.new_place() as hash_password, hashing.place() as place:
            first = await self._answered_before(request, response_type, attempt, claim.document)
            if first is not None:
                return first
            candidate_id = await self._require_answer(place, attempt, claim, request.answer)
            password_hash = await hash_password(request.new_password)

        async def work(tx: Transaction) -> pb.RecoverWithSecurityAnswerResponse:
            stores, actor, now = self._stores(tx), current_actor(), attempt.now
            await reset_password(
                stores, candidate_id, password_hash, by="answer", actor=actor, now=now
            )
            return pb.RecoverWithSecurityAnswerResponse()

        async with self._parts.spreading_revocations():
            return await self._parts.run_once(request, response_type, work)

    async def _require_answer(
        self, place: Place, attempt: RecoveryAttempt, claim: Claim, answer: str
    ) -> UUID:
        """Whose answer it is; raises RECOVERY_FAILED. Who gives up first has tried nothing."""
        async with self._parts.db.read() as tx:
            found = await find_claimed_answer(self._stores(tx), claim)
        try:
            candidate_id = await find_answerer(place, found, answer)
        except BaseException:
            await asyncio.shield(self._give_back(attempt, claim.document))
            raise
        async with self._parts.db.read() as tx:
            accounts, subject = self._parts.accounts(tx), claim.document.person_key
            await attempt.judge(accounts, subject, failed=candidate_id is None)
        if candidate_id is None:
            raise DomainError("RECOVERY_FAILED")
        return candidate_id

    async def _give_back(self, attempt: RecoveryAttempt, document: Document) -> None:
        async with self._parts.db.read() as tx:
            await attempt.give_back(self._stores(tx).recoveries, document)

    def _attempt(self, purpose: Purpose) -> RecoveryAttempt:
        now = self._parts.clock.now()
        return self._parts.recovery_attempt(purpose, current_actor().caller, now)

    def _stores(self, tx: Transaction) -> RecoveryDesk:
        return RecoveryDesk.of(tx, self._parts.keys)

    async def _answered_before(
        self, request: Message, response_type: type[A], attempt: RecoveryAttempt, document: Document
    ) -> A | None:
        """Count a new attempt, and that committed; a repeated request's answer is the first."""

        async def check(tx: Transaction) -> None:
            await attempt.count(self._stores(tx), document)

        return await self._parts.answered_before(request, response_type, check)
