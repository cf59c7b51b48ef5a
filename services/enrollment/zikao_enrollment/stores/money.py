"""Payments and refunds: one method a named query of `money.sql`."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from zikao_kit.columns import columns
from zikao_kit.db import Record, Transaction

from zikao_enrollment.domain.money import (
    PLATFORM,
    Payment,
    RefundOwed,
    Settled,
)
from zikao_enrollment.domain.refunds import (
    OwedRefunds,
    Refund,
    RefundAction,
    RefundEvent,
    RefundPlace,
    RefundState,
)


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
        owed = [
            (each.refund_id, each.payment.payment_id, each.payment.amount_fen)
            for each in settled
            if each.refund_id
        ]
        if owed:
            await self._tx.execute("insert_refunds", *columns(owed, 3), now)
            await self.insert_refund_events([_requested(refund_id) for refund_id, *_ in owed], now)
        return True

    async def list_refunds(self, order_ids: Iterable[UUID]) -> dict[UUID, list[Refund]]:
        """Money that goes back, by order."""
        refunds: defaultdict[UUID, list[Refund]] = defaultdict(list)
        for row in await self._tx.fetch("list_refunds", list(order_ids)):
            refunds[row["order_id"]].append(_refund(row))
        return dict(refunds)

    async def lock_refunds(self, refund_ids: Iterable[UUID]) -> list[Refund]:
        """Refunds that exist, locked in the order of ids until the transaction ends."""
        return [_refund(row) for row in await self._tx.fetch("lock_refunds", list(refund_ids))]

    async def update_refunds(self, refunds: Sequence[Refund]) -> None:
        """Store where locked refunds stand: the state follows from the rest."""
        rows = ((each.refund_id, each.refunded_at, each.refusal) for each in refunds)
        await self._tx.execute("update_refunds", *columns(rows, 3))

    async def insert_refund_events(self, events: Iterable[RefundEvent], now: datetime) -> None:
        """Add to the history of refunds."""
        await self._tx.execute("insert_refund_events", *columns(events, 6), now)

    async def lock_leased_refund(self, owed: RefundOwed) -> Refund | None:
        """The same of one that was leased; None when it was leased or requested anew since."""
        row = await self._tx.fetchrow("lock_leased_refund", owed.refund_id, owed.leased_until)
        return _refund(row) if row else None

    async def ask_for_refund_now(self, refund_id: UUID) -> None:
        """Ask the platform for a locked one as if for the first time; whoever has leased it has
        done so no more."""
        await self._tx.execute("ask_for_refund_now", refund_id)

    async def find_refund_place(self, refund_id: UUID) -> RefundPlace | None:
        """Where the order of a refund is; None for an unknown refund."""
        row = await self._tx.fetchrow("find_refund_place", refund_id)
        return RefundPlace(**row) if row else None

    async def count_owed_refunds(self, owed_since: datetime) -> OwedRefunds:
        """All that are owed, those that the platform has refused, and since then or longer."""
        row = await self._tx.fetchrow("count_owed_refunds", owed_since)
        assert row is not None
        return OwedRefunds(**row)

    async def lease_refunds(
        self,
        first_pause: timedelta,
        longest_pause: timedelta,
        longest_refused_pause: timedelta,
        limit: int,
    ) -> list[RefundOwed]:
        """Refunds to ask the platform for now; nobody else gets them until the next attempt.

        The pause after each attempt doubles, up to the one or the other longest. By the database's
        clock.
        """
        rows = await self._tx.fetch(
            "lease_refunds", first_pause, longest_pause, longest_refused_pause, limit
        )
        return [RefundOwed(**row) for row in rows]


def _requested(refund_id: UUID) -> RefundEvent:
    state, action = RefundState.REQUESTED, RefundAction.REQUEST
    return RefundEvent(refund_id, None, state, action, PLATFORM)


def _refund(row: Record) -> Refund:
    return Refund(
        row["refund_id"],
        row["amount_fen"],
        RefundState(row["state"]),
        row["refunded_at"],
        row["refusal"],
    )
