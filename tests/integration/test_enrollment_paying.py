"""Paying at a real payment platform: every fen is a confirmed enrollment or a refund."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from uuid import uuid4

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from structlog.testing import capture_logs
from support.enrollment_people import (
    COURSES,
    JINJIANG,
    QINGYANG,
    candidate_id,
    change,
    events,
    hold,
    keep_word_back,
    last_order,
    open_enrollment,
    paid,
    pay,
    payment_code,
    payment_order_id,
    payment_request,
    plan,
    plan_submission,
    seats,
    state_of,
    submission,
    until_held,
    until_refunded,
    until_state,
)
from support.enrollment_service import Installation
from support.enrollment_sessions import FEE_FEN, small_session
from support.service import new_id, until, until_said
from support.service_databases import MakeDatabase
from zikao.enrollment.v1 import types_pb2 as types
from zikao.payment.v1 import payment_platform_service_pb2 as payment_pb
from zikao.sandbox.v1 import sandbox_service_pb2 as sandbox
from zikao_kit.convert import time_from_pb
from zikao_kit.error_table import reason_of

SESSION = small_session(seats=1)
FEE = 2 * FEE_FEN
SECOND = timedelta(seconds=1)


@pytest.fixture
async def running(make_database: MakeDatabase, tmp_path: Path) -> AsyncIterator[Installation]:
    """A session with one seat a county and slot, three candidates."""
    async with open_enrollment(make_database, tmp_path, session=SESSION) as found:
        yield found
        await every_fen_is_accounted_for(found)


async def every_fen_is_accounted_for(running: Installation) -> None:
    """What came in is fees of confirmed orders and refunds; the ledger counts what is there."""
    (money,) = await running.rows(
        "SELECT (SELECT coalesce(sum(amount_fen), 0) FROM enrollment.payment) AS received,"
        " (SELECT coalesce(sum(fee_fen), 0) FROM enrollment.enrollment_order"
        "  WHERE state = 'confirmed') AS confirmed,"
        " (SELECT coalesce(sum(amount_fen), 0) FROM enrollment.refund) AS refunded"
    )
    assert money["received"] == money["confirmed"] + money["refunded"]
    wrong = await running.rows(
        "SELECT ledger.* FROM enrollment.seat_ledger AS ledger"
        " WHERE held + confirmed <> (SELECT count(*) FROM enrollment.sitting"
        "  WHERE (sitting.county_code, sitting.slot) = (ledger.county_code, ledger.slot))"
    )
    assert wrong == []


def deadline(order: types.Order) -> datetime:
    """The moment at which the hold ends."""
    return time_from_pb(order.held_until)


async def test_the_same_code_for_every_call(running: Installation) -> None:
    """Asked again, with the same request or a new one, the order keeps its code."""
    order = await hold(running, 1)
    person = await running.candidate(1)
    request = payment_request(order)
    answers = [await person.call(request), await person.call(request)]
    answers += await asyncio.gather(*(person.call(payment_request(order)) for _ in range(3)))
    assert all(answer == answers[0] for answer in answers)
    assert (answers[0].amount_fen, answers[0].pay_before) == (FEE, order.held_until)
    listed = await last_order(running, 1)
    assert (listed.payment_code, listed.state) == (
        answers[0].payment_code,
        types.ORDER_STATE_PAYING,
    )


async def test_attempts_to_pay_are_bounded(running: Installation) -> None:
    """Twenty of a candidate in a session; the last one keeps its code, no other is opened."""
    order = await hold(running, 1)
    await running.rows(
        "INSERT INTO enrollment.payment_order (payment_order_id, order_id, amount_fen, state,"
        " opened_at) SELECT gen_random_uuid(), $1, 1, 'closed', now() FROM generate_series(1, 19)",
        order.order_id,
    )
    code = await payment_code(running, 1, order)
    assert await payment_code(running, 1, order) == code
    person = await running.candidate(1)
    changed = (await person.call(change(order, counties=(QINGYANG,)))).order
    refused = await person.refused(payment_request(changed))
    assert (refused.reason, refused.metadata["limit"]) == ("TOO_MANY_PAYMENT_ATTEMPTS", "20")
    other = await until_held(running, 2)
    await payment_code(running, 2, other)


async def test_only_ones_own_order_that_can_be_paid(running: Installation) -> None:
    """Somebody else's order and none at all are NOT_FOUND; a paid or ended one says so."""
    order = await hold(running, 1)
    thief, person = await running.candidate(2), await running.candidate(1)
    assert (await thief.refused(payment_request(order))).reason == "NOT_FOUND"
    nothing = types.Order(order_id=new_id())
    assert (await person.refused(payment_request(nothing))).reason == "NOT_FOUND"
    await pay(running, await payment_code(running, 1, order))
    await until_state(running, 1, "CONFIRMED")
    refused = await person.refused(payment_request(order))
    assert (refused.reason, refused.metadata["state"]) == ("STATE_NOT_ALLOWED", "报考成功")
    late = await hold(running, 2, counties=(QINGYANG,))
    await running.move_clock(deadline(late))
    thief = await running.candidate(2)
    assert (await thief.refused(payment_request(late))).reason == "HOLD_EXPIRED"


