"""Takes word of payments, from the platform's notifications and from what it says when closing."""

from uuid import uuid4

import structlog
from zikao_kit.clock import Clock
from zikao_kit.db import Database, Transaction
from zikao_kit.errors import DomainError

from zikao_enrollment.boards import Boards
from zikao_enrollment.commands.settle_payment import settle_payment
from zikao_enrollment.domain.money import PAYMENT_CONTRADICTS, Payment
from zikao_enrollment.store import Store

log = structlog.get_logger()


class Till:
    """Settles each payment in a transaction of its own; the same word twice does nothing."""

    def __init__(self, db: Database, clock: Clock, boards: Boards) -> None:
        self._db = db
        self._clock = clock
        self._boards = boards

    async def settle(self, payment: Payment) -> None:
        """Return once it is stored for good.

        Raises UNAVAILABLE when that is not sure, PAYMENT_CONTRADICTS for what people must clear up.
        """
        refund_id = uuid4()

        async def work(tx: Transaction) -> None:
            sessions = self._boards.current.sessions
            await settle_payment(Store(tx), sessions, payment, refund_id, self._clock.now())

        try:
            await self._db.run(work)
        except DomainError as error:
            if error.reason == PAYMENT_CONTRADICTS:
                log.exception(
                    "the platform contradicts what it said of a payment",
                    payment_id=payment.payment_id,
                    order_id=str(payment.order_id),
                    amount_fen=payment.amount_fen,
                )
            raise
