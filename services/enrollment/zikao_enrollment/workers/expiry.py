"""Ends holds whose deadline has passed: closed at the platform first, then released.

Several processes may do so at once. One that dies leaves orders in `closing`, which another
takes over when their lease has passed.
"""

import asyncio
from collections.abc import Iterable
from datetime import timedelta
from uuid import UUID

import structlog
from zikao_kit.clock import Clock
from zikao_kit.db import Database
from zikao_kit.errors import DomainError

from zikao_enrollment.clients import Closed, PlatformClient
from zikao_enrollment.commands.expire_orders import expire_orders
from zikao_enrollment.commands.release_orders import release_orders
from zikao_enrollment.domain.order_states import OrderState
from zikao_enrollment.store import Store
from zikao_enrollment.till import Till

# Small enough that the ledger rows are not held from those who want seats.
ORDERS_PER_ROUND = 100
CLOSINGS_AT_ONCE = 8
CLOSING_LEASE = timedelta(seconds=30)

log = structlog.get_logger()


class ExpiryWorker:
    """Begins to close what is overdue, and finishes what was left."""

    def __init__(self, db: Database, clock: Clock, till: Till, platform: PlatformClient) -> None:
        self._db = db
        self._clock = clock
        self._till = till
        self._platform = platform
        self._turns = asyncio.Semaphore(CLOSINGS_AT_ONCE)

    async def work(self) -> bool:
        """Do one round; True while there is more."""
        now = self._clock.now()
        async with self._db.transaction() as tx:
            store = Store(tx)
            expired = await expire_orders(store, now, ORDERS_PER_ROUND)
            left = await store.lease_closing_orders(now - CLOSING_LEASE, now, ORDERS_PER_ROUND)
        # The platform hears of an order only after it has become `paying`.
        unheard = {order_id for order_id, state in expired.items() if state is OrderState.HELD}
        await self._release(unheard)
        heard = (expired.keys() - unheard).union(left)
        closed = await asyncio.gather(*(self._close(order_id) for order_id in heard))
        await self._release(order_id for order_id in closed if order_id is not None)
        return ORDERS_PER_ROUND in (len(expired), len(left))

    async def _release(self, order_ids: Iterable[UUID]) -> None:
        ids = list(order_ids)
        if ids:
            await self._db.run(lambda tx: release_orders(Store(tx), ids, self._clock.now()))

    async def _close(self, order_id: UUID) -> UUID | None:
        """Close an order at the platform; its id when its seats may go back."""
        async with self._turns:
            try:
                closed = await self._platform.close_order(order_id)
            except DomainError as error:
                log.warning("order not closed yet", order_id=str(order_id), reason=error.reason)
                return None
        return await self._settled(order_id, closed)

    async def _settled(self, order_id: UUID, closed: Closed) -> UUID | None:
        for payment in closed.payments:
            await self._till.settle(payment)
        return None if closed.is_paid else order_id
