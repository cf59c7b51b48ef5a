"""Logins by a government's identity provider."""

from typing import Any

from zikao.registration.v1 import identity_provider_service_pb2 as pb
from zikao.registration.v1 import identity_provider_service_pb2_grpc
from zikao_kit.context import current_actor
from zikao_kit.convert import time_to_pb
from zikao_kit.db import Transaction
from zikao_kit.errors import DomainError

from zikao_registration.clients.identity_provider import IdentityClient
from zikao_registration.clients.identity_tokens import login_failed
from zikao_registration.commands.complete_provider_login import complete_provider_login
from zikao_registration.commands.start_provider_login import ProviderStart
from zikao_registration.parts import Parts
from zikao_registration.stores.provider_logins import ProviderLoginStore
from zikao_registration.stores.recoveries import RecoveryStore


class IdentityProviderRpc(identity_provider_service_pb2_grpc.IdentityProviderServiceServicer):
    """To the provider, and back."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def StartProviderLogin(
        self, request: pb.StartProviderLoginRequest, context: Any
    ) -> pb.StartProviderLoginResponse:
        """Where to send the browser; what must be waited for comes before the transaction."""
        provider, now = self._provider(), self._parts.clock.now()
        start = ProviderStart(provider.config.starts_per_caller, current_actor().caller, now)

        async def check(tx: Transaction) -> None:
            await start.count(RecoveryStore(tx, self._parts.keys))

        response_type = pb.StartProviderLoginResponse
        first = await self._parts.answered_before(request, response_type, check)
        if first is not None:
            return first
        await provider.find()

        async def work(tx: Transaction) -> pb.StartProviderLoginResponse:
            login = await start.begin(self._logins(tx))
            return pb.StartProviderLoginResponse(
                authorization_url=provider.authorization_url(login),
                state=login.state,
                expires_at=time_to_pb(login.expires_at),
            )

        return await self._parts.run_once(request, response_type, work)

    async def CompleteProviderLogin(
        self, request: pb.CompleteProviderLoginRequest, context: Any
    ) -> pb.CompleteProviderLoginResponse:
        """Log in; nothing of the database is held while the provider is asked."""
        provider, now = self._provider(), self._parts.clock.now()
        caller = current_actor().caller
        async with self._parts.db.transaction() as tx:
            login = await self._logins(tx).take(request.state, caller, now)
        if login is None:
            raise login_failed()
        identity = await provider.identify(login, request.code, now)
        async with self._parts.open_accounts() as (accounts, store):
            rules = self._parts.login_rules
            started = await complete_provider_login(
                accounts, store, identity, rules, caller=caller, now=now
            )
        return pb.CompleteProviderLoginResponse(tokens=self._parts.login_tokens(started))

    def _provider(self) -> IdentityClient:
        if self._parts.identity_provider is None:
            raise DomainError("PROVIDER_NOT_CONFIGURED")
        return self._parts.identity_provider

    def _logins(self, tx: Transaction) -> ProviderLoginStore:
        return ProviderLoginStore(tx, self._parts.keys)
