"""Asks the platform about payments of which no word has come: a notification may be lost for good.

That of a payment in time, of a second one, or of one after closing. What even this does not find,
the daily statement does.
"""

import asyncio
from datetime import timedelta

import structlog
from zikao_kit.db import Database, Transaction
from zikao_kit.errors import DomainError

from zikao_enrollment.clients import AtPlatform, PlatformClient
from zikao_enrollment.domain.money import PaymentQuery
from zikao_enrollment.money.till import Till
from zikao_enrollment.store import Store

# All at once, and no more until the next round: so many a second at most from each process.
QUERIES_PER_ROUND = 20
# With pauses that double from five minutes on, the last is the day after.
QUERIES_OF_A_CLOSED_ONE = 8
# Nearly all are such: what is left to look for is a second payment. The last within an hour or so.
QUERIES_OF_A_PAID_ONE = 3

log = structlog.get_logger()


class PaymentQueryWorker:
    """Several processes may do so at once: each payment order is leased to one until the next time.

    Nothing is locked while the platform works.
    """

    def __init__(
        self, db: Database, till: Till, platform: PlatformClient, first_pause: timedelta
    ) -> None:
        self._db = db
        self._till = till
        self._platform = platform
        self._first_pause = first_pause

    async def work(self) -> bool:
        """Ask about those that are due; never at once again, so that the rate stays bounded."""
        async with self._db.transaction() as tx:
            due = await Store(tx).payment_orders.lease_queries(
                self._first_pause,
                QUERIES_OF_A_CLOSED_ONE,
                QUERIES_OF_A_PAID_ONE,
                QUERIES_PER_ROUND,
            )
        await asyncio.gather(*(self._ask(query) for query in due))
        return False

    async def _ask(self, query: PaymentQuery) -> None:
        name = str(query.payment_order_id)
        try:
            found = await self._found(query)
            for payment in found.payments:
                await self._till.settle(payment)
            if found.is_closed:
                await self._db.run(lambda tx: _close(tx, query))
        except DomainError as error:
            log.warning("payment not known yet", payment_order_id=name, reason=error.reason)
        except Exception:
            # One answer that cannot be settled must not hold up the money of all others.
            log.exception("payment cannot be asked about", payment_order_id=name)

    async def _found(self, query: PaymentQuery) -> AtPlatform:
        if query.needless:
            payments = await self._platform.close_order(query.payment_order_id)
            return AtPlatform(is_closed=True, payments=payments)
        return await self._platform.query_order(query.payment_order_id)


async def _close(tx: Transaction, query: PaymentQuery) -> None:
    """The platform takes no money for it: the candidate gets another code when asking for one."""
    store = Store(tx)
    await store.orders.lock_one(query.order_id)
    await store.payment_orders.close([query.payment_order_id])
