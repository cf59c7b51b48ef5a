"""Closes the payment of an order at the platform before the order is given up."""

from uuid import UUID

import structlog
from zikao_kit.clock import Clock
from zikao_kit.db import Database, Transaction
from zikao_kit.errors import DomainError

from zikao_enrollment.commands.withdraw_order import begin_cancelling
from zikao_enrollment.domain.orders import Order
from zikao_enrollment.payment_gate import PaymentGate
from zikao_enrollment.store import Store
from zikao_enrollment.till import Till

log = structlog.get_logger()


class Withdrawals:
    """Nothing is locked while the platform works; what was paid meanwhile is settled."""

    def __init__(self, db: Database, clock: Clock, gate: PaymentGate, till: Till) -> None:
        self._db = db
        self._clock = clock
        self._gate = gate
        self._till = till

    async def before_cancelling(self, order_id: UUID, candidate_id: UUID) -> bool:
        """Close an order that is being paid; whether the platform takes no money for it now.

        Raises DomainError NOT_FOUND, and OVERLOADED before anything is stored. When the platform
        does not answer the order is `closing`, and expiry goes on.
        """

        async def work(tx: Transaction) -> Order | None:
            now = self._clock.now()
            closing = await begin_cancelling(Store(tx), order_id, candidate_id, now)
            if closing is not None:
                self._gate.require_room(order_id)
            return closing

        closing = await self._db.run(work)
        return closing is not None and await self._close(closing)

    async def _close(self, order: Order) -> bool:
        try:
            for payment in await self._gate.close_order(order.order_id):
                await self._till.settle(payment)
        except DomainError as error:
            order_id = str(order.order_id)
            log.warning("cancelled order not closed yet", order_id=order_id, reason=error.reason)
            return False
        return True
