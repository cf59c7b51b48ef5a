"""Changing and cancelling orders over mutual TLS, before and while they are paid."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import grpc
import pytest
from support.enrollment_people import (
    COURSES,
    JINJIANG,
    QINGYANG,
    apply_session,
    cancellation,
    change,
    hold,
    keep_word_back,
    last_order,
    open_enrollment,
    orders,
    pay,
    payment_code,
    payment_order_id,
    payment_request,
    plan,
    plan_submission,
    seats,
    state_of,
    submission,
    until_closed,
    until_held,
    until_refunded,
    until_state,
)
from support.enrollment_service import Installation
from support.enrollment_sessions import CLOSES_AT, FEE_FEN, small_session
from support.service import new_id, until
from support.service_databases import MakeDatabase
from zikao.enrollment.v1 import types_pb2 as types
from zikao.payment.v1 import payment_platform_service_pb2 as payment_pb
from zikao_enrollment.commands.expire_orders import CLOSING_LEASE
from zikao_enrollment.commands.withdraw_order import begin_withdrawing
from zikao_enrollment.domain.timetable import Policies
from zikao_enrollment.names import PACKAGE
from zikao_enrollment.store import Store
from zikao_kit.config import DatabaseConfig
from zikao_kit.convert import time_from_pb
from zikao_kit.db import Database
from zikao_kit.error_table import reason_of
from zikao_kit.queries import Queries

SESSION = small_session(seats=1)
FEE = 2 * FEE_FEN


@pytest.fixture
async def running(make_database: MakeDatabase, tmp_path: Path) -> AsyncIterator[Installation]:
    """A session with one seat a county and slot, four candidates."""
    async with open_enrollment(make_database, tmp_path, session=SESSION, candidates=4) as found:
        yield found


async def history(running: Installation, order: types.Order) -> list[tuple[str, str, str]]:
    """(action, state after it, who) of an order, the first first."""
    rows = await running.rows(
        "SELECT action, to_state, actor FROM enrollment.order_event"
        " WHERE order_id = $1 ORDER BY event_id",
        order.order_id,
    )
    return [tuple(row) for row in rows]


async def test_an_order_is_changed_in_place(running: Installation) -> None:
    """Other courses, then another county: id and deadline stay, the fee follows, seats go back."""
    person, order = await running.candidate(1), await hold(running, 1, courses=("00001",))
    added = (await person.call(change(order, ("00002", "00003")))).order
    assert (added.order_id, added.held_until, added.fee_fen) == (
        order.order_id,
        order.held_until,
        FEE,
    )
    assert [course.course_code for course in added.courses] == ["00002", "00003"]
    request = change(order, ("00003",), (QINGYANG, JINJIANG))
    moved = (await person.call(request)).order
    assert moved == (await person.call(request)).order == await last_order(running, 1)
    assert (moved.county_code, moved.fee_fen, moved.state) == (
        QINGYANG,
        FEE_FEN,
        types.ORDER_STATE_HELD,
    )
    assert await seats(running) == {(0, 0)}
    assert await seats(running, QINGYANG) == {(1, 0), (0, 0)}
    actor = order.candidate_id
    assert await history(running, order) == [
        ("submit", "held", actor),
        ("change", "held", actor),
        ("change", "held", actor),
    ]


async def test_a_change_that_cannot_be_had_changes_nothing(running: Installation) -> None:
    """A full slot elsewhere, rules of a choice, and others' orders: the old seats stay."""
    order = await hold(running, 1)
    await hold(running, 2, ("00003",), (QINGYANG,))
    await hold(running, 3, ("00001",), (QINGYANG,))
    person = await running.candidate(1)
    elsewhere = await person.refused(change(order, COURSES, (QINGYANG,)))
    assert (elsewhere.reason, elsewhere.metadata["full"]) == ("SOLD_OUT", "510105:1,2")
    for courses, counties, reason in (
        (("00001", "00002"), (JINJIANG,), "SLOT_CONFLICT"),
        (("00004",), (JINJIANG,), "COURSE_UNAVAILABLE"),
        (("00001",), ("990000",), "COUNTY_UNAVAILABLE"),
        (("00001", "00002", "00003"), (JINJIANG,), "TOO_MANY_COURSES"),
    ):
        assert (await person.refused(change(order, courses, counties))).reason == reason
    other = await running.candidate(2)
    for request in (change(order, ("00001",)), cancellation(order)):
        assert (await other.refused(request)).reason == "NOT_FOUND"
    nothing = types.Order(order_id=new_id())
    for request in (change(nothing, ("00001",)), cancellation(nothing)):
        assert (await person.refused(request)).reason == "NOT_FOUND"
    assert await last_order(running, 1) == order
    assert await seats(running) == {(1, 0)}


