"""Where the payment platform sends word of payments."""

from __future__ import annotations

from typing import Any

from zikao.payment.v1 import payment_platform_service_pb2, payment_platform_service_pb2_grpc

from zikao_enrollment.converts.orders import payment_from_pb
from zikao_enrollment.parts import Parts


class NotificationRpc(payment_platform_service_pb2_grpc.PaymentNotificationServiceServicer):
    """Where the payment platform sends word of payments."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def NotifyPayment(
        self, request: payment_platform_service_pb2.NotifyPaymentRequest, context: Any
    ) -> payment_platform_service_pb2.NotifyPaymentResponse:
        """One payment was made; the answer means that it is stored for good."""
        await self._parts.till.settle(payment_from_pb(request.payment))
        return payment_platform_service_pb2.NotifyPaymentResponse()
