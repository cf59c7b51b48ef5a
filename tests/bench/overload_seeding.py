"""Candidates, sessions and payments for bench_overload, and calls that are made while it runs.

A candidate submits once in each session. Many sessions are many submissions of few candidates,
whose tokens the server has all seen before, as at the saving of their plans.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import asyncpg
from bench.enrollment_seeding import COURSES, Person, plain_session, store
from google.protobuf.timestamp_pb2 import Timestamp
from zikao.enrollment.v1 import enrollment_service_pb2 as enrollment
from zikao.payment.v1 import payment_platform_service_pb2 as payment
from zikao_ctl.rush.http2 import headers
from zikao_enrollment.commands.create_payment import begin_payment, finish_payment
from zikao_enrollment.domain.money import PaymentOrder
from zikao_enrollment.names import PACKAGE
from zikao_enrollment.store import Store
from zikao_kit.config import DatabaseConfig
from zikao_kit.context import TIMEOUT_KEY
from zikao_kit.db import Database
from zikao_kit.queries import Queries

CANDIDATES = 20_000
SESSIONS = 40
# The first of them is for the orders that are paid while the others are submitted.
PAID_SESSION = "20.1"
COUNTIES = 5
CALL_SECONDS = 5.0
SUBMIT = "/zikao.enrollment.v1.EnrollmentService/SubmitEnrollment"
NOTIFY = "/zikao.payment.v1.PaymentNotificationService/NotifyPayment"
_A_TRANSACTION = 200
_TIMEOUT = (TIMEOUT_KEY, str(round(CALL_SECONDS * 1000)))


@dataclass(frozen=True)
class Submissions:
    """Headers of every candidate, and what goes before and after the request id of a submission."""

    heads: Sequence[bytes]
    bodies: Sequence[tuple[bytes, bytes]]

    def __iter__(self) -> Iterator[tuple[bytes, bytes]]:
        """Header block and request, each once."""
        for index, (before, after) in enumerate(self.bodies):
            for number, head in enumerate(self.heads):
                request_id = b"%08x-0000-4000-8000-%012x" % (index, number)
                yield head, before + request_id + after


def session_codes(count: int = SESSIONS) -> list[str]:
    """Those that are submitted to."""
    return [f"{21 + number}.1" for number in range(count)]


async def open_sessions(dsn: str, count: int = SESSIONS) -> None:
    """Apply all sessions, each with plenty of seats in few counties."""
    for code in (PAID_SESSION, *session_codes(count)):
        await store(dsn, plain_session(code, COUNTIES))


def submissions_of(people: Sequence[Person], sessions: int = SESSIONS) -> Submissions:
    """What they submit, one after the other; counties in turns, sessions one after the other."""
    heads = [
        headers(
            SUBMIT,
            "enrollment",
            [
                ("authorization", f"Bearer {person.token}"),
                ("x-request-id", "bench-overload"),
                _TIMEOUT,
            ],
        )
        for person in people
    ]
    return Submissions(heads, [_around_id(code) for code in session_codes(sessions)])


def _around_id(session_code: str) -> tuple[bytes, bytes]:
    choice = enrollment.EnrollmentChoice(
        course_codes=COURSES, county_codes=[plain_session(session_code, COUNTIES).counties[0].code]
    )
    request = enrollment.SubmitEnrollmentRequest(
        request_id="0" * 36, session_code=session_code, choice=choice
    ).SerializeToString()
    before, _, after = request.partition(b"0" * 36)
    return before, after


async def open_payments(dsn: str, count: int) -> None:
    """Let the first orders of PAID_SESSION be `paying`, as if the platform had given a code."""
    async with await _database(dsn) as db:
        connection = await asyncpg.connect(dsn)
        try:
            orders = await connection.fetch(
                "SELECT order_id, candidate_id FROM enrollment.enrollment_order"
                " WHERE session_code = $1 LIMIT $2",
                PAID_SESSION,
                count,
            )
        finally:
            await connection.close()
        for begin in range(0, len(orders), _A_TRANSACTION):
            async with db.transaction() as tx:
                for order_id, candidate_id in orders[begin : begin + _A_TRANSACTION]:
                    await _open_payment(Store(tx), order_id, candidate_id)


async def _open_payment(store: Store, order_id: UUID, candidate_id: UUID) -> None:
    now = datetime.now(UTC)
    attempt = PaymentOrder(uuid4(), order_id, 0)
    _, opened = await begin_payment(store, attempt, candidate_id, now, timedelta(hours=12))
    await finish_payment(store, opened, candidate_id, str(opened.payment_order_id), now)


async def notifications(dsn: str) -> list[bytes]:
    """Word of a payment for each that is open."""
    connection = await asyncpg.connect(dsn)
    try:
        rows = await connection.fetch(
            "SELECT payment_order_id, amount_fen FROM enrollment.payment_order"
        )
    finally:
        await connection.close()
    paid_at = Timestamp()
    paid_at.FromDatetime(datetime.now(UTC))
    return [
        payment.NotifyPaymentRequest(
            payment=payment.Payment(
                payment_id=f"P{number}",
                order_id=str(payment_order_id),
                amount_fen=amount_fen,
                paid_at=paid_at,
            )
        ).SerializeToString()
        for number, (payment_order_id, amount_fen) in enumerate(rows)
    ]


def notification_head() -> bytes:
    """The header block of the platform's calls."""
    return headers(NOTIFY, "enrollment", [("x-request-id", "bench-overload"), _TIMEOUT])


async def _database(dsn: str) -> Database:
    return await Database.connect(DatabaseConfig(dsn=dsn), Queries.load(PACKAGE))
