"""Accounts, logins and the keys of tokens."""

from typing import Any

from zikao.registration.v1 import account_service_pb2, account_service_pb2_grpc
from zikao_kit.context import current_actor
from zikao_kit.convert import time_to_pb
from zikao_kit.db import Transaction
from zikao_kit.even_time import even_time

from zikao_registration.commands.create_account import (
    check_application,
    create_account,
    require_registration_open,
)
from zikao_registration.commands.limit_accounts import Creation
from zikao_registration.commands.log_in import Credentials, log_in
from zikao_registration.converts.registrations import document_type_from_pb
from zikao_registration.parts import Parts
from zikao_registration.stores.recoveries import RecoveryStore

# A quiet login takes nearly as long; whose account there is, is found in a fraction of it.
LOGIN_QUANTUM_SECONDS = 0.05


class AccountRpc(account_service_pb2_grpc.AccountServiceServicer):
    """Accounts, and the tokens that prove who is calling."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def CreateAccount(
        self, request: account_service_pb2.CreateAccountRequest, context: Any
    ) -> account_service_pb2.CreateAccountResponse:
        """Create a candidate's account; its password is hashed once all else has been looked at."""
        now = self._parts.clock.now()
        kind = document_type_from_pb(request.document_type)
        number, name, password = request.document_number, request.login_name, request.password
        application = check_application(kind, number, name, password, now)
        limit, documents = self._parts.login_limit, self._parts.recovery_limit
        caller = current_actor().caller
        creation = Creation(limit, documents, caller, application.login_name, now)

        async def check(tx: Transaction) -> None:
            await creation.require_allowed(self._parts.accounts(tx))
            await require_registration_open(self._parts.store(tx), request.session_code, now)

        response_type = account_service_pb2.CreateAccountResponse
        first = await self._parts.answered_before(request, response_type, check)
        if first is not None:
            return first
        password_hash = await self._parts.hashing.hash(password)
        async with self._parts.db.read() as tx:
            await creation.count_document(RecoveryStore(tx, self._parts.keys), application.document)

        async def work(tx: Transaction) -> account_service_pb2.CreateAccountResponse:
            accounts, store = self._parts.accounts(tx), self._parts.store(tx)
            code, actor = request.session_code, current_actor()
            candidate_id = await create_account(
                accounts, store, application, code, password_hash, actor=actor, now=now
            )
            await creation.count(accounts)
            return account_service_pb2.CreateAccountResponse(candidate_id=str(candidate_id))

        async with creation.counting_taken(self._parts.open_accounts):
            return await self._parts.run_once(request, response_type, work)

    async def LogIn(
        self, request: account_service_pb2.LogInRequest, context: Any
    ) -> account_service_pb2.LogInResponse:
        """Prove a password and get a token."""
        parts, caller, now = self._parts, current_actor().caller, self._parts.clock.now()
        shown = Credentials(request.login_name, request.password, request.one_time_code)
        async with even_time(LOGIN_QUANTUM_SECONDS):
            started = await log_in(
                parts.open_accounts, parts.hashing, parts.login_rules, shown, caller=caller, now=now
            )
        return account_service_pb2.LogInResponse(tokens=parts.login_tokens(started))

    async def ListSigningKeys(
        self, request: account_service_pb2.ListSigningKeysRequest, context: Any
    ) -> account_service_pb2.ListSigningKeysResponse:
        """The public keys with which tokens are verified; from memory, for they are asked often."""
        return account_service_pb2.ListSigningKeysResponse(
            keys=[
                account_service_pb2.SigningKey(key_id=key_id, public_key=public_key)
                for key_id, public_key in self._parts.tokens.public_keys.items()
            ]
        )

    async def ListRevokedLogins(
        self, request: account_service_pb2.ListRevokedLoginsRequest, context: Any
    ) -> account_service_pb2.ListRevokedLoginsResponse:
        """Logins whose tokens must be refused."""
        page = await self._parts.revoked_logins(request.cursor)
        return account_service_pb2.ListRevokedLoginsResponse(
            logins=[
                account_service_pb2.RevokedLogin(login_id=login_id, ends_at=time_to_pb(ends_at))
                for login_id, ends_at in page.ends_at.items()
            ],
            cursor=page.cursor,
            more=page.more,
        )
