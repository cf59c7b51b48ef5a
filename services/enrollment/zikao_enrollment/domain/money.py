"""What becomes of a payment: every fen is a confirmed enrollment or a refund (DOMAIN section 4)."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from zikao_kit.errors import DomainError

from zikao_enrollment.domain.order_states import TRANSITIONS, OrderAction, OrderState
from zikao_enrollment.domain.orders import Order
from zikao_enrollment.domain.refunds import Refund, RefundState

PAYMENT_CONTRADICTS = "PAYMENT_CONTRADICTS"
# Who acts when word of money comes.
PLATFORM = "payment-platform"


@dataclass(frozen=True)
class PaymentOrder:
    """One attempt to pay an order: the order at the platform, under this id.

    `payment_code` is None until the platform has answered.
    """

    payment_order_id: UUID
    order_id: UUID
    amount_fen: int
    payment_code: str | None = None


class PaymentQuery(NamedTuple):
    """What the platform is asked about; `needless`: it is open for an order that needs no money."""

    payment_order_id: UUID
    order_id: UUID
    needless: bool


@dataclass(frozen=True)
class Payment:
    """Money that the platform has taken for a payment order; the id is the platform's."""

    payment_id: str
    payment_order_id: UUID
    amount_fen: int
    paid_at: datetime

    def require_same(self, known: "Payment") -> None:
        """Word of a payment says what it has said before.

        Raises DomainError PAYMENT_CONTRADICTS for another order or amount.
        """
        ours = self.payment_order_id, self.amount_fen
        if ours != (known.payment_order_id, known.amount_fen):
            raise DomainError(PAYMENT_CONTRADICTS, payment_id=self.payment_id)


class RefundOwed(NamedTuple):
    """A payment to give back: leased until then, by the database's clock."""

    refund_id: UUID
    payment_id: str
    amount_fen: int
    leased_until: datetime


class Settled(NamedTuple):
    """A payment with what has become of it: applied to its order, or owed back as `refund_id`."""

    payment: Payment
    order_id: UUID | None
    flag: "Flag | None"
    refund_id: UUID | None


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


class Flag(StrEnum):
    """What is wrong with a payment."""

    UNKNOWN_ORDER = "unknown_order"
    AMOUNT_DIFFERS = "amount_differs"
    # Its order had been paid already.
    SECOND_PAYMENT = "second_payment"
    # Its order had been released.
    LATE = "late"


def flag_of(order: Order | None, amount_fen: int) -> Flag | None:
    """What is wrong with `amount_fen` for an order as it is when they come; None when all is well.

    Whatever goes back has one.
    """
    if order is None:
        return Flag.UNKNOWN_ORDER
    if amount_fen != order.fee_fen:
        return Flag.AMOUNT_DIFFERS
    return {OrderState.CONFIRMED: Flag.SECOND_PAYMENT, OrderState.RELEASED: Flag.LATE}.get(
        order.state
    )


class PaymentOutcome(StrEnum):
    """What became of a payment here."""

    APPLIED = "applied"
    REFUND_PENDING = "refund_pending"
    REFUNDED = "refunded"
    REFUND_REFUSED = "refund_refused"


REFUND_OUTCOMES = {
    RefundState.REQUESTED: PaymentOutcome.REFUND_PENDING,
    RefundState.REFUNDED: PaymentOutcome.REFUNDED,
    RefundState.REFUSED: PaymentOutcome.REFUND_REFUSED,
}


class OddPayment(NamedTuple):
    """A payment with which something is wrong.

    The order and whose it is are None, session and county empty when none is known for it. One that
    goes back has a refund, owed since `refund_requested_at`.
    """

    payment_id: str
    payment_order_id: UUID
    order_id: UUID | None
    candidate_id: UUID | None
    session_code: str
    county_code: str
    amount_fen: int
    paid_at: datetime
    received_at: datetime
    flag: Flag
    refund: Refund | None
    refund_requested_at: datetime | None

    @property
    def outcome(self) -> PaymentOutcome:
        """What became of it."""
        return REFUND_OUTCOMES[self.refund.state] if self.refund else PaymentOutcome.APPLIED


class OddPaymentFilter(NamedTuple):
    """Which odd payments; None excludes nothing."""

    session_code: str | None = None
    flag: Flag | None = None
    outcome: PaymentOutcome | None = None
