"""A province's payment platform that answers as a test says: slowly, or against its contract."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
from support.certificates import server_credentials
from support.enrollment_service import Installation
from support.service import until
from zikao.payment.v1 import payment_platform_service_pb2 as pb
from zikao.payment.v1 import payment_platform_service_pb2_grpc as pb_grpc


class OddPlatform(pb_grpc.PaymentPlatformServiceServicer):
    """What it is asked, and what it answers."""

    def __init__(self) -> None:
        """It answers at once and has no order."""
        self.answers_now = asyncio.Event()
        self.answers_now.set()
        self.code = "12345678901234567890"
        self.closed: dict[str, pb.ClosePaymentOrderResponse] = {}
        self.refunded = pb.RefundPaymentResponse()
        self.statement: list[pb.StreamStatementResponse] = []
        self.breaks_off = False
        self.asked: list[str] = []
        self.at_work = 0

    async def CreatePaymentOrder(
        self, request: pb.CreatePaymentOrderRequest, context: Any
    ) -> pb.CreatePaymentOrderResponse:
        """Answer with the code, when it may."""
        self.asked.append(request.order_id)
        self.at_work += 1
        await self.answers_now.wait()
        self.at_work -= 1
        return pb.CreatePaymentOrderResponse(payment_code=self.code)

    async def QueryPaymentOrder(
        self, request: pb.QueryPaymentOrderRequest, context: Any
    ) -> pb.QueryPaymentOrderResponse:
        """Answer that it is open."""
        return pb.QueryPaymentOrderResponse(state=pb.PAYMENT_ORDER_STATE_OPEN)

    async def ClosePaymentOrder(
        self, request: pb.ClosePaymentOrderRequest, context: Any
    ) -> pb.ClosePaymentOrderResponse:
        """Answer as the test has said, else that it is closed."""
        self.asked.append(request.order_id)
        closed = pb.ClosePaymentOrderResponse(state=pb.PAYMENT_ORDER_STATE_CLOSED)
        return self.closed.get(request.order_id, closed)

    async def RefundPayment(
        self, request: pb.RefundPaymentRequest, context: Any
    ) -> pb.RefundPaymentResponse:
        """Answer as the test has said, else that it is under way."""
        self.asked.append(request.payment_id)
        return self.refunded

    async def StreamStatement(
        self, request: pb.StreamStatementRequest, context: Any
    ) -> AsyncIterator[pb.StreamStatementResponse]:
        """Answer as the test has said, else that there is none."""
        self.asked.append(f"{request.statement_date} behind {request.after_line}")
        if not self.statement:
            await context.abort(grpc.StatusCode.NOT_FOUND, "no statement")
        for page in self.statement:
            yield page
        if self.breaks_off:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "broken off")

    async def until_asked(self, *ids: str) -> None:
        """Wait until it has been asked about all of these."""
        await until(lambda: set(ids) <= set(self.asked))


@asynccontextmanager
async def odd_platform(running: Installation) -> AsyncIterator[OddPlatform]:
    """It takes the place of the sandbox's."""
    await running.platform.stop()
    platform, server = OddPlatform(), grpc.aio.server()
    pb_grpc.add_PaymentPlatformServiceServicer_to_server(platform, server)
    files = running.ca.issue("payment-platform")
    server.add_secure_port(f"127.0.0.1:{running.platform_port}", server_credentials(files))
    await server.start()
    try:
        yield platform
    finally:
        platform.answers_now.set()
        await server.stop(None)
