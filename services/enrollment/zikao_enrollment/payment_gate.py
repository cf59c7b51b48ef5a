"""How many payments are opened at once: a slow platform must not take the places of all calls."""

import asyncio
from collections import Counter
from uuid import UUID

from zikao_kit.admission import overloaded

from zikao_enrollment.clients import PlatformClient
from zikao_enrollment.domain.orders import Order

MAX_AT_ONCE = 32
MAX_WAITING = 32
PATIENCE_SECONDS = 3.0
# A candidate who presses again and again takes nobody else's places.
MAX_CALLS_OF_AN_ORDER = 4


class PaymentGate:
    """The way to the platform for those who want to pay; an order is there once at a time."""

    def __init__(self, platform: PlatformClient) -> None:
        self._platform = platform
        self._places = asyncio.Semaphore(MAX_AT_ONCE)
        self._calls: Counter[UUID] = Counter()
        self._openings: dict[UUID, asyncio.Task[str]] = {}

    def require_room(self, order_id: UUID) -> None:
        """Raise OVERLOADED when `open_order` would, without waiting: before anything is stored."""
        # Both are bounded: an opening outlives callers that have gone.
        if (
            max(self._calls.total(), len(self._openings)) >= MAX_AT_ONCE + MAX_WAITING
            or self._calls[order_id] >= MAX_CALLS_OF_AN_ORDER
        ):
            raise overloaded()

    async def open_order(self, order: Order) -> str:
        """Open an order at the platform; who comes meanwhile for the same one gets its answer.

        Raises what PlatformClient.open_order does, and OVERLOADED when too many are there.
        """
        order_id = order.order_id
        self.require_room(order_id)
        self._calls[order_id] += 1
        try:
            return await asyncio.shield(self._opening(order))
        finally:
            self._calls[order_id] -= 1
            if not self._calls[order_id]:
                del self._calls[order_id]

    def _opening(self, order: Order) -> asyncio.Task[str]:
        found = self._openings.get(order.order_id)
        if found is None:
            found = asyncio.create_task(self._open(order))
            self._openings[order.order_id] = found
            found.add_done_callback(lambda _: self._openings.pop(order.order_id))
        return found

    async def _open(self, order: Order) -> str:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS) as patience, self._places:
                patience.reschedule(None)
                return await self._platform.open_order(order)
        except TimeoutError:
            raise overloaded() from None
