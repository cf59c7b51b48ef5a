"""A payment platform: serves what zikao asks of one, and tells zikao of payments.

    payment_platform.py serve --listen 127.0.0.1:7104 ledger.sqlite
    payment_platform.py pay ledger.sqlite CODE...

A province puts something like this in front of its own platform. `serve` keeps orders, payments and
refunds, and repeats its word of a payment until enrollment has answered; `pay` is what a bank does.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from datetime import UTC, date
from pathlib import Path
from typing import Any, NoReturn

import grpc
from connecting import certificate, client, clock, parser
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status
from payment_ledger import Ledger, NotThere, Other
from zikao.payment.v1 import payment_platform_service_pb2 as pb
from zikao.payment.v1 import payment_platform_service_pb2_grpc as rpc
from zikao_client import CallFailed, ZikaoClient, patiently
from zikao_client.clocks import Clock
from zikao_client.serving import CertificateWatch, peer_name, server_credentials_of

LINES_A_PAGE = 1000
POLL_SECONDS = 0.2
PAUSE_SECONDS = 5.0
GRACE_SECONDS = 5.0


class Platform(rpc.PaymentPlatformServiceServicer):
    """The contract's methods over the ledger: each may come twice, and answers the same."""

    def __init__(self, ledger: Ledger, now: Clock) -> None:
        self._ledger = ledger
        self._clock = now

    async def CreatePaymentOrder(self, request: Any, context: Any) -> pb.CreatePaymentOrderResponse:
        """Open an order; an id that is known gets the code that it has."""
        await of_enrollment(context)
        code = self._ledger.open_order(
            request.order_id, request.amount_fen, request.pay_before.ToDatetime(UTC)
        )
        return pb.CreatePaymentOrderResponse(payment_code=code)

    async def QueryPaymentOrder(self, request: Any, context: Any) -> pb.QueryPaymentOrderResponse:
        """How it stands, with all its payments."""
        await of_enrollment(context)
        state, payments = await self._order(request.order_id, context)
        return pb.QueryPaymentOrderResponse(state=state, payments=payments)

    async def ClosePaymentOrder(self, request: Any, context: Any) -> pb.ClosePaymentOrderResponse:
        """From now on nobody pays it; what is paid stays paid, and the answer has it."""
        await of_enrollment(context)
        self._ledger.close_order(request.order_id)
        state, payments = await self._order(request.order_id, context)
        return pb.ClosePaymentOrderResponse(state=state, payments=payments)

    async def RefundPayment(self, request: Any, context: Any) -> pb.RefundPaymentResponse:
        """Give money back, once for each refund id."""
        await of_enrollment(context)
        try:
            at = self._ledger.refund(
                request.refund_id, request.payment_id, request.amount_fen, self._clock.now()
            )
        except NotThere:
            await refuse(context, code_pb2.NOT_FOUND, "NOT_FOUND")
        except Other:
            await refuse(context, code_pb2.ALREADY_EXISTS, "REQUEST_ID_REUSED")
        answer = pb.RefundPaymentResponse()
        answer.refunded_at.FromDatetime(at)
        return answer

    async def StreamStatement(
        self, request: Any, context: Any
    ) -> AsyncIterator[pb.StreamStatementResponse]:
        """A day's lines in pages, and with the last what all lines add up to."""
        await of_enrollment(context)
        day = date.fromisoformat(request.statement_date)
        if self._ledger.today(self._clock.now()) <= day:
            await refuse(context, code_pb2.NOT_FOUND, "NOT_FOUND")  # the day has not ended
        lines = self._ledger.statement(day)
        rest = lines[request.after_line :]
        for at in range(0, len(rest), LINES_A_PAGE):
            yield pb.StreamStatementResponse(lines=rest[at : at + LINES_A_PAGE])
        came_in = [line.payment.amount_fen for line in lines if line.HasField("payment")]
        went_back = [line.refund.amount_fen for line in lines if line.HasField("refund")]
        yield pb.StreamStatementResponse(
            totals=pb.StatementTotals(
                payments=len(came_in),
                payments_fen=sum(came_in),
                refunds=len(went_back),
                refunds_fen=sum(went_back),
            )
        )

    async def _order(
        self, order_id: str, context: Any
    ) -> tuple[pb.PaymentOrderState.ValueType, list[pb.Payment]]:
        try:
            is_closed, payments = self._ledger.order(order_id)
        except NotThere:
            await refuse(context, code_pb2.NOT_FOUND, "NOT_FOUND")
        if payments:
            return pb.PAYMENT_ORDER_STATE_PAID, payments
        closed, still_open = pb.PAYMENT_ORDER_STATE_CLOSED, pb.PAYMENT_ORDER_STATE_OPEN
        return (closed if is_closed else still_open), payments


