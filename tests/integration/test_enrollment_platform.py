"""A payment platform that is slow or breaks its contract: nobody but its payers notices."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from prometheus_client import REGISTRY
from support.enrollment_people import (
    JINJIANG,
    NOON,
    QINGYANG,
    hold,
    last_order,
    open_enrollment,
    paid,
    payment_order_id,
    payment_request,
    state_of,
    submission,
    until_refunded,
    until_state,
)
from support.enrollment_platform import OddPlatform, odd_platform
from support.enrollment_service import Installation
from support.enrollment_sessions import FEE_FEN, small_session
from support.service import Caller, new_id, until
from support.service_databases import MakeDatabase
from zikao.enrollment.v1 import types_pb2 as types
from zikao.payment.v1 import payment_platform_service_pb2 as pb
from zikao_enrollment.money.payment_gate import MAX_AT_ONCE, MAX_CALLS_OF_AN_ORDER, MAX_WAITING
from zikao_kit.convert import time_from_pb, time_to_pb
from zikao_kit.error_table import reason_of

CROWD = MAX_AT_ONCE + MAX_WAITING + 6


@pytest.fixture
async def running(make_database: MakeDatabase, tmp_path: Path) -> AsyncIterator[Installation]:
    """A session with seats for all, and a crowd of candidates."""
    session = small_session(seats=CROWD + 2)
    async with open_enrollment(
        make_database, tmp_path, session=session, candidates=CROWD + 2
    ) as found:
        yield found


@pytest.fixture
async def platform(running: Installation) -> AsyncIterator[OddPlatform]:
    """In place of the sandbox's, and enrollment has reached it."""
    async with odd_platform(running) as found:
        await until_paying(running, CROWD + 1)
        yield found


async def until_paying(running: Installation, number: int, county: str = QINGYANG) -> types.Order:
    """Take seats and open their payment, as soon as the platform is reached; return the order."""
    order = await hold(running, number, counties=(county,))
    person = await running.candidate(number)

    async def opened() -> bool:
        try:
            await person.call(payment_request(order))
        except grpc.aio.AioRpcError as error:
            if reason_of(error) != "UNAVAILABLE":
                raise
            return False
        return True

    await until(opened)
    return order


async def outcome(person: Caller, order: types.Order) -> str:
    """The code of an order's payment, or why there is none."""
    try:
        return str((await person.call(payment_request(order))).payment_code)
    except grpc.aio.AioRpcError as error:
        return str(reason_of(error))


async def test_a_platform_that_cannot_be_reached_shows_before_anybody_pays(
    running: Installation, platform: OddPlatform
) -> None:
    """It is known to be there without a call, and so is it of registration that it is away."""

    def connected(peer: str) -> float | None:
        return REGISTRY.get_sample_value("zikao_peer_connected", {"peer": peer})

    await until(lambda: connected("platform") == 1)
    assert connected("registration") == 0


async def test_a_slow_platform_takes_no_places_of_others(
    running: Installation, platform: OddPlatform
) -> None:
    """A crowd pays at once: some are at the platform, as many wait, the rest comes again later."""
    people = [await running.candidate(number) for number in range(1, CROWD + 1)]
    orders = await asyncio.gather(*(hold(running, n) for n in range(1, CROWD + 1)))
    platform.answers_now.clear()
    paying = [asyncio.create_task(outcome(*each)) for each in zip(people, orders, strict=True)]
    await until(lambda: sum(task.done() for task in paying) == CROWD - MAX_AT_ONCE - MAX_WAITING)
    await until(lambda: platform.at_work == MAX_AT_ONCE)
    assert {task.result() for task in paying if task.done()} == {"OVERLOADED"}
    refused = await people[0].refused(submission())
    assert refused.reason == "ALREADY_ENROLLED"
    late = await hold(running, CROWD + 2)
    assert await outcome(await running.candidate(CROWD + 2), late) == "OVERLOADED"
    assert await state_of(running, CROWD + 2) == "HELD"
    platform.answers_now.set()
    outcomes = Counter(await asyncio.gather(*paying))
    assert outcomes[platform.code] == MAX_AT_ONCE + MAX_WAITING


async def test_an_order_is_at_the_platform_once(
    running: Installation, platform: OddPlatform
) -> None:
    """Pressed again and again: the platform is asked once, and one too many is sent away."""
    order, person = await hold(running, 1), await running.candidate(1)
    platform.answers_now.clear()
    pressed = [
        asyncio.create_task(outcome(person, order)) for _ in range(MAX_CALLS_OF_AN_ORDER + 1)
    ]
    await until(lambda: any(task.done() for task in pressed))
    platform.answers_now.set()
    outcomes = Counter(await asyncio.gather(*pressed))
    assert outcomes == {platform.code: MAX_CALLS_OF_AN_ORDER, "OVERLOADED": 1}
    assert platform.asked.count(await payment_order_id(running, order)) == 1
    assert (await last_order(running, 1)).payment_code == platform.code


def payment_of(at_platform: str, **changes: Any) -> pb.Payment:
    """What the platform says was paid for an order at it."""
    fields: dict[str, Any] = {
        "payment_id": f"P{at_platform}",
        "order_id": at_platform,
        "amount_fen": 2 * FEE_FEN,
        "paid_at": time_to_pb(NOON),
    }
    return pb.Payment(**fields | changes)


