"""Attempts to pay an order, each an order at the platform: one method a named query."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

from zikao_kit.db import Transaction

from zikao_enrollment.domain.money import PaymentOrder, PaymentQuery


class PaymentOrderStore:
    """Bound to the running transaction."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def open(
        self, payment_order: PaymentOrder, now: datetime, first_query: timedelta
    ) -> None:
        """Store a new one of a locked order; the platform is asked about it after `first_query`."""
        await self._tx.execute(
            "open_payment_order",
            payment_order.payment_order_id,
            payment_order.order_id,
            payment_order.amount_fen,
            now,
            first_query,
        )

    async def list_open(self, order_ids: Iterable[UUID]) -> dict[UUID, PaymentOrder]:
        """The open one of each order that has one, by order."""
        rows = await self._tx.fetch("list_open_payment_orders", list(order_ids))
        return {row["order_id"]: PaymentOrder(**row) for row in rows}

    async def count_of(self, session_code: str, candidate_id: UUID) -> int:
        """How many a candidate ever had in a session."""
        row = await self._tx.fetchrow("count_payment_orders", session_code, candidate_id)
        assert row is not None
        return int(row["attempts"])

    async def orders_of(self, payment_order_ids: Iterable[UUID]) -> dict[UUID, UUID]:
        """The orders that they pay, by payment order; unknown ones are left out."""
        rows = await self._tx.fetch("list_orders_to_pay", list(payment_order_ids))
        return {row["payment_order_id"]: row["order_id"] for row in rows}

    async def save_code(self, payment_order_id: UUID, payment_code: str) -> bool:
        """Store the platform's code; False when it has been closed meanwhile."""
        return bool(await self._tx.execute("save_payment_code", payment_order_id, payment_code))

    async def hasten_query(self, payment_order_id: UUID, pause: timedelta) -> None:
        """Let the platform be asked about one after `pause` at the latest."""
        await self._tx.execute("hasten_payment_query", payment_order_id, pause)

    async def close(self, payment_order_ids: Iterable[UUID]) -> None:
        """They are not to be paid any more; their orders are locked."""
        await self._tx.execute("close_payment_orders", list(payment_order_ids))

    async def close_of(self, order_ids: Iterable[UUID]) -> None:
        """Those of locked orders are not to be paid any more."""
        await self._tx.execute("close_payment_orders_of", list(order_ids))

    async def ask_now_about(self, order_ids: Iterable[UUID]) -> None:
        """Let the platform be asked at once about what is open still of locked, paid orders."""
        await self._tx.execute("ask_now_about_payment_orders_of", list(order_ids))

    async def lease_queries(
        self, pause: timedelta, times: int, times_of_paid: int, limit: int
    ) -> list[PaymentQuery]:
        """Those to ask the platform about now; nobody else gets them until the next time.

        The pauses begin with `pause` and double; a closed one is asked about so many `times`, or
        `times_of_paid` when its payment has confirmed the order. By the database's clock.
        """
        rows = await self._tx.fetch("lease_payment_queries", pause, times, limit, times_of_paid)
        return [PaymentQuery(**row) for row in rows]
