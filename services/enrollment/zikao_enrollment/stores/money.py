"""Payments and refunds: one method a named query of `money.sql`."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from zikao_kit.columns import columns
from zikao_kit.db import Transaction

from zikao_enrollment.domain.money import Payment, RefundOwed, Settled
from zikao_enrollment.domain.orders import Refund


class MoneyStore:
    """Bound to the running transaction."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def find_payments(self, payment_ids: Iterable[str]) -> dict[str, Payment]:
        """What was said before of those payments that are known, by id."""
        rows = await self._tx.fetch("find_payments", list(payment_ids))
        return {row["payment_id"]: Payment(**row) for row in rows}

    async def insert_payments(self, settled: Sequence[Settled], now: datetime) -> bool:
        """Store money that has come in, and owe back what was not applied to an order.

        False when word of one has come meanwhile: then what was stored must not stay.
        """
        rows = (
            (
                each.payment.payment_id,
                each.payment.payment_order_id,
                each.order_id,
                each.payment.amount_fen,
                each.payment.paid_at,
                "refund" if each.refund_id else "applied",
                each.flag,
            )
            for each in settled
        )
        if await self._tx.execute("insert_payments", *columns(rows, 7), now) < len(settled):
            return False
        owed = (
            (each.refund_id, each.payment.payment_id, each.payment.amount_fen)
            for each in settled
            if each.refund_id
        )
        await self._tx.execute("insert_refunds", *columns(owed, 3), now)
        return True

    async def list_refunds(self, order_ids: Iterable[UUID]) -> dict[UUID, list[Refund]]:
        """Money that goes back, by order."""
        refunds: defaultdict[UUID, list[Refund]] = defaultdict(list)
        for row in await self._tx.fetch("list_refunds", list(order_ids)):
            refund = Refund(row["refund_id"], row["amount_fen"], row["refunded_at"], row["refusal"])
            refunds[row["order_id"]].append(refund)
        return dict(refunds)

    async def lease_refunds(
        self, first_pause: timedelta, longest_pause: timedelta, limit: int
    ) -> list[RefundOwed]:
        """Refunds to ask the platform for now; nobody else gets them until the next attempt.

        The pause after each attempt doubles. By the database's clock.
        """
        rows = await self._tx.fetch("lease_refunds", first_pause, longest_pause, limit)
        return [RefundOwed(**row) for row in rows]

    async def finish_refund(self, refund_id: UUID, refunded_at: datetime) -> None:
        """The platform has confirmed that the money went back."""
        await self._tx.execute("finish_refund", refund_id, refunded_at)

    async def refuse_refund(self, refund_id: UUID, reason: str) -> None:
        """The platform has said no; it is asked again all the same."""
        await self._tx.execute("refuse_refund", refund_id, reason)
