"""Keeps to the throttle what goes through a channel: one a priority; what payment platforms tell is
never held back.

What is held back fails at once as a service would refuse it, OVERLOADED, and costs nobody anything:
`patiently` comes again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import grpc
from google.protobuf.descriptor import ServiceDescriptor
from zikao_kit.error_table import ErrorTable, reason_in_text
from zikao_kit.errors import OVERLOADED, DomainError
from zikao_kit.policy import Priority, policies_of

from zikao_client.throttle import Throttle

# In the metadata of the error: it was not the service that said so.
HELD_BACK = "held_back"
# "Not now", by the service or by what lies between. Calls that their own callers cancel do not end
# with a code here.
_NOT_NOW = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.CANCELLED,
    }
)


def is_not_now(code: grpc.StatusCode, details: str) -> bool:
    """Whether a call ended so because there was too much to do.

    Not so a full county or a locked login: these have the code of what is too much, and stay.
    """
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED:
        return reason_in_text(details) in (OVERLOADED, None)
    return code in _NOT_NOW


class Throttling(grpc.aio.UnaryUnaryClientInterceptor):  # type: ignore[type-arg]
    """The throttles of one channel; it serves the given contracts."""

    def __init__(
        self, *contracts: ServiceDescriptor, throttle: Callable[[], Throttle] = Throttle
    ) -> None:
        self._throttles = _throttles_of(contracts, throttle)
        self._errors = ErrorTable.from_enums()

    async def intercept_unary_unary(
        self, continuation: Any, client_call_details: Any, request: Any
    ) -> Any:
        """Make the call, or fail as OVERLOADED with `HELD_BACK`."""
        throttle = self._throttles.get(_text(client_call_details.method))
        if throttle is None:
            return await continuation(client_call_details, request)
        if not throttle.allow():
            raise self._refusal()
        call = await continuation(client_call_details, request)
        try:
            code, details = await call.code(), await call.details()
        except asyncio.CancelledError:
            call.cancel()
            throttle.gone()
            raise
        if is_not_now(code, details or ""):
            throttle.shed()
        else:
            throttle.accepted()
        return call

    def _refusal(self) -> grpc.aio.AioRpcError:
        error = DomainError(OVERLOADED, held_back="caller")
        text, trailing = self._errors.trailing(error, "", "client")
        return grpc.aio.AioRpcError(
            self._errors.code(OVERLOADED),
            grpc.aio.Metadata(),
            grpc.aio.Metadata(*trailing),
            details=text,
            debug_error_string="",
        )


def _throttles_of(
    contracts: tuple[ServiceDescriptor, ...], throttle: Callable[[], Throttle]
) -> Mapping[str, Throttle]:
    """By full method name; none for PRIORITY_PAYMENT."""
    of_priority = {each: throttle() for each in Priority if each is not Priority.PAYMENT}
    return {
        name: of_priority[policy.priority]
        for name, policy in policies_of(*contracts).items()
        if policy.priority in of_priority
    }


def _text(method: str | bytes) -> str:
    return method.decode() if isinstance(method, bytes) else method
