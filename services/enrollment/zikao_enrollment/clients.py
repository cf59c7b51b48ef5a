"""What enrollment asks of others: registration, and the fiscal payment platform.

Every call raises DomainError: the other side's own reason, or UNAVAILABLE when it does not
answer.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import grpc
from zikao.payment.v1 import payment_platform_service_pb2 as platform_pb2
from zikao.payment.v1 import payment_platform_service_pb2_grpc as platform_grpc
from zikao.registration.v1 import (
    account_service_pb2,
    account_service_pb2_grpc,
    candidate_feed_service_pb2,
    candidate_feed_service_pb2_grpc,
)
from zikao_kit.channel import answered
from zikao_kit.convert import time_from_pb, time_to_pb
from zikao_kit.errors import NOT_FOUND, DomainError

from zikao_enrollment.convert import candidate_from_pb, payment_from_pb
from zikao_enrollment.domain.money import Payment
from zikao_enrollment.domain.orders import Candidate, Order

REGISTRATION_TIMEOUT_SECONDS = 2.0
PLATFORM_TIMEOUT_SECONDS = 5.0


class Closed(NamedTuple):
    """An order after closing: paid all the same, or not payable any more; with its payments."""

    is_paid: bool
    payments: tuple[Payment, ...]


class RegistrationClient:
    """Registration over one channel."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._accounts = account_service_pb2_grpc.AccountServiceStub(channel)
        self._candidates = candidate_feed_service_pb2_grpc.CandidateFeedServiceStub(channel)

    async def signing_keys(self) -> Mapping[str, bytes]:
        """The public keys with which access tokens are verified, by id."""
        request = account_service_pb2.ListSigningKeysRequest()
        answer = await answered(self._accounts.ListSigningKeys(request))
        return {key.key_id: key.public_key for key in answer.keys}

    async def candidate(self, candidate_id: UUID) -> Candidate | None:
        """An approved candidate's state now; None for somebody who is not one."""
        request = candidate_feed_service_pb2.GetCandidateRequest(candidate_id=str(candidate_id))
        call = self._candidates.GetCandidate(request, timeout=REGISTRATION_TIMEOUT_SECONDS)
        try:
            return candidate_from_pb((await answered(call)).candidate)
        except DomainError as error:
            if error.reason == NOT_FOUND:
                return None
            raise


class PlatformClient:
    """The payment platform; all calls may be repeated."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = platform_grpc.PaymentPlatformServiceStub(channel)

    async def open_order(self, order: Order) -> str:
        """Open an order to be paid within its hold; return the payment code."""
        request = platform_pb2.CreatePaymentOrderRequest(
            order_id=str(order.order_id),
            amount_fen=order.fee_fen,
            pay_before=time_to_pb(order.held_until),
        )
        call = self._stub.CreatePaymentOrder(request, timeout=PLATFORM_TIMEOUT_SECONDS)
        answer: platform_pb2.CreatePaymentOrderResponse = await answered(call)
        return answer.payment_code

    async def close_order(self, order_id: UUID) -> Closed:
        """Close an order; one that the platform does not know cannot be paid either."""
        request = platform_pb2.ClosePaymentOrderRequest(order_id=str(order_id))
        call = self._stub.ClosePaymentOrder(request, timeout=PLATFORM_TIMEOUT_SECONDS)
        try:
            answer: platform_pb2.ClosePaymentOrderResponse = await answered(call)
        except DomainError as error:
            if error.reason == NOT_FOUND:
                return Closed(is_paid=False, payments=())
            raise
        is_paid = answer.state == platform_pb2.PAYMENT_ORDER_STATE_PAID
        return Closed(is_paid, tuple(payment_from_pb(payment) for payment in answer.payments))

    async def refund(self, refund_id: UUID, payment_id: str, amount_fen: int) -> datetime | None:
        """Ask for a payment to go back; when it went, None while the platform works on it."""
        request = platform_pb2.RefundPaymentRequest(
            refund_id=str(refund_id), payment_id=payment_id, amount_fen=amount_fen
        )
        call = self._stub.RefundPayment(request, timeout=PLATFORM_TIMEOUT_SECONDS)
        answer: platform_pb2.RefundPaymentResponse = await answered(call)
        return time_from_pb(answer.refunded_at) if answer.HasField("refunded_at") else None
