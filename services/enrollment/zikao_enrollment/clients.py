"""What enrollment asks of others: registration, and the fiscal payment platform.

Every call raises DomainError: the other side's own reason, or UNAVAILABLE when it does not
answer. What the platform answers against its contract is logged, and no answer either.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from datetime import date, datetime
from typing import NamedTuple, TypeVar
from uuid import UUID

import grpc
import structlog
from google.protobuf.message import Message
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
from zikao_kit.error_table import problem_of
from zikao_kit.errors import NOT_FOUND, UNAVAILABLE, DomainError
from zikao_kit.revoked_logins import RevokedPage
from zikao_kit.validation import problems_in

from zikao_enrollment.converts.orders import candidate_from_pb, payment_from_pb
from zikao_enrollment.converts.statements import line_from_pb, totals_from_pb
from zikao_enrollment.domain.money import Payment, PaymentOrder
from zikao_enrollment.domain.orders import Candidate
from zikao_enrollment.domain.statements import StatementLine, Totals

REGISTRATION_TIMEOUT_SECONDS = 2.0
PLATFORM_TIMEOUT_SECONDS = 5.0
# Servers end longer streams; the statement then goes on with another.
STATEMENT_TIMEOUT_SECONDS = 14 * 60.0

log = structlog.get_logger()
M = TypeVar("M", bound=Message)
T = TypeVar("T")


class AtPlatform(NamedTuple):
    """What the platform knows of a payment order; `is_closed`: it takes no money for it."""

    is_closed: bool
    payments: Sequence[Payment]


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

    async def revoked_logins(self, cursor: str) -> RevokedPage:
        """Logins whose access tokens are refused, after a cursor."""
        request = account_service_pb2.ListRevokedLoginsRequest(cursor=cursor)
        answer = await answered(self._accounts.ListRevokedLogins(request))
        ends_at = {each.login_id: time_from_pb(each.ends_at) for each in answer.logins}
        return RevokedPage(ends_at, answer.cursor, answer.more)

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


class StatementBroken(Exception):  # noqa: N818 - says what happened
    """What the platform states cannot be; the text says why, in Chinese."""


class PlatformClient:
    """The payment platform; all calls may be repeated."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = platform_grpc.PaymentPlatformServiceStub(channel)

    async def open_order(self, opened: PaymentOrder, pay_before: datetime) -> str:
        """Open a payment order to be paid before then; return the payment code."""
        request = platform_pb2.CreatePaymentOrderRequest(
            order_id=str(opened.payment_order_id),
            amount_fen=opened.amount_fen,
            pay_before=time_to_pb(pay_before),
        )
        call = self._stub.CreatePaymentOrder(request, timeout=PLATFORM_TIMEOUT_SECONDS)
        return await _read(call, _code)

    async def query_order(self, payment_order_id: UUID) -> AtPlatform:
        """What the platform knows of a payment order; nothing is paid of one it does not know."""
        request = platform_pb2.QueryPaymentOrderRequest(order_id=str(payment_order_id))
        call = self._stub.QueryPaymentOrder(request, timeout=PLATFORM_TIMEOUT_SECONDS)
        try:
            return await _read(call, lambda answer: _known_of(payment_order_id, answer))
        except DomainError as error:
            if error.reason == NOT_FOUND:
                return AtPlatform(is_closed=False, payments=())
            raise

    async def close_order(self, payment_order_id: UUID) -> Sequence[Payment]:
        """Close one and return its payments; an unknown one cannot be paid either."""
        request = platform_pb2.ClosePaymentOrderRequest(order_id=str(payment_order_id))
        call = self._stub.ClosePaymentOrder(request, timeout=PLATFORM_TIMEOUT_SECONDS)
        try:
            return await _read(call, lambda answer: _payments_of(payment_order_id, answer))
        except DomainError as error:
            if error.reason == NOT_FOUND:
                return ()
            raise

    async def refund(self, refund_id: UUID, payment_id: str, amount_fen: int) -> datetime | None:
        """Ask for a payment to go back; when it went, None while the platform works on it."""
        request = platform_pb2.RefundPaymentRequest(
            refund_id=str(refund_id), payment_id=payment_id, amount_fen=amount_fen
        )
        call = self._stub.RefundPayment(request, timeout=PLATFORM_TIMEOUT_SECONDS)
        return await _read(call, _refunded_at)

    async def statement(
        self, day: date, after_line: int
    ) -> AsyncGenerator[Sequence[StatementLine] | Totals, None]:
        """The lines of a day's statement behind one, in pages, then what all of them add up to.

        Raises DomainError NOT_FOUND while there is none, StatementBroken.
        """
        request = platform_pb2.StreamStatementRequest(
            statement_date=day.isoformat(), after_line=after_line
        )
        call = self._stub.StreamStatement(request, timeout=STATEMENT_TIMEOUT_SECONDS)
        totals = None
        try:
            async for page in call:
                if totals is not None:
                    raise StatementBroken("合计之后仍有内容")
                lines = _lines_of(page, after_line)
                if lines:
                    yield lines
                    after_line = lines[-1].line
                totals = totals_from_pb(page.totals) if page.HasField("totals") else None
        except grpc.aio.AioRpcError as error:
            raise problem_of(error) from error
        finally:
            call.cancel()
        if totals is None:
            raise StatementBroken("缺少合计")
        yield totals


async def _read(call: Awaitable[M], read: Callable[[M], T]) -> T:
    """What `read` finds in the answer; it raises ValueError for what cannot be."""
    answer = await answered(call)
    problems = [f"{each.field}: {each.description}" for each in problems_in(answer)]
    if not problems:
        try:
            return read(answer)
        except ValueError as error:
            problems = [str(error)]
    name = answer.DESCRIPTOR.name
    log.error("the payment platform breaks its contract", answer=name, problems=problems)
    raise DomainError(UNAVAILABLE)


def _code(answer: platform_pb2.CreatePaymentOrderResponse) -> str:
    return answer.payment_code


def _payments_of(
    payment_order_id: UUID,
    answer: platform_pb2.ClosePaymentOrderResponse | platform_pb2.QueryPaymentOrderResponse,
) -> Sequence[Payment]:
    payments = tuple(payment_from_pb(payment) for payment in answer.payments)
    if any(payment.payment_order_id != payment_order_id for payment in payments):
        raise ValueError("a payment of another order")
    if answer.state == platform_pb2.PAYMENT_ORDER_STATE_PAID and not payments:
        raise ValueError("no payment of a paid order")
    return payments


def _known_of(payment_order_id: UUID, answer: platform_pb2.QueryPaymentOrderResponse) -> AtPlatform:
    is_closed = answer.state == platform_pb2.PAYMENT_ORDER_STATE_CLOSED
    return AtPlatform(is_closed, _payments_of(payment_order_id, answer))


def _refunded_at(answer: platform_pb2.RefundPaymentResponse) -> datetime | None:
    return time_from_pb(answer.refunded_at) if answer.HasField("refunded_at") else None


def _lines_of(
    page: platform_pb2.StreamStatementResponse, after_line: int
) -> Sequence[StatementLine]:
    if problems := problems_in(page):
        raise StatementBroken(f"{problems[0].field}：{problems[0].description}")
    if any(line.line != number for number, line in enumerate(page.lines, after_line + 1)):
        raise StatementBroken("行号不连续")
    try:
        return [line_from_pb(line) for line in page.lines]
    except ValueError as error:
        raise StatementBroken("时间或流水号不正确") from error