async def test_the_platform_away_is_unavailable(running: Installation) -> None:
    """CreatePayment says so, and the same request, repeated, gets a code once it is back."""
    order = await hold(running, 1)
    await running.platform.stop()
    person, request = await running.candidate(1), payment_request(order)
    assert (await person.refused(request)).reason == "UNAVAILABLE"
    running.platform.start()

    async def answered() -> bool:
        try:
            return bool((await person.call(request)).payment_code)
        except grpc.aio.AioRpcError as error:
            if reason_of(error) != "UNAVAILABLE":
                raise
            return False

    await until(answered)


async def test_a_released_seat_is_had_at_once(running: Installation) -> None:
    """The hold ends unpaid: once it is released another candidate has the seat."""
    order = await hold(running, 1)
    rival = await running.candidate(2)
    assert (await rival.refused(submission())).reason == "SOLD_OUT"
    await running.move_clock(deadline(order) - SECOND)
    assert await state_of(running, 1) == "HELD"
    await running.move_clock(deadline(order))
    await until_state(running, 1, "RELEASED")
    await until_held(running, 2)
    assert await seats(running) == {(1, 0)}


async def test_seats_stay_held_until_the_platform_has_closed(running: Installation) -> None:
    """The platform is away at the deadline: nobody else gets the seat before its answer.

    A hold that the platform never heard of is released meanwhile all the same. Whoever began to
    close keeps the order for its lease, which goes by the database's clock.
    """
    order = await hold(running, 1)
    await payment_code(running, 1, order)
    await hold(running, 2, counties=(QINGYANG,))
    await running.platform.stop()
    with capture_logs() as lines:
        await running.move_clock(deadline(order) + SECOND)
        await until_state(running, 2, "RELEASED")
        await until_state(running, 1, "CLOSING")
        assert await seats(running) == {(1, 0)}
        await until_said(lines, "order not closed yet")
    running.platform.start()
    await running.until_serving(running.platform)
    await running.move_clock(running.now() + timedelta(hours=1))
    assert await state_of(running, 1) == "CLOSING"
    await running.rows("UPDATE enrollment.enrollment_order SET lease_until = now()")
    await until_state(running, 1, "RELEASED")
    assert await seats(running) == {(0, 0)}


async def test_paid_before_closing_is_confirmed(running: Installation) -> None:
    """Word of the payment is late: the platform tells it when it is asked to close."""
    await keep_word_back(running)
    order = await hold(running, 1)
    await pay(running, await payment_code(running, 1, order))
    await running.move_clock(deadline(order))
    await until_state(running, 1, "CONFIRMED")
    assert await seats(running) == {(0, 1)}


async def ask_now(running: Installation) -> None:
    """Let the platform be asked about every payment."""
    await running.rows("UPDATE enrollment.payment_order SET next_query_at = now()")


