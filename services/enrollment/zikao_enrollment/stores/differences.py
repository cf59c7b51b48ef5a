"""Differences: one method a named query of `differences.sql`."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from uuid import UUID

from zikao_kit.db import Record, Transaction

from zikao_enrollment.domain.differences import (
    SYSTEM,
    Area,
    Difference,
    DifferenceFilter,
    DifferenceKind,
    DifferenceState,
    DueDifference,
    Resolution,
)
from zikao_enrollment.domain.money import REFUND_OUTCOMES, PaymentOutcome
from zikao_enrollment.domain.refunds import RefundState
from zikao_enrollment.domain.statements import Money


class DifferenceStore:
    """Bound to the running transaction."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def list_page(
        self, area: Area, wanted: DifferenceFilter, after: tuple[date, UUID] | None, limit: int
    ) -> list[Difference]:
        """Differences of an area, the latest day first, behind `after` (day and id)."""
        rows = await self._tx.fetch(
            "list_differences",
            area.prefix,
            area.has_countyless,
            *wanted,
            *(after or (None, None)),
            limit,
        )
        return [_difference(row) for row in rows]

    async def lock(self, difference_id: UUID) -> Difference | None:
        """The difference, locked until the transaction ends."""
        row = await self._tx.fetchrow("lock_difference", difference_id)
        return replace(_difference(row), is_to_settle=row["is_to_settle"]) if row else None

    async def update(self, difference: Difference) -> None:
        """Store what officers have decided."""
        await self._tx.execute(
            "update_difference",
            difference.difference_id,
            difference.state,
            difference.resolution,
            difference.reason,
            difference.decided_by,
            difference.decided_at,
            difference.confirmed_by,
            difference.confirmed_at,
        )

    async def lease(
        self, first_pause: timedelta, longest_pause: timedelta, limit: int
    ) -> list[DueDifference]:
        """Unresolved ones to look at now; nobody else gets them until the next attempt.

        The pause after each attempt doubles. By the database's clock.
        """
        rows = await self._tx.fetch("lease_differences", first_pause, longest_pause, limit)
        return [
            DueDifference(
                row["difference_id"],
                Money(row["money"]),
                DifferenceKind(row["kind"]),
                row["payment_id"],
                row["order_id"],
                row["there_fen"],
                row["moved_at"],
                row["is_of_file"],
            )
            for row in rows
        ]

    async def settle(self, difference_ids: Sequence[UUID], now: datetime) -> int:
        """Resolve those whose money is the same here and there by now; return how many."""
        return await self._tx.execute("settle_differences", difference_ids, SYSTEM, now)


def _difference(row: Record) -> Difference:
    return Difference(
        difference_id=row["difference_id"],
        statement_date=row["statement_date"],
        money=Money(row["money"]),
        subject_id=row["subject_id"],
        payment_id=row["payment_id"],
        order_id=row["order_id"],
        session_code=row["session_code"],
        county_code=row["county_code"],
        kind=DifferenceKind(row["kind"]),
        here_fen=row["here_fen"],
        there_fen=row["there_fen"],
        moved_at=row["moved_at"],
        found_at=row["found_at"],
        state=DifferenceState(row["state"]),
        resolution=Resolution(row["resolution"]) if row["resolution"] else None,
        reason=row["reason"],
        decided_by=row["decided_by"],
        decided_at=row["decided_at"],
        confirmed_by=row["confirmed_by"],
        confirmed_at=row["confirmed_at"],
        outcome=_outcome(row),
    )


def _outcome(row: Record) -> PaymentOutcome | None:
    if row["disposition"] is None:
        return None
    state = row["refund_state"]
    return REFUND_OUTCOMES[RefundState(state)] if state else PaymentOutcome.APPLIED
