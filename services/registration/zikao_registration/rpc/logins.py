"""What somebody who has logged in does with the own login and password."""

from typing import Any
from uuid import UUID

from zikao.registration.v1 import login_service_pb2, login_service_pb2_grpc
from zikao_kit.context import current_actor
from zikao_kit.db import Transaction

from zikao_registration.commands.change_password import PasswordChange
from zikao_registration.commands.end_logins import end_all_logins, end_login
from zikao_registration.commands.refresh_login import Refreshing
from zikao_registration.commands.set_up_second_factor import (
    begin_second_factor,
    confirm_second_factor,
)
from zikao_registration.converts.logins import login_to_pb
from zikao_registration.domain.open_logins import require_refresh_token
from zikao_registration.parts import Parts
from zikao_registration.stores.recovery_desk import RecoveryDesk


class LoginRpc(login_service_pb2_grpc.LoginServiceServicer):
    """Refresh and end logins, change the password, set up a second factor."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def RefreshToken(
        self, request: login_service_pb2.RefreshTokenRequest, context: Any
    ) -> login_service_pb2.RefreshTokenResponse:
        """The next pair of tokens; the caller asks, whether or not its access token has ended."""
        parts, caller, now = self._parts, current_actor().caller, self._parts.clock.now()
        token = require_refresh_token(request.refresh_token)
        refreshing = Refreshing(parts.login_rules, token, caller, now)

        async def work(tx: Transaction) -> login_service_pb2.RefreshTokenResponse:
            started = await refreshing.refresh(parts.accounts(tx))
            return login_service_pb2.RefreshTokenResponse(tokens=parts.login_tokens(started))

        async def check(tx: Transaction) -> None:
            await refreshing.require_genuine(parts.accounts(tx))

        response_type = login_service_pb2.RefreshTokenResponse
        first = await parts.answered_before(request, response_type, check, asker=caller)
        if first is not None:
            return first
        async with refreshing.ending_reused(parts.open_accounts, parts.spread_revocations):
            return await parts.run_once(request, response_type, work, asker=caller)

    async def LogOut(
        self, request: login_service_pb2.LogOutRequest, context: Any
    ) -> login_service_pb2.LogOutResponse:
        """End one of the own logins."""

        async def work(tx: Transaction) -> login_service_pb2.LogOutResponse:
            now = self._parts.clock.now()
            await end_login(self._parts.accounts(tx), current_actor(), request.login_id, now)
            return login_service_pb2.LogOutResponse()

        async with self._parts.spreading_revocations():
            return await self._parts.run_once(request, login_service_pb2.LogOutResponse, work)

    async def LogOutEverywhere(
        self, request: login_service_pb2.LogOutEverywhereRequest, context: Any
    ) -> login_service_pb2.LogOutEverywhereResponse:
        """End all of the own logins."""

        async def work(tx: Transaction) -> login_service_pb2.LogOutEverywhereResponse:
            now = self._parts.clock.now()
            await end_all_logins(self._parts.accounts(tx), current_actor(), now)
            return login_service_pb2.LogOutEverywhereResponse()

        response_type = login_service_pb2.LogOutEverywhereResponse
        async with self._parts.spreading_revocations():
            return await self._parts.run_once(request, response_type, work)

    async def ListLogins(
        self, request: login_service_pb2.ListLoginsRequest, context: Any
    ) -> login_service_pb2.ListLoginsResponse:
        """The own logins that are open."""
        actor, now = current_actor(), self._parts.clock.now()
        async with self._parts.db.read() as tx:
            logins = await self._parts.accounts(tx).logins.list_open(UUID(actor.subject), now)
        return login_service_pb2.ListLoginsResponse(
            logins=[login_to_pb(login, actor.login_id) for login in logins]
        )

    async def ChangePassword(
        self, request: login_service_pb2.ChangePasswordRequest, context: Any
    ) -> login_service_pb2.ChangePasswordResponse:
        """A new password, proved by the old one; each is hashed last of all."""
        parts, now = self._parts, self._parts.clock.now()
        change = PasswordChange(current_actor(), request.old_password, request.new_password)

        async def check(tx: Transaction) -> None:
            await change.require_allowed(parts.accounts(tx), parts.store(tx))

        response_type = login_service_pb2.ChangePasswordResponse
        first = await parts.answered_before(request, response_type, check)
        if first is not None:
            return first
        rules, hashing = parts.login_rules, parts.hashing
        old_hash = await change.prove_old(parts.open_accounts, hashing, rules, now)
        new_hash = await hashing.hash(request.new_password)

        async def work(tx: Transaction) -> login_service_pb2.ChangePasswordResponse:
            stores = RecoveryDesk.of(tx, parts.keys)
            started = await change.apply(
                stores, rules, old_hash=old_hash, new_hash=new_hash, now=now
            )
            return login_service_pb2.ChangePasswordResponse(tokens=parts.login_tokens(started))

        async with parts.spreading_revocations():
            return await parts.run_once(request, response_type, work)

    async def BeginSecondFactor(
        self, request: login_service_pb2.BeginSecondFactorRequest, context: Any
    ) -> login_service_pb2.BeginSecondFactorResponse:
        """A new secret."""
        parts, now = self._parts, self._parts.clock.now()

        async def work(tx: Transaction) -> login_service_pb2.BeginSecondFactorResponse:
            accounts, store = parts.accounts(tx), parts.store(tx)
            secret, uri = await begin_second_factor(accounts, store, current_actor(), now)
            return login_service_pb2.BeginSecondFactorResponse(secret=secret, uri=uri)

        return await parts.run_once(request, login_service_pb2.BeginSecondFactorResponse, work)

    async def ConfirmSecondFactor(
        self, request: login_service_pb2.ConfirmSecondFactorRequest, context: Any
    ) -> login_service_pb2.ConfirmSecondFactorResponse:
        """The secret counts from now on."""
        parts, actor, now = self._parts, current_actor(), self._parts.clock.now()

        async def work(tx: Transaction) -> login_service_pb2.ConfirmSecondFactorResponse:
            accounts, store, rules = parts.accounts(tx), parts.store(tx), parts.login_rules
            code = request.one_time_code
            started = await confirm_second_factor(
                accounts, store, rules, code, actor=actor, now=now
            )
            return login_service_pb2.ConfirmSecondFactorResponse(tokens=parts.login_tokens(started))

        async with parts.spreading_revocations():
            return await parts.run_once(
                request, login_service_pb2.ConfirmSecondFactorResponse, work
            )