async def test_a_payment_whose_word_is_lost_is_found(running: Installation) -> None:
    """Of one in time, of a second one, and of one after closing: the platform is asked about it."""
    await keep_word_back(running)
    order = await hold(running, 1)
    code = await payment_code(running, 1, order)
    await pay(running, code)
    await ask_now(running)
    await until_state(running, 1, "CONFIRMED")
    await pay(running, code)
    await ask_now(running)

    async def is_owed_back() -> bool:
        refunds = (await last_order(running, 1)).refunds
        return [refund.amount_fen for refund in refunds] == [FEE]

    await until(is_owed_back)
    late = await hold(running, 2, counties=(QINGYANG,))
    code = await released(running, 2, late)
    await late_payment(running, code)
    await ask_now(running)
    await until_state(running, 2, "CONFIRMED")


async def test_a_code_that_the_platform_has_closed_is_replaced(running: Installation) -> None:
    """Closed there by itself: once that is known, the candidate gets another code."""
    order = await hold(running, 1)
    first = await payment_code(running, 1, order)
    name = await payment_order_id(running, order)
    await (await running.caller("enrollment", running.platform_port)).call(
        payment_pb.ClosePaymentOrderRequest(order_id=name)
    )
    await ask_now(running)

    async def is_known() -> bool:
        return not (await last_order(running, 1)).payment_code

    await until(is_known)
    assert await payment_code(running, 1, order) not in ("", first)


async def test_a_refund_that_the_platform_refuses_is_seen(running: Installation) -> None:
    """It says that it knows no such payment: the refund is refused, and asked for again."""
    order = await hold(running, 1)
    await payment_code(running, 1, order)
    name = await payment_order_id(running, order)
    platform = await running.caller("payment-platform")
    await platform.call(paid("nowhere", name, 5, running.now()))

    async def is_refused() -> bool:
        refunds = (await last_order(running, 1)).refunds
        return [refund.state for refund in refunds] == [types.REFUND_STATE_REFUSED]

    await until(is_refused)
    (row,) = await running.rows("SELECT refusal, refunded_at FROM enrollment.refund")
    assert tuple(row) == ("NOT_FOUND", None)


async def test_an_order_that_cannot_be_settled_keeps_nobody_elses_seats(
    running: Installation,
) -> None:
    """Its payment breaks a rule of the ledger: the others of its round are released."""
    await keep_word_back(running)
    broken, other = await hold(running, 1), await hold(running, 2, counties=(QINGYANG,))
    await pay(running, await payment_code(running, 1, broken))
    await payment_code(running, 2, other)
    set_held = "UPDATE enrollment.seat_ledger SET held = $1 WHERE county_code = $2"
    await running.rows(set_held, 0, JINJIANG)
    await running.move_clock(deadline(other))
    await until_state(running, 2, "RELEASED")
    assert await state_of(running, 1) == "CLOSING"
    await running.rows(set_held, 1, JINJIANG)
    await running.rows("UPDATE enrollment.enrollment_order SET lease_until = now()")
    await until_state(running, 1, "CONFIRMED")


async def test_a_wrong_amount_goes_back_and_blocks_nothing(running: Installation) -> None:
    """It is refunded; the hold goes on, with another code, and its seats are free at its end."""
    order = await hold(running, 1)
    code = await payment_code(running, 1, order)
    await pay(running, code, FEE - 100)
    await until_refunded(running, 1, FEE - 100)
    assert await state_of(running, 1) == "PAYING"
    assert await payment_code(running, 1, order) != code
    await running.move_clock(deadline(order))
    await until_state(running, 1, "RELEASED")
    assert await seats(running) == {(0, 0)}


async def test_paid_twice_is_refunded_once(running: Installation) -> None:
    """Two payments, each told three times and in any order: one confirms, one goes back.

    The platform takes its time for the refund, and is asked until it has confirmed.
    """
    request = sandbox.SetBehaviourRequest(
        request_id=new_id(), max_delay=Duration(nanos=200_000_000), copies=3, reorder=True
    )
    await (await running.at_platform()).call(request)
    order = await hold(running, 1)
    code = await payment_code(running, 1, order)
    await asyncio.gather(pay(running, code), pay(running, code))
    await until_refunded(running, 1, FEE)
    assert await state_of(running, 1) == "CONFIRMED"
    assert await seats(running) == {(0, 1)}
    assert len(await events(running, at_least=1)) == 1


