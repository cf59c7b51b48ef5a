"""Closes the payment of an order at the platform before the order is changed or given up."""

from uuid import UUID

import structlog
from zikao_kit.clock import Clock
from zikao_kit.db import Database, Transaction
from zikao_kit.errors import DomainError

from zikao_enrollment.commands.withdraw_order import (
    begin_cancelling,
    begin_withdrawing,
    finish_withdrawing,
)
from zikao_enrollment.domain.choices import Choice
from zikao_enrollment.domain.money import PaymentOrder
from zikao_enrollment.domain.wishes import require_choice
from zikao_enrollment.money.payment_gate import PaymentGate
from zikao_enrollment.money.till import Till
from zikao_enrollment.store import Store
from zikao_enrollment.views.boards import Boards

log = structlog.get_logger()


class Withdrawals:
    """Nothing is locked while the platform works; what was paid meanwhile is settled."""

    def __init__(
        self, db: Database, clock: Clock, boards: Boards, gate: PaymentGate, till: Till
    ) -> None:
        self._db = db
        self._clock = clock
        self._boards = boards
        self._gate = gate
        self._till = till

    async def before_changing(self, order_id: UUID, candidate_id: UUID, choice: Choice) -> None:
        """Close the open payment of an order, which is `held` then unless it was paid meanwhile.

        Raises DomainError NOT_FOUND; why the choice cannot be had whatever is free, before a
        payment is closed for nothing; OVERLOADED, and UNAVAILABLE when the platform does not
        answer: the order is as it was then.
        """

        async def begin(tx: Transaction) -> PaymentOrder | None:
            store, now = Store(tx), self._clock.now()
            order, opened = await begin_withdrawing(store, order_id, candidate_id, now)
            if opened is not None:
                order.require_hold(now)
                session = await self._boards.session_of_orders(order.session_code)
                candidate = await store.candidates.find(candidate_id)
                require_choice(session, candidate, choice, now)
                self._gate.require_room(order_id)
            return opened

        opened = await self._db.run(begin)
        if opened is not None:
            await self._close(opened)
            now = self._clock.now()
            await self._db.run(lambda tx: finish_withdrawing(Store(tx), opened, now))

    async def before_cancelling(self, order_id: UUID, candidate_id: UUID) -> bool:
        """Close an order that is being paid; whether the platform takes no money for it now.

        Raises DomainError NOT_FOUND, and OVERLOADED before anything is stored. When the platform
        does not answer the order is `closing`, and expiry goes on.
        """

        async def begin(tx: Transaction) -> tuple[bool, PaymentOrder | None]:
            now = self._clock.now()
            closing, opened = await begin_cancelling(Store(tx), order_id, candidate_id, now)
            if opened is not None:
                self._gate.require_room(order_id)
            return closing, opened

        closing, opened = await self._db.run(begin)
        if opened is None:
            return closing
        try:
            await self._close(opened)
        except DomainError as error:
            reason = error.reason
            log.warning("cancelled order not closed yet", order_id=str(order_id), reason=reason)
            return False
        return True

    async def _close(self, opened: PaymentOrder) -> None:
        for payment in await self._gate.close_order(opened):
            await self._till.settle(payment)
