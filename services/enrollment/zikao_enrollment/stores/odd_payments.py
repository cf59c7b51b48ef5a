"""Payments with which something is wrong: one method a named query of `odd_payments.sql`."""

from datetime import datetime

from zikao_kit.db import Record, Transaction

from zikao_enrollment.domain.differences import Area
from zikao_enrollment.domain.money import REFUND_OUTCOMES, Flag, OddPayment, OddPaymentFilter
from zikao_enrollment.domain.refunds import Refund, RefundState

_STATES = {outcome: state for state, outcome in REFUND_OUTCOMES.items()}


class OddPaymentStore:
    """Bound to the running transaction."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def list_page(
        self,
        area: Area,
        wanted: OddPaymentFilter,
        before: tuple[datetime, str] | None,
        limit: int,
    ) -> list[OddPayment]:
        """Odd payments of an area, the last that came first, behind `before` (received_at, id)."""
        outcome = wanted.outcome
        rows = await self._tx.fetch(
            "list_odd_payments",
            area.prefix,
            area.has_countyless,
            wanted.session_code,
            wanted.flag,
            _STATES.get(outcome, outcome) if outcome else None,
            *(before or (None, None)),
            limit,
        )
        return [_odd_payment(row) for row in rows]

    async def count(self, received_after: datetime) -> dict[Flag, int]:
        """Odd payments of which word has come since, by what is wrong."""
        rows = await self._tx.fetch("count_odd_payments", received_after)
        return {Flag(row["flag"]): row["payments"] for row in rows}


def _odd_payment(row: Record) -> OddPayment:
    values = dict(row)
    refund_id, state = values.pop("refund_id"), values.pop("refund_state")
    refunded_at, refusal = values.pop("refunded_at"), values.pop("refusal")
    refund = (
        Refund(refund_id, row["amount_fen"], RefundState(state), refunded_at, refusal)
        if refund_id
        else None
    )
    flag, requested_at = Flag(values.pop("flag")), values.pop("requested_at")
    return OddPayment(**values, flag=flag, refund=refund, refund_requested_at=requested_at)
