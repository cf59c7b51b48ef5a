"""What candidates, the operator and payers do at enrollment, one function an act."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import grpc
from google.protobuf.duration_pb2 import Duration
from support.enrollment_database import candidate
from support.enrollment_service import Installation, installation
from support.enrollment_sessions import OPENS_AT, small_session
from support.service import TIMEOUT_SECONDS, new_id, until
from support.service_databases import MakeDatabase
from zikao.enrollment.v1 import enrollment_feed_service_pb2 as feed
from zikao.enrollment.v1 import enrollment_service_pb2 as enrollment
from zikao.enrollment.v1 import order_service_pb2 as order_pb
from zikao.enrollment.v1 import session_service_pb2 as sessions
from zikao.enrollment.v1 import types_pb2 as types
from zikao.payment.v1 import payment_platform_service_pb2 as payment
from zikao.sandbox.v1 import sandbox_service_pb2 as sandbox
from zikao_enrollment.converts.sessions import session_to_pb
from zikao_enrollment.domain.orders import Candidate
from zikao_enrollment.domain.timetable import Session
from zikao_enrollment.names import PACKAGE, SCHEMA
from zikao_enrollment.store import Store
from zikao_kit.config import DatabaseConfig
from zikao_kit.convert import time_to_pb
from zikao_kit.db import Database
from zikao_kit.error_table import reason_of
from zikao_kit.queries import Queries

JINJIANG, QINGYANG = "510104", "510105"
COURSES = ("00001", "00003")
NOON = OPENS_AT + timedelta(hours=3)


def choice(
    courses: tuple[str, ...] = COURSES, counties: tuple[str, ...] = (JINJIANG,)
) -> enrollment.EnrollmentChoice:
    """Courses and counties."""
    return enrollment.EnrollmentChoice(course_codes=courses, county_codes=counties)


def submission(
    courses: tuple[str, ...] = COURSES,
    counties: tuple[str, ...] = (JINJIANG,),
    **changes: Any,
) -> enrollment.SubmitEnrollmentRequest:
    """Wants seats now."""
    fields: dict[str, Any] = {
        "request_id": new_id(),
        "session_code": "22.1",
        "choice": choice(courses, counties),
    }
    return enrollment.SubmitEnrollmentRequest(**fields | changes)


def plan(
    courses: tuple[str, ...] = COURSES,
    counties: tuple[str, ...] = (JINJIANG,),
    may_move: bool = False,
) -> enrollment.SavePlanRequest:
    """Means to submit this at the opening."""
    return enrollment.SavePlanRequest(
        request_id=new_id(),
        session_code="22.1",
        choice=choice(courses, counties),
        may_move_on_late_payment=may_move,
    )


def plan_submission() -> enrollment.SubmitPlanRequest:
    """Wants the seats of the plan."""
    return enrollment.SubmitPlanRequest(request_id=new_id(), session_code="22.1")


def change(
    order: types.Order,
    courses: tuple[str, ...] = COURSES,
    counties: tuple[str, ...] = (JINJIANG,),
) -> order_pb.ChangeOrderRequest:
    """Wants other courses or another county for an order."""
    return order_pb.ChangeOrderRequest(
        request_id=new_id(), order_id=order.order_id, choice=choice(courses, counties)
    )


def cancellation(order: types.Order) -> order_pb.CancelOrderRequest:
    """Wants an order no more."""
    return order_pb.CancelOrderRequest(request_id=new_id(), order_id=order.order_id)


def payment_request(order: types.Order) -> enrollment.CreatePaymentRequest:
    """Wants a payment code."""
    return enrollment.CreatePaymentRequest(request_id=new_id(), order_id=order.order_id)


@asynccontextmanager
async def open_enrollment(
    make_database: MakeDatabase,
    folder: Path,
    *,
    session: Session | None = None,
    candidates: int = 3,
    **settings: Any,
) -> AsyncIterator[Installation]:
    """An installation with a session applied over its RPC, and candidates; it is noon."""
    dsn = await make_database(SCHEMA)
    await save_candidates(dsn, [candidate(number) for number in range(1, candidates + 1)])
    async with installation(dsn, folder, NOON, **settings) as running:
        await apply_session(running, session or small_session())
        yield running


async def save_candidates(dsn: str, candidates: list[Candidate]) -> None:
    """Bring candidates, as the feed does."""
    async with (
        await Database.connect(DatabaseConfig(dsn=dsn), Queries.load(PACKAGE)) as db,
        db.transaction() as tx,
    ):
        await Store(tx).candidates.save(candidates)


async def apply_session(running: Installation, session: Session, dry_run: bool = False) -> Any:
    """Apply a session as the operator; return what changed."""
    operator = await running.operator()
    return list((await operator.call(application(session, dry_run))).changes)


def application(session: Session, dry_run: bool = False) -> sessions.ApplySessionRequest:
    """The session as the operator applies it."""
    return sessions.ApplySessionRequest(
        request_id=new_id(), session=session_to_pb(session), dry_run=dry_run
    )


async def hold(
    running: Installation,
    number: int,
    courses: tuple[str, ...] = COURSES,
    counties: tuple[str, ...] = (JINJIANG,),
) -> types.Order:
    """Candidate `number` takes seats."""
    person = await running.candidate(number)
    order: types.Order = (await person.call(submission(courses, counties))).order
    return order


async def until_held(
    running: Installation, number: int, courses: tuple[str, ...] = COURSES
) -> types.Order:
    """Candidate `number` asks again until seats that were full can be had."""

    async def held() -> types.Order | None:
        try:
            return await hold(running, number, courses)
        except grpc.aio.AioRpcError as error:
            if reason_of(error) != "SOLD_OUT":
                raise
            return None

    order: types.Order = await until(held)
    return order


async def payment_code(running: Installation, number: int, order: types.Order) -> str:
    """Candidate `number` opens the payment of an order."""
    person = await running.candidate(number)
    code: str = (await person.call(payment_request(order))).payment_code
    return code


async def payment_order_id(running: Installation, order: types.Order) -> str:
    """The id under which the platform has the last attempt to pay an order."""
    rows = await running.rows(
        "SELECT payment_order_id FROM enrollment.payment_order WHERE order_id = $1"
        " ORDER BY opened_at DESC, state DESC LIMIT 1",
        order.order_id,
    )
    return str(rows[0]["payment_order_id"])


async def pay(
    running: Installation, code: str, amount_fen: int = 0, *, after_close: bool = False
) -> payment.Payment:
    """Pay at the platform."""
    request = sandbox.PayOrderRequest(
        request_id=new_id(), payment_code=code, amount_fen=amount_fen, after_close=after_close
    )
    paid: payment.Payment = (await (await running.at_platform()).call(request)).payment
    return paid


async def keep_word_back(running: Installation) -> None:
    """Let the platform tell of payments in a day or so."""
    request = sandbox.SetBehaviourRequest(
        request_id=new_id(), max_delay=Duration(seconds=86400), copies=1
    )
    await (await running.at_platform()).call(request)


async def orders(running: Installation, number: int) -> list[types.Order]:
    """The orders of candidate `number`, the newest first."""
    person = await running.candidate(number)
    request = enrollment.ListOrdersRequest(session_code="22.1")
    return list((await person.call(request)).orders)


async def last_order(running: Installation, number: int) -> types.Order:
    """The newest order of candidate `number`."""
    return (await orders(running, number))[0]


async def state_of(running: Installation, number: int) -> str:
    """Where the newest order of candidate `number` stands: "HELD"."""
    state = (await last_order(running, number)).state
    return types.OrderState.Name(state).removeprefix("ORDER_STATE_")


async def until_state(running: Installation, number: int, state: str) -> types.Order:
    """Wait until the newest order of candidate `number` stands so; return it."""

    async def is_so() -> bool:
        return await state_of(running, number) == state

    await until(is_so)
    return await last_order(running, number)


async def until_closed(running: Installation, number: int) -> None:
    """Wait until the newest order of candidate `number` is closed at a platform that is back.

    A try that comes before the platform is found again would keep the order for its lease.
    """

    async def is_released() -> bool:
        await running.rows("UPDATE enrollment.enrollment_order SET lease_until = now()")
        return await state_of(running, number) == "RELEASED"

    await until(is_released)


async def until_refunded(running: Installation, number: int, amount_fen: int) -> None:
    """Wait until the newest order has exactly one refund of this, confirmed by the platform."""

    async def is_so() -> bool:
        refunds = (await last_order(running, number)).refunds
        return bool(refunds) and refunds[0].state == types.REFUND_STATE_REFUNDED

    await until(is_so)
    assert [each.amount_fen for each in (await last_order(running, number)).refunds] == [amount_fen]


async def seats(running: Installation, county: str = JINJIANG) -> set[tuple[int, int]]:
    """(held, confirmed) of a county's slots, from the ledger."""
    rows = await running.rows(
        "SELECT held, confirmed FROM enrollment.seat_ledger WHERE county_code = $1", county
    )
    return {(row["held"], row["confirmed"]) for row in rows}


async def events(
    running: Installation, cursor: str = "", at_least: int = 0
) -> list[feed.EnrollmentEvent]:
    """What the feed tells after a cursor: at once, and until there is as much as asked for."""
    tickets = await running.caller("tickets")
    found: list[feed.EnrollmentEvent] = []
    stream = tickets.start(feed.WatchEnrollmentsRequest(cursor=cursor))
    async with asyncio.timeout(TIMEOUT_SECONDS):
        async for answer in stream:
            found += answer.events
            if len(found) >= at_least:
                break
    stream.cancel()
    return found


def paid(payment_id: str, order_id: str, amount_fen: int, at: datetime) -> Any:
    """Word of a payment."""
    made = payment.Payment(
        payment_id=payment_id, order_id=order_id, amount_fen=amount_fen, paid_at=time_to_pb(at)
    )
    return payment.NotifyPaymentRequest(payment=made)


def of_standing(number: int, standing: str, reason: str = "") -> Candidate:
    """A candidate of another standing."""
    return candidate(number)._replace(standing=standing, standing_reason=reason)


def candidate_id(number: int) -> str:
    """The id of candidate `number`."""
    return str(UUID(int=number))
