"""What becomes of a payment: every fen is a confirmed enrollment or a refund (DOMAIN section 4)."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from zikao_enrollment.domain.order_states import TRANSITIONS, OrderAction, OrderState


@dataclass(frozen=True)
class Payment:
    """Money that the platform has taken for an order; the id is the platform's."""

    payment_id: str
    order_id: UUID
    amount_fen: int
    paid_at: datetime


class RefundOwed(NamedTuple):
    """A payment to give back."""

    refund_id: UUID
    payment_id: str
    amount_fen: int


class Disposition(StrEnum):
    """What to do with a payment that has arrived."""

    # It pays the order, whose seats are still held.
    APPLY = "apply"
    # The seats went back: take them again if they are free, else refund.
    RECLAIM = "reclaim"
    # Back to the payer: a second payment, or not the fee.
    REFUND = "refund"


def disposition(state: OrderState, fee_fen: int, amount_fen: int) -> Disposition:
    """What to do with `amount_fen` for an order of `fee_fen` in `state`."""
    if amount_fen != fee_fen:
        return Disposition.REFUND
    if (state, OrderAction.PAY) in TRANSITIONS:
        return Disposition.APPLY
    if (state, OrderAction.RECLAIM) in TRANSITIONS:
        return Disposition.RECLAIM
    return Disposition.REFUND
