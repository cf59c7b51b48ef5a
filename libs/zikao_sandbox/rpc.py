"""The payment platform's two faces: the one a province's platform has, and the rehearsal's."""

# ruff: noqa: ARG002 - gRPC hands every method its context

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from zikao.payment.v1 import payment_platform_service_pb2 as pb
from zikao.payment.v1 import payment_platform_service_pb2_grpc as rpc
from zikao.sandbox.v1 import sandbox_service_pb2 as sandbox_pb
from zikao.sandbox.v1 import sandbox_service_pb2_grpc as sandbox_rpc
from zikao_kit.convert import time_from_pb, time_to_pb

from zikao_sandbox.moods import Moods
from zikao_sandbox.notifier import payment_to_pb
from zikao_sandbox.payment_store import CLOSED, OPEN, PAID, Behaviour, Payment
from zikao_sandbox.platform import PaymentPlatform
from zikao_sandbox.statement import Line, Statements, Totals

_STATE_TO_PB = {
    OPEN: pb.PAYMENT_ORDER_STATE_OPEN,
    PAID: pb.PAYMENT_ORDER_STATE_PAID,
    CLOSED: pb.PAYMENT_ORDER_STATE_CLOSED,
}


class PaymentPlatformRpc(rpc.PaymentPlatformServiceServicer):
    """What enrollment calls."""

    def __init__(self, platform: PaymentPlatform, statements: Statements, moods: Moods) -> None:
        """Serve a platform."""
        self._moods = moods
        self._platform = platform
        self._statements = statements

    async def CreatePaymentOrder(
        self, request: pb.CreatePaymentOrderRequest, context: Any
    ) -> pb.CreatePaymentOrderResponse:
        """Open an order to pay."""
        pay_before = time_from_pb(request.pay_before)
        order = await self._moods.answer(
            lambda: self._platform.create_order(request.order_id, request.amount_fen, pay_before)
        )
        return pb.CreatePaymentOrderResponse(payment_code=order.payment_code)

    async def QueryPaymentOrder(
        self, request: pb.QueryPaymentOrderRequest, context: Any
    ) -> pb.QueryPaymentOrderResponse:
        """Tell what the platform knows of an order."""
        order, payments = await self._moods.answer(
            lambda: self._platform.query_order(request.order_id)
        )
        return pb.QueryPaymentOrderResponse(
            state=_STATE_TO_PB[order.state], payments=map(payment_to_pb, payments)
        )

    async def ClosePaymentOrder(
        self, request: pb.ClosePaymentOrderRequest, context: Any
    ) -> pb.ClosePaymentOrderResponse:
        """Close an order unless it is paid."""
        order, payments = await self._moods.answer(
            lambda: self._platform.close_order(request.order_id)
        )
        return pb.ClosePaymentOrderResponse(
            state=_STATE_TO_PB[order.state], payments=map(payment_to_pb, payments)
        )

    async def RefundPayment(
        self, request: pb.RefundPaymentRequest, context: Any
    ) -> pb.RefundPaymentResponse:
        """Give a payment back."""
        refunded_at = await self._moods.answer(
            lambda: self._platform.refund_payment(
                request.refund_id, request.payment_id, request.amount_fen
            )
        )
        return pb.RefundPaymentResponse(
            refunded_at=time_to_pb(refunded_at) if refunded_at else None
        )

    async def StreamStatement(
        self, request: pb.StreamStatementRequest, context: Any
    ) -> AsyncIterator[pb.StreamStatementResponse]:
        """Tell what a day brought and took."""
        for page in self._statements.pages(request.statement_date, request.after_line):
            if isinstance(page, Totals):
                yield pb.StreamStatementResponse(totals=pb.StatementTotals(**vars(page)))
            else:
                yield pb.StreamStatementResponse(lines=map(_line_to_pb, page))


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
            request.max_delay.ToTimedelta().total_seconds(),
            request.copies,
            request.reorder,
            request.answer_delay.ToTimedelta().total_seconds(),
            request.refused_percent,
            request.lost_answers_percent,
        )
        body = request.SerializeToString(deterministic=True)
        spoilt = self._platform.set_behaviour(request.request_id, body, behaviour)
        return sandbox_pb.SetBehaviourResponse(spoilt=spoilt)

    async def PlantPayment(
        self, request: sandbox_pb.PlantPaymentRequest, context: Any
    ) -> sandbox_pb.PlantPaymentResponse:
        """Take money that nobody is told of."""
        given = request.payment
        payment = Payment(
            given.payment_id, given.order_id, given.amount_fen, time_from_pb(given.paid_at)
        )
        body = request.SerializeToString(deterministic=True)
        self._platform.plant_payment(request.request_id, body, payment)
        return sandbox_pb.PlantPaymentResponse()

    async def FalsifyStatement(
        self, request: sandbox_pb.FalsifyStatementRequest, context: Any
    ) -> sandbox_pb.FalsifyStatementResponse:
        """Let statements say something else than is true."""
        body = request.SerializeToString(deterministic=True)
        self._platform.falsify_statement(
            request.request_id, body, request.subject_id, request.amount_fen
        )
        return sandbox_pb.FalsifyStatementResponse()


def _line_to_pb(line: Line) -> pb.StatementLine:
    if not line.refund_id:
        payment = Payment(line.payment_id, line.order_id, line.amount_fen, line.moved_at)
        return pb.StatementLine(
            line=line.number, payment_code=line.payment_code, payment=payment_to_pb(payment)
        )
    refund = pb.RefundMade(
        refund_id=line.refund_id,
        payment_id=line.payment_id,
        order_id=line.order_id,
        amount_fen=line.amount_fen,
        refunded_at=time_to_pb(line.moved_at),
    )
    return pb.StatementLine(line=line.number, payment_code=line.payment_code, refund=refund)
