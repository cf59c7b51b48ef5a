"""Sends word of payments to enrollment, again and again until it is answered."""

from __future__ import annotations

import asyncio
import time

import grpc
import structlog
from zikao.payment.v1 import payment_platform_service_pb2 as pb
from zikao.payment.v1 import payment_platform_service_pb2_grpc as rpc
from zikao_kit.convert import time_to_pb

from zikao_sandbox.payment_store import Notification, Payment, PaymentStore

POLL_SECONDS = 0.05
BATCH = 32
ANSWER_TIMEOUT_SECONDS = 5.0
FIRST_REPEAT_SECONDS = 0.5
MAX_REPEAT_SECONDS = 10.0

log = structlog.get_logger()


class Notifier:
    """Delivers what the store says is owed."""

    def __init__(self, store: PaymentStore, channel: grpc.aio.Channel) -> None:
        """`channel` leads to enrollment."""
        self._store = store
        self._stub = rpc.PaymentNotificationServiceStub(channel)

    async def work(self) -> bool:
        """Send one batch of what is due; whether there was any."""
        behaviour = self._store.behaviour()
        if behaviour.is_down:
            return False
        due = self._store.due_notifications(time.time(), BATCH, reorder=behaviour.reorder)
        await asyncio.gather(*(self._deliver(notification) for notification in due))
        return bool(due)

    async def _deliver(self, notification: Notification) -> None:
        request = pb.NotifyPaymentRequest(payment=payment_to_pb(notification.payment))
        try:
            await self._stub.NotifyPayment(request, timeout=ANSWER_TIMEOUT_SECONDS)
        except grpc.aio.AioRpcError as error:
            wait = min(FIRST_REPEAT_SECONDS * 2**notification.attempts, MAX_REPEAT_SECONDS)
            self._store.postpone_notification(notification.number, time.time() + wait)
            log.warning(
                "notification not answered",
                payment_id=notification.payment.payment_id,
                attempts=notification.attempts + 1,
                code=error.code().name,
            )
        else:
            self._store.delete_notification(notification.number)


def payment_to_pb(payment: Payment) -> pb.Payment:
    """As it goes over the wire."""
    return pb.Payment(
        payment_id=payment.payment_id,
        order_id=payment.order_id,
        amount_fen=payment.amount_fen,
        paid_at=time_to_pb(payment.paid_at),
    )
