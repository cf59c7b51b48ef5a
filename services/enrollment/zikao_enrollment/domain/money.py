"""What becomes of a payment: every fen is a confirmed enrollment or a refund (DOMAIN section 4)."""

from enum import StrEnum

from zikao_enrollment.domain.order_states import TRANSITIONS, OrderEvent, OrderState


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
    if (state, OrderEvent.PAY) in TRANSITIONS:
        return Disposition.APPLY
    if (state, OrderEvent.RECLAIM) in TRANSITIONS:
        return Disposition.RECLAIM
    return Disposition.REFUND
