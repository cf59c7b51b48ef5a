"""Sends word of payments to enrollment, again and again until it is answered."""

from __future__ import annotations

import asyncio
import time

import grpc
import structlog
from google.protobuf.timestamp_pb2 import Timestamp
from zikao.payment.v1 import payment_platform_service_pb2 as pb
from zikao.payment.v1 import payment_platform_service_pb2_grpc as rpc

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

    async def run(self) -> None:
        """Deliver until cancelled."""
        while True:
            if not await self.deliver_due():
                await asyncio.sleep(POLL_SECONDS)

    async def deliver_due(self) -> int:
        """Send one batch of what is due; how many were tried."""
        due = self._store.due_notifications(
            time.time(), BATCH, reorder=self._store.behaviour().reorder
        )
        await asyncio.gather(*(self._deliver(notification) for notification in due))
        return len(due)

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
    paid_at = Timestamp()
    paid_at.FromDatetime(payment.paid_at)
    return pb.Payment(
        payment_id=payment.payment_id,
        order_id=payment.order_id,
        amount_fen=payment.amount_fen,
        paid_at=paid_at,
    )
