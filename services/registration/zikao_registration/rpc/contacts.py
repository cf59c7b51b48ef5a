"""How candidates are reached and recover their password, by themselves."""

from typing import Any

from zikao.registration.v1 import contact_service_pb2 as pb
from zikao.registration.v1 import contact_service_pb2_grpc
from zikao_kit.context import current_actor
from zikao_kit.db import Transaction

from zikao_registration.commands.prove_password import prove_password
from zikao_registration.commands.recover_with_answer import (
    require_some_answer,
    set_security_question,
)
from zikao_registration.commands.update_contact import update_contact
from zikao_registration.converts.recoveries import question_from_pb
from zikao_registration.parts import Parts
from zikao_registration.stores.recovery_desk import RecoveryDesk


class ContactRpc(contact_service_pb2_grpc.ContactServiceServicer):
    """The candidate's own contacts and security question."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def UpdateContact(
        self, request: pb.UpdateContactRequest, context: Any
    ) -> pb.UpdateContactResponse:
        """Replace mobile number and e-mail address."""
        await self._prove(request.password)
        actor, now = current_actor(), self._parts.clock.now()

        async def work(tx: Transaction) -> pb.UpdateContactResponse:
            stores = RecoveryDesk.of(tx, self._parts.keys)
            await update_contact(stores, request.mobile, request.email, actor=actor, now=now)
            return pb.UpdateContactResponse()

        return await self._parts.run_once(request, pb.UpdateContactResponse, work)

    async def SetSecurityQuestion(
        self, request: pb.SetSecurityQuestionRequest, context: Any
    ) -> pb.SetSecurityQuestionResponse:
        """Set question and answer."""
        answer = require_some_answer(request.answer)
        await self._prove(request.password)
        answer_hash = await self._parts.hashing.hash(answer)
        question, actor = question_from_pb(request.question), current_actor()

        async def work(tx: Transaction) -> pb.SetSecurityQuestionResponse:
            stores, now = RecoveryDesk.of(tx, self._parts.keys), self._parts.clock.now()
            await set_security_question(stores, question, answer_hash, actor=actor, now=now)
            return pb.SetSecurityQuestionResponse()

        return await self._parts.run_once(request, pb.SetSecurityQuestionResponse, work)

    async def _prove(self, password: str) -> None:
        """Before the request id is looked up: an answer is given to who knows the password."""
        parts, now = self._parts, self._parts.clock.now()
        await prove_password(
            parts.open_accounts,
            parts.hashing,
            parts.login_rules,
            password,
            actor=current_actor(),
            now=now,
        )