async def test_a_newer_code_dies_with_the_payment_of_an_older_one(running: Installation) -> None:
    """Money of the older one confirms the order: the newer one is closed at once, not paid too."""
    order = await hold(running, 1)
    older = await payment_code(running, 1, order)
    await pay(running, older, FEE - 100)
    await until_refunded(running, 1, FEE - 100)
    newer = await payment_code(running, 1, order)
    await late_payment(running, older)
    await until_state(running, 1, "CONFIRMED")

    async def is_closed() -> bool:
        return not (await last_order(running, 1)).payment_code

    await until(is_closed)
    again = sandbox.PayOrderRequest(request_id=new_id(), payment_code=newer)
    assert (await (await running.at_platform()).refused(again)).reason == "PERMISSION_DENIED"


async def late_payment(running: Installation, code: str) -> None:
    """A bank was under way: the closed order is paid all the same."""
    await pay(running, code, after_close=True)


async def released(running: Installation, number: int, order: types.Order) -> str:
    """Let an order end that was to be paid; return its code."""
    code = await payment_code(running, number, order)
    await running.move_clock(deadline(order))
    await until_state(running, number, "RELEASED")
    return code


async def test_a_late_payment_takes_the_seats_again(running: Installation) -> None:
    """They are free still: the order is confirmed where it was."""
    code = await released(running, 1, await hold(running, 1))
    await late_payment(running, code)
    assert (await until_state(running, 1, "CONFIRMED")).county_code == JINJIANG
    assert await seats(running) == {(0, 1)}


@pytest.mark.parametrize("may_move", [True, False])
async def test_a_late_payment_moves_with_consent_only(
    running: Installation, may_move: bool
) -> None:
    """The seats are gone: another county of the plan with consent, else the money goes back."""
    person = await running.candidate(1)
    await person.call(plan(counties=(JINJIANG, QINGYANG), may_move=may_move))
    code = await released(running, 1, (await person.call(plan_submission())).order)
    await until_held(running, 2)
    await late_payment(running, code)
    if may_move:
        assert (await until_state(running, 1, "CONFIRMED")).county_code == QINGYANG
        (event,) = await events(running, at_least=1)
        assert event.county_code == QINGYANG
        assert [course.course_code for course in event.courses] == list(COURSES)
    else:
        await until_refunded(running, 1, FEE)
        assert await state_of(running, 1) == "RELEASED"
    assert await seats(running) == {(1, 0)}


async def test_the_last_event_is_the_whole_enrollment(running: Installation) -> None:
    """Two orders paid one after the other: the second event carries the courses of both."""
    for course in ("00003", "00001"):
        order = await hold(running, 1, courses=(course,))
        await pay(running, await payment_code(running, 1, order))
        await until_state(running, 1, "CONFIRMED")
    told = await events(running, at_least=2)
    courses = [[course.course_code for course in event.courses] for event in told]
    assert courses == [["00003"], ["00001", "00003"]]
    assert {event.candidate_id for event in told} == {candidate_id(1)}


async def test_word_of_payments_is_taken_from_the_platform_alone(running: Installation) -> None:
    """Any other certificate is refused; money for an unknown order is owed back."""
    order = await hold(running, 1)
    forged = paid("forged", order.order_id, FEE, running.now())
    for name in ("portal", "operator", "tickets"):
        caller = await running.caller(name)
        assert (await caller.refused(forged)).reason == "PERMISSION_DENIED"
    assert await state_of(running, 1) == "HELD"
    platform = await running.caller("payment-platform")
    astray = paid("astray", str(uuid4()), 5, running.now())
    for _ in range(2):
        await platform.call(astray)
    other = paid("astray", str(uuid4()), 5, running.now())
    refused = await platform.refused(other)
    assert (refused.reason, refused.metadata["payment_id"]) == ("PAYMENT_CONTRADICTS", "astray")
    refunds = await running.rows("SELECT payment_id, amount_fen FROM enrollment.refund")
    assert [tuple(row) for row in refunds] == [("astray", 5)]
