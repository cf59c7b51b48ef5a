"""The payment platform's two faces: the one a province's platform has, and the rehearsal's."""

# ruff: noqa: ARG002 - gRPC hands every method its context

from __future__ import annotations

from typing import Any

from zikao.payment.v1 import payment_platform_service_pb2 as pb
from zikao.payment.v1 import payment_platform_service_pb2_grpc as rpc
from zikao.sandbox.v1 import sandbox_service_pb2 as sandbox_pb
from zikao.sandbox.v1 import sandbox_service_pb2_grpc as sandbox_rpc
from zikao_kit.convert import time_from_pb, time_to_pb

from zikao_sandbox.notifier import payment_to_pb
from zikao_sandbox.payment_store import CLOSED, OPEN, PAID, Behaviour
from zikao_sandbox.platform import PaymentPlatform

_STATE_TO_PB = {
    OPEN: pb.PAYMENT_ORDER_STATE_OPEN,
    PAID: pb.PAYMENT_ORDER_STATE_PAID,
    CLOSED: pb.PAYMENT_ORDER_STATE_CLOSED,
}


class PaymentPlatformRpc(rpc.PaymentPlatformServiceServicer):
    """What enrollment calls."""

    def __init__(self, platform: PaymentPlatform) -> None:
        """Serve a platform."""
        self._platform = platform

    async def CreatePaymentOrder(
        self, request: pb.CreatePaymentOrderRequest, context: Any
    ) -> pb.CreatePaymentOrderResponse:
        """Open an order to pay."""
        pay_before = time_from_pb(request.pay_before)
        order = self._platform.create_order(request.order_id, request.amount_fen, pay_before)
        return pb.CreatePaymentOrderResponse(payment_code=order.payment_code)

    async def QueryPaymentOrder(
        self, request: pb.QueryPaymentOrderRequest, context: Any
    ) -> pb.QueryPaymentOrderResponse:
        """Tell what the platform knows of an order."""
        order, payments = self._platform.query_order(request.order_id)
        return pb.QueryPaymentOrderResponse(
            state=_STATE_TO_PB[order.state], payments=map(payment_to_pb, payments)
        )

    async def ClosePaymentOrder(
        self, request: pb.ClosePaymentOrderRequest, context: Any
    ) -> pb.ClosePaymentOrderResponse:
        """Close an order unless it is paid."""
        order, payments = self._platform.close_order(request.order_id)
        return pb.ClosePaymentOrderResponse(
            state=_STATE_TO_PB[order.state], payments=map(payment_to_pb, payments)
        )

    async def RefundPayment(
        self, request: pb.RefundPaymentRequest, context: Any
    ) -> pb.RefundPaymentResponse:
        """Give a payment back."""
        refunded_at = self._platform.refund_payment(
            request.refund_id, request.payment_id, request.amount_fen
        )
        return pb.RefundPaymentResponse(
            refunded_at=time_to_pb(refunded_at) if refunded_at else None
        )


class SandboxRpc(sandbox_rpc.SandboxServiceServicer):
    """What a rehearsal calls."""

    def __init__(self, platform: PaymentPlatform) -> None:
        """Pull the strings of a platform."""
        self._platform = platform

    async def PayOrder(
        self, request: sandbox_pb.PayOrderRequest, context: Any
    ) -> sandbox_pb.PayOrderResponse:
        """Pay as a candidate does."""
        payment = self._platform.pay_order(
            request.request_id,
            request.SerializeToString(deterministic=True),
            request.payment_code,
            request.amount_fen,
            after_close=request.after_close,
        )
        return sandbox_pb.PayOrderResponse(payment=payment_to_pb(payment))

    async def SetBehaviour(
        self, request: sandbox_pb.SetBehaviourRequest, context: Any
    ) -> sandbox_pb.SetBehaviourResponse:
        """Change how notifications go out."""
        behaviour = Behaviour(
            request.max_delay.ToTimedelta().total_seconds(), request.copies, request.reorder
        )
        body = request.SerializeToString(deterministic=True)
        self._platform.set_behaviour(request.request_id, body, behaviour)
        return sandbox_pb.SetBehaviourResponse()