async def test_a_full_slot_that_one_keeps_is_no_obstacle(running: Installation) -> None:
    """The only seats are the candidate's own: another course of the slot is had, or one fewer."""
    order = await hold(running, 1)
    person = await running.candidate(1)
    kept = (await person.call(change(order, ("00002", "00003")))).order
    assert [course.course_code for course in kept.courses] == ["00002", "00003"]
    await person.call(change(order, ("00003",), (JINJIANG, QINGYANG)))
    assert (await until_held(running, 2, ("00001",))).county_code == JINJIANG
    assert await seats(running) == {(1, 0)}


async def test_several_orders_stay_in_one_county(running: Installation) -> None:
    """One of two cannot move alone, nor into the other's slot; its own county is no obstacle."""
    first = await hold(running, 1, ("00001",))
    await hold(running, 1, ("00003",))
    person = await running.candidate(1)
    for courses, counties in ((("00001",), (QINGYANG,)), (("00003",), (JINJIANG,))):
        refused = await person.refused(change(first, courses, counties))
        assert (refused.reason, refused.metadata) == (
            "ALREADY_ENROLLED",
            {"county_code": JINJIANG},
        )
    await person.call(change(first, ("00002",)))
    await person.call(cancellation(first))
    assert await seats(running) == {(0, 0), (1, 0)}


async def test_changes_end_with_the_hold_and_the_window(running: Installation) -> None:
    """The deadline of an order is its first; after the window nothing is changed, but cancelled."""
    await running.move_clock(CLOSES_AT - timedelta(minutes=1))
    order = await hold(running, 1)
    await running.move_clock(CLOSES_AT)
    person = await running.candidate(1)
    assert (await person.refused(change(order, ("00001",)))).reason == "ENROLLMENT_CLOSED"
    await person.call(cancellation(order))
    assert await seats(running) == {(0, 0)}
    await running.move_clock(time_from_pb(order.held_until))
    person = await running.candidate(1)
    assert (await person.refused(change(order, ("00001",)))).reason == "HOLD_EXPIRED"


async def test_a_cancelled_seat_is_had_at_once(running: Installation) -> None:
    """The order is released in the answer; cancelling again changes nothing."""
    order, person = await hold(running, 1), await running.candidate(1)
    request = cancellation(order)
    answer = await person.call(request)
    assert answer.order.state == types.ORDER_STATE_RELEASED
    again = await person.call(cancellation(order))
    assert answer == again == await person.call(request)
    assert (await person.refused(change(order, ("00001",)))).reason == "STATE_NOT_ALLOWED"
    await until_held(running, 2)
    assert await seats(running) == {(1, 0)}
    assert [event[:2] for event in await history(running, order)] == [
        ("submit", "held"),
        ("cancel", "released"),
    ]


async def test_an_open_payment_is_closed_before_its_order_is_cancelled(
    running: Installation,
) -> None:
    """The platform takes no money for it any more, and the seats are free in the answer."""
    order, person = await hold(running, 1), await running.candidate(1)
    code = await payment_code(running, 1, order)
    answer = await person.call(cancellation(order))
    assert answer.order.state == types.ORDER_STATE_RELEASED
    with pytest.raises(Exception, match="PERMISSION_DENIED"):
        await pay(running, code)
    assert await seats(running) == {(0, 0)}
    assert [event[:2] for event in await history(running, order)] == [
        ("submit", "held"),
        ("open_payment", "paying"),
        ("cancel", "closing"),
        ("close", "released"),
    ]


