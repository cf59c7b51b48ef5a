"""Somebody's login: their tokens, renewed when they have ended."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

from zikao.registration.v1 import login_service_pb2
from zikao.registration.v1.types_pb2 import LoginTokens

from zikao_client.calls import PATIENCE_SECONDS, CallFailed, bearer, new_request_id, patiently

if TYPE_CHECKING:  # the stub's asynchronous kind is known to type checkers alone
    from zikao.registration.v1.login_service_pb2_grpc import LoginServiceAsyncStub

TOKEN_EXPIRED = "TOKEN_EXPIRED"  # noqa: S105 - the name of a reason

T = TypeVar("T")
Metadata = tuple[tuple[str, str], ...]


class Login:
    """What `LogIn` has answered, for calls in that person's name.

        login = Login(zikao.logins, answer.tokens)
        place = await login.call(lambda me: zikao.waiting_room.GetPlace(request, metadata=me))

    A refresh token is good once, and a second use ends the login: so one object for each login,
    in one process. Its words "expired" are the server's; no clock of the caller's is asked.
    """

    def __init__(self, stub: LoginServiceAsyncStub, tokens: LoginTokens) -> None:
        """`stub` is of the system that the login began through: tokens are bound to it."""
        self._stub = stub
        self._tokens = tokens
        self._one_at_a_time = asyncio.Lock()
        self._refresh: login_service_pb2.RefreshTokenRequest | None = None

    @property
    def access_token(self) -> str:
        """The latest one."""
        return self._tokens.access_token

    @property
    def tokens(self) -> LoginTokens:
        """The latest ones: what to store, if the login is to outlive the process."""
        return self._tokens

    async def call(
        self,
        make: Callable[[Metadata], Awaitable[T]],
        seconds: float = PATIENCE_SECONDS,
        *,
        admission_pass: str = "",
    ) -> T:
        """Make a call with the token, `patiently`, and once more when the token has ended.

        `make` gets the metadata and makes the same request each time. Raises CallFailed, with
        LOGIN_ENDED when there is nothing but to log in again.
        """
        used = self.access_token
        try:
            return await patiently(lambda: make(bearer(used, admission_pass)), seconds)
        except CallFailed as failed:
            if failed.reason != TOKEN_EXPIRED:
                raise
        await self.refresh(used)
        fresh = bearer(self.access_token, admission_pass)
        return await patiently(lambda: make(fresh), seconds)

    async def refresh(self, used: str = "") -> None:
        """Get the next pair of tokens, unless `used` is not the latest any more.

        A refresh whose answer was lost goes on with its request id, also at the next call of this.
        Raises CallFailed.
        """
        async with self._one_at_a_time:
            if used not in ("", self.access_token):
                return
            if self._refresh is None:
                self._refresh = login_service_pb2.RefreshTokenRequest(
                    request_id=new_request_id(), refresh_token=self._tokens.refresh_token
                )
            request = self._refresh
            answer = await patiently(lambda: self._stub.RefreshToken(request))
            self._tokens, self._refresh = answer.tokens, None
