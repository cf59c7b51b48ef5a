"""How many payments are opened or closed for candidates at once.

A slow platform must not take the places of all calls.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from zikao_kit.admission import overloaded

from zikao_enrollment.clients import PlatformClient
from zikao_enrollment.domain.money import Payment, PaymentOrder

MAX_AT_ONCE = 32
MAX_WAITING = 32
PATIENCE_SECONDS = 3.0
# A candidate who presses again and again takes nobody else's places.
MAX_CALLS_OF_AN_ORDER = 4

T = TypeVar("T")


class PaymentGate:
    """The candidates' way to the platform; an order is there once at a time for one thing."""

    def __init__(self, platform: PlatformClient) -> None:
        self._platform = platform
        self._places = asyncio.Semaphore(MAX_AT_ONCE)
        self._calls: Counter[UUID] = Counter()
        self._under_way: dict[tuple[UUID, str], asyncio.Task[Any]] = {}

    def require_room(self, order_id: UUID) -> None:
        """Raise OVERLOADED when a call would, without waiting: before anything is stored."""
        # Both are bounded: what is under way outlives callers that have gone.
        if (
            max(self._calls.total(), len(self._under_way)) >= MAX_AT_ONCE + MAX_WAITING
            or self._calls[order_id] >= MAX_CALLS_OF_AN_ORDER
        ):
            raise overloaded()

    async def open_order(self, opened: PaymentOrder, pay_before: datetime) -> str:
        """Open a payment order at the platform; who comes meanwhile gets the same answer.

        Raises what PlatformClient.open_order does, and OVERLOADED when too many are there.
        """
        return await self._pass(
            opened, "open", lambda: self._platform.open_order(opened, pay_before)
        )

    async def close_order(self, opened: PaymentOrder) -> Sequence[Payment]:
        """Close one at the platform, in the same way; return its payments."""
        return await self._pass(
            opened, "close", lambda: self._platform.close_order(opened.payment_order_id)
        )

    async def _pass(self, opened: PaymentOrder, what: str, ask: Callable[[], Awaitable[T]]) -> T:
        order_id = opened.order_id
        self.require_room(order_id)
        self._calls[order_id] += 1
        try:
            return await asyncio.shield(self._asking((opened.payment_order_id, what), ask))
        finally:
            self._calls[order_id] -= 1
            if not self._calls[order_id]:
                del self._calls[order_id]

    def _asking(self, key: tuple[UUID, str], ask: Callable[[], Awaitable[T]]) -> "asyncio.Task[T]":
        found: asyncio.Task[T] | None = self._under_way.get(key)
        if found is None:
            found = asyncio.create_task(self._ask(ask))
            self._under_way[key] = found
            found.add_done_callback(lambda _: self._under_way.pop(key))
        return found

    async def _ask(self, ask: Callable[[], Awaitable[T]]) -> T:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS) as patience, self._places:
                patience.reschedule(None)
                return await ask()
        except TimeoutError:
            raise overloaded() from None
