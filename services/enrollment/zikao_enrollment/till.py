"""Takes word of payments, from the platform's notifications and from what it says when closing."""

from uuid import uuid4

from zikao_kit.clock import Clock
from zikao_kit.db import Database, Transaction

from zikao_enrollment.boards import Boards
from zikao_enrollment.commands.settle_payment import settle_payment
from zikao_enrollment.domain.money import Payment
from zikao_enrollment.store import Store


class Till:
    """Settles each payment in a transaction of its own; the same word twice does nothing."""

    def __init__(self, db: Database, clock: Clock, boards: Boards) -> None:
        self._db = db
        self._clock = clock
        self._boards = boards

    async def settle(self, payment: Payment) -> None:
        """Return once it is stored for good; raises UNAVAILABLE when that is not sure."""
        refund_id = uuid4()

        async def work(tx: Transaction) -> None:
            sessions = self._boards.current.sessions
            await settle_payment(Store(tx), sessions, payment, refund_id, self._clock.now())

        await self._db.run(work)