async def of_enrollment(context: Any) -> None:
    """Nobody else moves money: the name is in the certificate that TLS has verified."""
    if peer_name(context.auth_context()) != "enrollment":
        await refuse(context, code_pb2.PERMISSION_DENIED, "PERMISSION_DENIED")


async def refuse(context: Any, code: int, reason: str) -> NoReturn:
    """As every error of zikao's contracts is told: zikao decides by the reason."""
    status = status_pb2.Status(code=code, message=reason)
    status.details.add().Pack(error_details_pb2.ErrorInfo(reason=reason, domain="payment"))
    await context.abort_with_status(rpc_status.to_status(status))
    raise AssertionError("abort has raised")


async def tell_of_payments(ledger: Ledger, zikao: ZikaoClient) -> None:
    """Each until it is answered: only then it is stored for good."""
    while True:
        for payment in ledger.untold():
            try:
                await notify(zikao, payment)
            except CallFailed as failed:
                print(f"{payment.payment_id} is not answered: {failed}", flush=True)
                if failed.reason == "PAYMENT_CONTRADICTS":
                    ledger.told(payment.payment_id)  # repeating is no use: people must look
                await asyncio.sleep(PAUSE_SECONDS)
            else:
                ledger.told(payment.payment_id)
        await asyncio.sleep(POLL_SECONDS)


async def notify(zikao: ZikaoClient, payment: pb.Payment) -> None:
    """Again while the answer is "not now"."""
    request = pb.NotifyPaymentRequest(payment=payment)
    await patiently(lambda: zikao.payment_notifications.NotifyPayment(request))


async def serve(asked: argparse.Namespace) -> int:
    """Until SIGTERM; what is under way is finished."""
    ledger = Ledger(asked.ledger)
    server = grpc.aio.server()
    rpc.add_PaymentPlatformServiceServicer_to_server(Platform(ledger, clock(asked)), server)
    files = certificate(asked, "payment-platform")
    server.add_secure_port(asked.listen, server_credentials_of(CertificateWatch(files, "server")))
    await server.start()
    print(f"serving on {asked.listen}", flush=True)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with client(asked, "payment-platform") as zikao:
        teller = asyncio.create_task(tell_of_payments(ledger, zikao))
        await asyncio.wait(
            [teller, asyncio.create_task(stop.wait())], return_when="FIRST_COMPLETED"
        )
        teller.cancel()
        await server.stop(GRACE_SECONDS)
    return 0


def pay(asked: argparse.Namespace) -> int:
    """Pay orders by their codes."""
    ledger = Ledger(asked.ledger)
    for code in asked.codes:
        try:
            print(ledger.pay(code, clock(asked).now()))
        except NotThere:
            print(f"{code} is none, or may not be paid any more")
            return 1
    return 0


def main() -> int:
    """One of the two."""
    options = parser(__doc__ or "")
    commands = options.add_subparsers(dest="command", required=True)
    serving = commands.add_parser("serve")
    serving.add_argument("--listen", default="127.0.0.1:7104")
    serving.add_argument("ledger", type=Path)
    paying = commands.add_parser("pay")
    paying.add_argument("ledger", type=Path)
    paying.add_argument("codes", nargs="+")
    asked = options.parse_args()
    return pay(asked) if asked.command == "pay" else asyncio.run(serve(asked))


if __name__ == "__main__":
    sys.exit(main())