async def test_cancelling_while_the_platform_is_away(running: Installation) -> None:
    """The answer says that it is closing; the seats go back once the platform has answered."""
    order, person = await hold(running, 1), await running.candidate(1)
    await payment_code(running, 1, order)
    await running.platform.stop()
    request = cancellation(order)
    answer = await person.call(request)
    assert answer.order.state == types.ORDER_STATE_CLOSING
    assert await seats(running) == {(1, 0)}
    running.platform.start()
    await running.until_serving(running.platform)
    await until_closed(running, 1)
    assert await person.call(request) == answer
    assert (await person.call(cancellation(order))).order.state == types.ORDER_STATE_RELEASED
    assert await seats(running) == {(0, 0)}


async def test_a_paid_order_is_not_given_up(running: Installation) -> None:
    """Neither cancelled nor changed: no refund of a confirmed enrollment."""
    order, person = await hold(running, 1), await running.candidate(1)
    await pay(running, await payment_code(running, 1, order))
    await until_state(running, 1, "CONFIRMED")
    for request in (cancellation(order), change(order, ("00001",))):
        refused = await person.refused(request)
        assert (refused.reason, refused.metadata) == ("STATE_NOT_ALLOWED", {"state": "报考成功"})
    assert await seats(running) == {(0, 1)}


async def test_additions_have_an_order_and_a_fee_of_their_own(running: Installation) -> None:
    """Beside a hold and after paying: the limit counts all courses, the fee those added."""
    first = await hold(running, 1, ("00001",))
    await pay(running, await payment_code(running, 1, first))
    await until_state(running, 1, "CONFIRMED")
    added = await hold(running, 1, ("00003",))
    assert (added.county_code, added.fee_fen) == (JINJIANG, FEE_FEN)
    assert await seats(running) == {(0, 1), (1, 0)}
    person = await running.candidate(1)
    await person.call(cancellation(added))
    assert await state_of(running, 1) == "RELEASED"
    assert await seats(running) == {(0, 1), (0, 0)}
    assert len(await orders(running, 1)) == 2


async def test_additions_are_refused_where_one_submission_is_all(running: Installation) -> None:
    """With an order in force, held or paid; once it has ended another is taken."""
    often = small_session(seats=2)
    once = replace(often, policies=Policies(single_submission=True))
    await apply_session(running, once)
    person, first = await running.candidate(1), await hold(running, 1, ("00001",))
    addition = submission(("00003",))
    assert (await person.refused(addition)).reason == "SUBMISSION_ONLY_ONCE"
    elsewhere = await person.refused(submission(("00003",), (QINGYANG,)))
    assert elsewhere.reason == "ALREADY_ENROLLED"
    assert (await person.call(change(first, ("00001", "00003")))).order.fee_fen == FEE
    await person.call(cancellation(first))
    await person.call(plan(("00001",)))
    second = (await person.call(plan_submission())).order
    await pay(running, await payment_code(running, 1, second))
    await until_state(running, 1, "CONFIRMED")
    assert (await person.refused(addition)).reason == "SUBMISSION_ONLY_ONCE"
    await apply_session(running, often)
    assert (await person.call(addition)).order.fee_fen == FEE_FEN


async def test_one_order_wanted_three_ways_at_once(running: Installation) -> None:
    """Two changes and a cancellation of one moment are decided one after the other."""
    order, person = await hold(running, 1, ("00001",)), await running.candidate(1)
    answers = await asyncio.gather(
        person.call(change(order, ("00003",), (QINGYANG,))),
        person.call(change(order, COURSES)),
        person.call(cancellation(order)),
        return_exceptions=True,
    )
    assert not isinstance(answers[2], BaseException)
    assert await state_of(running, 1) == "RELEASED"
    assert await seats(running) == await seats(running, QINGYANG) == {(0, 0)}