ODD_ANSWERS: dict[str, Callable[[str], pb.ClosePaymentOrderResponse]] = {
    "no state": lambda _: pb.ClosePaymentOrderResponse(),
    "still open": lambda _: pb.ClosePaymentOrderResponse(state=pb.PAYMENT_ORDER_STATE_OPEN),
    "paid by nothing": lambda _: closing_answer(),
    "no id": lambda order: closing_answer(payment_of(order, payment_id="")),
    "a NUL": lambda order: closing_answer(payment_of(order, payment_id="P\0")),
    "no order": lambda order: closing_answer(payment_of(order, order_id="x")),
    "another order": lambda order: closing_answer(payment_of(order, order_id=new_id())),
    "no money": lambda order: closing_answer(payment_of(order, amount_fen=0)),
    "no time": lambda order: closing_answer(payment_of(order, paid_at=Timestamp(seconds=1 << 60))),
}


def closing_answer(*payments: pb.Payment) -> pb.ClosePaymentOrderResponse:
    """An order is paid, by these."""
    return pb.ClosePaymentOrderResponse(state=pb.PAYMENT_ORDER_STATE_PAID, payments=payments)


async def test_an_odd_answer_keeps_its_own_seats_alone(
    running: Installation, platform: OddPlatform
) -> None:
    """Whatever the platform says but CLOSED or PAID rightly: that order stays, the others go."""
    odd = {}
    for number, (name, answer) in enumerate(ODD_ANSWERS.items(), start=1):
        order = await until_paying(running, number)
        at_platform = await payment_order_id(running, order)
        platform.closed[at_platform] = answer(at_platform)
        odd[name] = order.order_id
    other = await until_paying(running, CROWD)
    await running.move_clock(time_from_pb(other.held_until))
    await until_state(running, CROWD, "RELEASED")
    states = await running.rows(
        "SELECT state FROM enrollment.enrollment_order WHERE order_id = ANY ($1::uuid[])",
        list(odd.values()),
    )
    assert [row["state"] for row in states] == ["closing"] * len(ODD_ANSWERS)
    platform.closed.clear()
    await running.rows("UPDATE enrollment.enrollment_order SET lease_until = now()")
    for number in range(1, len(ODD_ANSWERS) + 1):
        await until_state(running, number, "RELEASED")


async def test_an_odd_code_is_no_code(running: Installation, platform: OddPlatform) -> None:
    """The candidate reads that it cannot be had now, and has the right one later."""
    order, person = await hold(running, 1), await running.candidate(1)
    right = platform.code
    for code in ("", "1" * 65, "12\0", "1 2"):
        platform.code = code
        assert await outcome(person, order) == "UNAVAILABLE"
    platform.code = right
    assert await outcome(person, order) == right


async def test_an_odd_refund_is_asked_for_again(
    running: Installation, platform: OddPlatform
) -> None:
    """A time that cannot be is no refund: it stays owed until the platform says when it was."""
    order = await until_paying(running, 1)
    at_platform = await payment_order_id(running, order)
    platform.refunded = pb.RefundPaymentResponse(refunded_at=Timestamp(seconds=1 << 60))
    caller = await running.caller("payment-platform")
    await caller.call(paid("astray", at_platform, 5, running.now()))
    await platform.until_asked("astray")
    (refund,) = (await last_order(running, 1)).refunds
    assert refund.state == types.REFUND_STATE_REQUESTED
    platform.refunded = pb.RefundPaymentResponse(refunded_at=order.held_until)
    await running.rows("UPDATE enrollment.refund SET next_attempt_at = now()")
    await until_refunded(running, 1, 5)


async def test_an_unpaid_hold_that_cannot_be_released_keeps_its_own_seats_alone(
    running: Installation,
) -> None:
    """It breaks a rule of the ledger: the others of its round are released all the same."""
    await hold(running, 1)
    other = await hold(running, 2, counties=(QINGYANG,))
    set_held = "UPDATE enrollment.seat_ledger SET held = $1 WHERE county_code = $2"
    await running.rows(set_held, 0, JINJIANG)
    await running.move_clock(time_from_pb(other.held_until))
    await until_state(running, 2, "RELEASED")
    assert await state_of(running, 1) == "CLOSING"
    await running.rows(set_held, 1, JINJIANG)
    await running.rows("UPDATE enrollment.enrollment_order SET lease_until = now()")
    await until_state(running, 1, "RELEASED")


async def test_odd_word_of_a_payment_is_refused(running: Installation) -> None:
    """A NUL, a time beyond the calendar, no money: INVALID_REQUEST, and nothing is stored."""
    order = await hold(running, 1)
    platform = await running.caller("payment-platform")
    for changes in (
        {"payment_id": "P\0"},
        {"paid_at": Timestamp(seconds=1 << 60)},
        {"amount_fen": 0},
    ):
        word = pb.NotifyPaymentRequest(payment=payment_of(order.order_id, **changes))
        assert (await platform.refused(word)).reason == "INVALID_REQUEST"
    assert await running.rows("SELECT FROM enrollment.payment") == []
    assert await state_of(running, 1) == "HELD"
