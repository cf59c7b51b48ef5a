"""Every call says how long it will wait; a subscription alone has no end.

Without deadlines a slow dependency fills the server with calls that nobody waits
for any more. A call with too little time left is refused before it costs anything, and
one with hours left does not get them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import grpc

from zikao_kit.errors import DEADLINE_REQUIRED, DEADLINE_TOO_SHORT, UNAVAILABLE, DomainError

MIN_REMAINING_SECONDS = 0.020
ABORT_SECONDS = 1.0

T = TypeVar("T")


def patience_of(remaining_seconds: float | None) -> float:
    """Return how many seconds the call may wait to be let in.

    Raises DEADLINE_REQUIRED and DEADLINE_TOO_SHORT.
    """
    if remaining_seconds is None:
        raise DomainError(DEADLINE_REQUIRED)
    patience = remaining_seconds - MIN_REMAINING_SECONDS
    if patience <= 0:
        raise DomainError(DEADLINE_TOO_SHORT)
    return patience


def age_of(timeout_ms: int, patience_seconds: float) -> float:
    """Return how many seconds the call has waited in queues that nobody here sees.

    Of what its caller would wait at all, as `zikao-timeout-ms` says, that is what lacks to
    `patience_of` the rest: gRPC counts it from when the call came to this machine, and takes it
    in only when it gets to it. 0 for callers that do not say.
    """
    return max(0.0, timeout_ms / 1000 - patience_seconds - MIN_REMAINING_SECONDS)


@asynccontextmanager
async def ended_after(seconds: float) -> AsyncIterator[None]:
    """End what is not done after `seconds`, with UNAVAILABLE: the caller may come again."""
    try:
        async with asyncio.timeout(seconds) as limit:
            yield
    except TimeoutError:
        if limit.expired():
            raise DomainError(UNAVAILABLE) from None
        raise


async def within(seconds: float, work: Awaitable[T]) -> T:
    """Await work that ends so."""
    async with ended_after(seconds):
        return await work


async def abort(context: Any, code: grpc.StatusCode, text: str, trailing: Any = ()) -> None:
    """End a call with a status; raises AbortError, CancelledError when nobody reads it.

    A status waits behind the parts of a stream that are not read. It is on its way then,
    and nothing is left to do here.
    """
    try:
        async with asyncio.timeout(ABORT_SECONDS):
            await context.abort(code, text, trailing)
    except TimeoutError:
        raise asyncio.CancelledError from None