async def test_an_order_that_is_being_paid_is_changed(running: Installation) -> None:
    """Its payment is closed at the platform first; the next one has an id and a fee of its own."""
    order, person = await hold(running, 1, ("00001",)), await running.candidate(1)
    first = await payment_code(running, 1, order)
    refused = await person.refused(change(order, ("00001", "00002")))
    assert (refused.reason, await state_of(running, 1)) == ("SLOT_CONFLICT", "PAYING")
    changed = (await person.call(change(order, COURSES))).order
    assert (changed.state, changed.fee_fen, changed.payment_code) == (
        types.ORDER_STATE_HELD,
        FEE,
        "",
    )
    with pytest.raises(Exception, match="PERMISSION_DENIED"):
        await pay(running, first)
    second = (await person.call(payment_request(order))).payment_code
    assert second != first
    # Old money is not the fee any more; the new one is.
    await pay(running, first, after_close=True)
    await until_refunded(running, 1, FEE_FEN)
    await pay(running, second)
    await until_state(running, 1, "CONFIRMED")
    assert await seats(running) == {(0, 1)}
    assert [event[:2] for event in await history(running, order)] == [
        ("submit", "held"),
        ("open_payment", "paying"),
        ("withdraw_payment", "held"),
        ("change", "held"),
        ("open_payment", "paying"),
        ("pay", "confirmed"),
    ]


async def test_old_money_that_is_the_fee_counts(running: Installation) -> None:
    """A payment of a withdrawn attempt confirms the order that still holds; the open one is closed.

    The platform is asked about what was left open, and takes no second payment then.
    """
    order, person = await hold(running, 1), await running.candidate(1)
    first = await payment_code(running, 1, order)
    await person.call(change(order, COURSES, (QINGYANG,)))
    second = await payment_code(running, 1, order)
    await pay(running, first, after_close=True)
    assert (await until_state(running, 1, "CONFIRMED")).county_code == QINGYANG
    await running.rows("UPDATE enrollment.payment_order SET next_query_at = now()")

    async def is_closed() -> bool:
        rows = await running.rows("SELECT FROM enrollment.payment_order WHERE state = 'open'")
        return not rows

    await until(is_closed)
    with pytest.raises(Exception, match="PERMISSION_DENIED"):
        await pay(running, second)
    await pay(running, second, after_close=True)
    await until_refunded(running, 1, FEE)


async def test_a_change_while_the_platform_is_away(running: Installation) -> None:
    """UNAVAILABLE, and all is as it was; the same request is fulfilled once it is back."""
    order, person = await hold(running, 1), await running.candidate(1)
    code = await payment_code(running, 1, order)
    await running.platform.stop()
    request = change(order, ("00001",))
    assert (await person.refused(request)).reason == "UNAVAILABLE"
    assert (await last_order(running, 1)).payment_code == code
    running.platform.start()
    await running.until_serving(running.platform)

    async def changed() -> bool:
        try:
            await person.call(request)
        except grpc.aio.AioRpcError as error:
            if reason_of(error) != "UNAVAILABLE":
                raise
            return False
        return True

    await until(changed)
    assert await seats(running) == {(1, 0), (0, 0)}


async def test_a_withdrawal_that_never_ended(running: Installation) -> None:
    """Its process died once the platform had closed: seconds later there is another code."""
    order = await hold(running, 1)
    first = await payment_code(running, 1, order)
    config = DatabaseConfig(dsn=running.dsn)
    async with await Database.connect(config, Queries.load(PACKAGE)) as db, db.transaction() as tx:
        order_id, who = UUID(order.order_id), UUID(order.candidate_id)
        await begin_withdrawing(Store(tx), order_id, who, running.now())
    name = await payment_order_id(running, order)
    enrollment = await running.caller("enrollment", running.platform_port)
    await enrollment.call(payment_pb.ClosePaymentOrderRequest(order_id=name))
    await running.rows(
        "UPDATE enrollment.payment_order SET next_query_at = next_query_at - $1::interval",
        CLOSING_LEASE,
    )

    async def is_known() -> bool:
        return not (await last_order(running, 1)).payment_code

    await until(is_known)
    assert await payment_code(running, 1, order) not in ("", first)


async def test_paid_before_it_is_withdrawn(running: Installation) -> None:
    """Word of the payment is late: the platform tells it when asked to close, and it counts."""
    await keep_word_back(running)
    person = await running.candidate(1)
    for county, wish in ((JINJIANG, change), (QINGYANG, cancellation)):
        number = 1 if wish is change else 2
        person = await running.candidate(number)
        order = await hold(running, number, counties=(county,))
        await pay(running, await payment_code(running, number, order))
        assert (await person.refused(wish(order))).reason == "STATE_NOT_ALLOWED"
        assert await state_of(running, number) == "CONFIRMED"
        assert await seats(running, county) == {(0, 1)}
