"""Payments with which something is wrong, as messages."""

from zikao.enrollment.v1 import odd_payment_service_pb2 as pb
from zikao.enrollment.v1.reconciliation_service_pb2 import PaymentOutcome as OutcomePb
from zikao_kit.convert import enum_from_pb, enum_to_pb, optional, time_to_pb

from zikao_enrollment.converts.orders import refund_to_pb
from zikao_enrollment.domain.money import Flag, OddPayment, OddPaymentFilter, PaymentOutcome

_FLAG = "PAYMENT_FLAG_"
_OUTCOME = "PAYMENT_OUTCOME_"


def odd_payment_filter_from_pb(message: pb.OddPaymentFilter) -> OddPaymentFilter:
    """Which odd payments."""
    flag = enum_from_pb(pb.PaymentFlag, _FLAG, message.flag) if message.flag else None
    outcome = enum_from_pb(OutcomePb, _OUTCOME, message.outcome) if message.outcome else None
    return OddPaymentFilter(
        message.session_code or None, optional(flag, Flag), optional(outcome, PaymentOutcome)
    )


def odd_payment_to_pb(payment: OddPayment) -> pb.OddPayment:
    """A payment with which something is wrong."""
    refund = payment.refund
    return pb.OddPayment(
        payment_id=payment.payment_id,
        payment_order_id=str(payment.payment_order_id),
        order_id=str(payment.order_id or ""),
        candidate_id=str(payment.candidate_id or ""),
        session_code=payment.session_code,
        county_code=payment.county_code,
        amount_fen=payment.amount_fen,
        paid_at=time_to_pb(payment.paid_at),
        received_at=time_to_pb(payment.received_at),
        flag=enum_to_pb(pb.PaymentFlag, _FLAG, payment.flag),
        outcome=enum_to_pb(OutcomePb, _OUTCOME, payment.outcome),
        refund=optional(refund, refund_to_pb),
        refund_requested_at=optional(payment.refund_requested_at, time_to_pb),
        refunded_at=optional(refund.refunded_at, time_to_pb) if refund else None,
        refusal=(refund.refusal or "") if refund else "",
    )
