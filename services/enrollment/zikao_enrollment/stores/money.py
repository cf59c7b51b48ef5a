"""Payments and refunds: one method a named query of `money.sql`."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

from zikao_kit.db import Transaction

from zikao_enrollment.domain.money import Flag, Payment, RefundOwed
from zikao_enrollment.domain.orders import Refund


class MoneyStore:
    """Bound to the running transaction."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def find_payment(self, payment_id: str) -> Payment | None:
        """What was said of this payment before."""
        row = await self._tx.fetchrow("find_payment", payment_id)
        return Payment(**row) if row else None

    async def insert_payment(
        self, payment: Payment, *, applied: bool, flag: Flag | None, now: datetime
    ) -> bool:
        """Store money that has come in, applied to its order or to be refunded.

        `flag` is what is wrong with it. False when word of it has come meanwhile: then nothing
        was stored.
        """
        inserted = await self._tx.execute(
            "insert_payment",
            payment.payment_id,
            payment.order_id,
            payment.amount_fen,
            payment.paid_at,
            now,
            "applied" if applied else "refund",
            flag,
        )
        return bool(inserted)

    async def insert_refund(self, refund_id: UUID, payment: Payment, now: datetime) -> None:
        """Owe a payment back."""
        await self._tx.execute(
            "insert_refund", refund_id, payment.payment_id, payment.amount_fen, now
        )

    async def list_refunds(self, order_ids: Iterable[UUID]) -> dict[UUID, list[Refund]]:
        """Money that goes back, by order."""
        refunds: defaultdict[UUID, list[Refund]] = defaultdict(list)
        for row in await self._tx.fetch("list_refunds", list(order_ids)):
            refund = Refund(row["refund_id"], row["amount_fen"], row["refunded_at"])
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
