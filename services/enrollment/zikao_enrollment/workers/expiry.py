"""Ends holds whose deadline has passed: closed at the platform first, then released.

Several processes may do so at once. One that dies leaves orders in `closing`, which another
takes over when their lease has passed.
"""

import asyncio
import time
from collections.abc import Sequence
from uuid import UUID

import structlog
from zikao_kit.clock import Clock
from zikao_kit.db import Database, DatabaseUnavailable, Transaction
from zikao_kit.errors import DomainError

from zikao_enrollment.clients import PlatformClient
from zikao_enrollment.commands.expire_orders import CLOSING_LEASE, expire_orders
from zikao_enrollment.commands.release_orders import release_orders
from zikao_enrollment.domain.money import PaymentOrder
from zikao_enrollment.domain.order_states import OrderState
from zikao_enrollment.money.till import Till
from zikao_enrollment.store import Store

# Small enough that the ledger rows are not held from those who want seats.
ORDERS_PER_ROUND = 100
# After a full round, so many times as long as it took: holds that end together (an opening's, half
# an hour later) leave most of the time to those who want seats.
REST_PER_WORK = 1.5
# The platform is asked for all of a round at once: it ends within the lease also when every
# call times out.
CLOSINGS_PER_ROUND = 32

log = structlog.get_logger()


class ExpiryWorker:
    """Two kinds of work, so that a platform that is away keeps nobody's seats but its payers'."""

    def __init__(self, db: Database, clock: Clock, till: Till, platform: PlatformClient) -> None:
        self._db = db
        self._clock = clock
        self._till = till
        self._platform = platform

    async def release_unpaid(self) -> bool:
        """End holds of which the platform has never heard; True while there is more.

        It hears of an order only after that has become `paying`.
        """
        begun = time.monotonic()
        more = await self._release_round()
        if more:
            await asyncio.sleep(REST_PER_WORK * (time.monotonic() - begun))
        return more

    async def _release_round(self) -> bool:
        now = self._clock.now()

        async def work(tx: Transaction) -> int:
            store = Store(tx)
            expired = await expire_orders(store, OrderState.HELD, now, ORDERS_PER_ROUND)
            await release_orders(store, expired, now)
            return len(expired)

        try:
            return await self._db.run(work) == ORDERS_PER_ROUND
        except DatabaseUnavailable:
            raise
        except Exception:
            log.warning("unpaid holds are not released with their expiry", exc_info=True)
        async with self._db.transaction() as tx:
            expired = await expire_orders(Store(tx), OrderState.HELD, now, ORDERS_PER_ROUND)
        await self._release(expired)
        return len(expired) == ORDERS_PER_ROUND

    async def close_paying(self) -> bool:
        """End holds that the platform may know, and finish what was left; True while there is more.

        Their seats stay held until the platform has answered.
        """
        now = self._clock.now()
        async with self._db.transaction() as tx:
            store = Store(tx)
            left = await store.orders.lease_closing(CLOSING_LEASE, CLOSINGS_PER_ROUND)
            expired = await expire_orders(store, OrderState.PAYING, now, CLOSINGS_PER_ROUND)
            order_ids = [*left, *expired]
            opened = await store.payment_orders.list_open(order_ids)
        closed = await asyncio.gather(
            *(self._close(order_id, opened.get(order_id)) for order_id in order_ids)
        )
        await self._release([order_id for order_id in closed if order_id is not None])
        return CLOSINGS_PER_ROUND in (len(left), len(expired))

    async def _release(self, order_ids: Sequence[UUID]) -> None:
        """Release orders together, or one by one when one cannot be: that one stays `closing`."""
        if not order_ids:
            return
        try:
            await self._release_together(order_ids)
        except DatabaseUnavailable:
            raise
        except Exception:
            for order_id in order_ids:
                await self._release_alone(order_id)

    async def _release_alone(self, order_id: UUID) -> None:
        try:
            await self._release_together([order_id])
        except DatabaseUnavailable:
            raise
        except Exception:
            log.exception("order cannot be released", order_id=str(order_id))

    async def _release_together(self, order_ids: Sequence[UUID]) -> None:
        await self._db.run(lambda tx: release_orders(Store(tx), order_ids, self._clock.now()))

    async def _close(self, order_id: UUID, opened: PaymentOrder | None) -> UUID | None:
        """Close what is open of an order at the platform; its id when all money is accounted for.

        What was paid rightly is confirmed then, and `release_orders` leaves it alone.
        """
        if opened is None:
            return order_id
        try:
            for payment in await self._platform.close_order(opened.payment_order_id):
                await self._till.settle(payment)
        except DomainError as error:
            log.warning("order not closed yet", order_id=str(order_id), reason=error.reason)
            return None
        except Exception:
            # One order that cannot be settled must not keep the seats of all others.
            log.exception("order cannot be closed", order_id=str(order_id))
            return None
        return order_id
