"""Every transition of an order and of a refund, through the RPCs, the platform and the clock: by
whom and when."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from support.enrollment_people import (
    COURSES,
    JINJIANG,
    QINGYANG,
    apply_session,
    cancellation,
    candidate_id,
    change,
    hold,
    keep_word_back,
    open_enrollment,
    paid,
    pay,
    payment_code,
    payment_order_id,
    plan,
    plan_submission,
    state_of,
    until_closed,
    until_state,
)
from support.enrollment_reconciliation import plant_payment
from support.enrollment_service import Installation
from support.enrollment_sessions import FEE_FEN, small_session
from support.service import new_id, until
from support.service_databases import MakeDatabase
from zikao.enrollment.v1 import office_service_pb2 as offices
from zikao.enrollment.v1 import types_pb2 as types
from zikao_enrollment.domain.order_states import TRANSITIONS, OrderAction, OrderState
from zikao_enrollment.domain.refunds import TRANSITIONS as REFUND_TRANSITIONS
from zikao_kit.convert import time_from_pb

FEE = 2 * FEE_FEN
# The code that is there already is given again: nothing moves.
_NO_EVENT = (OrderState.PAYING, OrderAction.OPEN_PAYMENT)
# What becomes of the order of each candidate, and by whom: "me" is the candidate.
HISTORIES = {
    1: "me: submit, open_payment, withdraw_payment, change; payment-platform: pay",
    2: "me: submit, open_payment; payment-platform: pay",
    3: "me: submit, cancel",
    4: "me: submit, open_payment, cancel, close; payment-platform: reclaim",
    5: "me: submit; expiry: expire, close",
    6: "me: submit, open_payment; expiry: expire; payment-platform: pay",
    7: "me: submit, open_payment; expiry: expire, close; payment-platform: move",
    8: "me: submit, open_payment; payment-platform: pay",
}


@pytest.fixture
async def running(make_database: MakeDatabase, tmp_path: Path) -> AsyncIterator[Installation]:
    """A session with four seats a county and slot, eight candidates."""
    session = small_session(seats=4)
    async with open_enrollment(make_database, tmp_path, session=session, candidates=8) as found:
        yield found


async def seen(running: Installation) -> dict[tuple[str | None, str], str]:
    """The moves in the history of all orders: where they led, by where from and what was done."""
    rows = await running.rows("SELECT from_state, action, to_state FROM enrollment.order_event")
    return {(row["from_state"], row["action"]): row["to_state"] for row in rows}


async def acts(running: Installation, number: int) -> list[tuple[str, str]]:
    """Who did what to the orders of a candidate, in the order of the history."""
    rows = await running.rows(
        "SELECT actor, action FROM enrollment.order_event JOIN enrollment.enrollment_order"
        " USING (order_id) WHERE candidate_id = $1 ORDER BY event_id",
        candidate_id(number),
    )
    return [tuple(row) for row in rows]


def told(number: int) -> list[tuple[str, str]]:
    """The same as `HISTORIES` tells it."""
    parts = (part.split(": ") for part in HISTORIES[number].split("; "))
    return [
        (candidate_id(number) if who == "me" else who, what)
        for who, acts in parts
        for what in acts.split(", ")
    ]


@asynccontextmanager
async def dated(running: Installation, since: datetime | None = None) -> AsyncIterator[None]:
    """What happens meanwhile is in the history with a time between `since`, or now, and then."""
    last = await running.rows("SELECT coalesce(max(event_id), 0) FROM enrollment.order_event")
    begun = since or running.now()
    yield
    rows = await running.rows(
        "SELECT at FROM enrollment.order_event WHERE event_id > $1", last[0][0]
    )
    assert rows
    assert all(begun <= row["at"] <= running.now() for row in rows)


async def notify(running: Installation, order: types.Order, name: str) -> None:
    """Word comes of the payment of an order's last attempt."""
    platform = await running.caller("payment-platform")
    at_platform = await payment_order_id(running, order)
    await platform.call(paid(name, at_platform, FEE, running.now()))


async def changed_and_paid(running: Installation) -> None:
    """1 changes while paying, and old money comes for what is held; 2 pays as it should be.

    Of what 8 pays the platform tells only when it is asked.
    """
    person, first = await running.candidate(1), await hold(running, 1)
    await payment_code(running, 1, first)
    await person.call(change(first, COURSES, (QINGYANG,)))
    await notify(running, first, "old money")
    assert await state_of(running, 1) == "CONFIRMED"
    await pay(running, await payment_code(running, 2, await hold(running, 2)))
    await until_state(running, 2, "CONFIRMED")
    await keep_word_back(running)
    await pay(running, await payment_code(running, 8, await hold(running, 8, counties=(QINGYANG,))))
    await running.rows("UPDATE enrollment.payment_order SET next_query_at = now()")
    await until_state(running, 8, "CONFIRMED")


async def cancelled(running: Installation) -> types.Order:
    """3 cancels what is held, 4 what is being paid: that order."""
    held, paying = await hold(running, 3), await hold(running, 4)
    await payment_code(running, 4, paying)
    for number, order in ((3, held), (4, paying)):
        await (await running.candidate(number)).call(cancellation(order))
        assert await state_of(running, number) == "RELEASED"
    return paying


async def unpaid(running: Installation) -> list[types.Order]:
    """5 never pays; 6 and 7 are to pay: their orders."""
    person = await running.candidate(7)
    await person.call(plan(counties=(JINJIANG, QINGYANG), may_move=True))
    last: types.Order = (await person.call(plan_submission())).order
    orders = [await hold(running, number) for number in (5, 6)]
    for number, order in ((6, orders[1]), (7, last)):
        await payment_code(running, number, order)
    return [*orders, last]


async def ended(running: Installation, of_six: types.Order, deadline: datetime) -> None:
    """The holds of 5, 6 and 7 end while the platform is away; word comes for 6 alone."""
    await running.platform.stop()
    await running.move_clock(deadline)
    await until_state(running, 5, "RELEASED")
    for number in (6, 7):
        await until_state(running, number, "CLOSING")
    await notify(running, of_six, "while closing")
    assert await state_of(running, 6) == "CONFIRMED"
    running.platform.start()
    await running.until_serving(running.platform)


async def late(running: Installation, again: types.Order, moved: types.Order) -> None:
    """4 pays late and has the seats again; 7 pays late, and is moved for they are gone."""
    await until_closed(running, 7)
    await notify(running, again, "late")
    assert await state_of(running, 4) == "CONFIRMED"
    used = await running.rows(
        "SELECT max(held + confirmed) FROM enrollment.seat_ledger WHERE county_code = $1", JINJIANG
    )
    full = small_session(seats=4)
    jinjiang = replace(full.counties[0], seats=(used[0][0],) * 2)
    await apply_session(running, replace(full, counties=(jinjiang, *full.counties[1:])))
    await notify(running, moved, "later")
    assert (await until_state(running, 7, "CONFIRMED")).county_code == QINGYANG


async def test_every_transition_can_be_made(running: Installation) -> None:
    """Each pair of the table is in the history of some order, with actor and time; nothing else."""
    async with dated(running):
        await changed_and_paid(running)
    async with dated(running):
        again = await cancelled(running)
    async with dated(running):
        left = await unpaid(running)
    deadline = max(time_from_pb(order.held_until) for order in left)
    async with dated(running, deadline):
        await ended(running, left[1], deadline)
    # Since the deadline: what ended holds may be at it still, with the time at which it began.
    async with dated(running, deadline):
        await late(running, again, left[-1])
    found = await seen(running)
    assert found.pop((None, "submit")) == "held"
    wanted = {pair: after for pair, after in TRANSITIONS.items() if pair != _NO_EVENT}
    assert found == wanted
    for number in HISTORIES:
        assert await acts(running, number) == told(number)


async def astray(running: Installation, order: types.Order, payment_id: str) -> str:
    """Word comes of 5 fen that the platform has never seen, and it refuses to give them back."""
    platform = await running.caller("payment-platform")
    at_platform = await payment_order_id(running, order)
    await platform.call(paid(payment_id, at_platform, 5, running.now()))
    await until_refund(running, payment_id, "NOT_FOUND")
    rows = await running.rows(
        "SELECT refund_id FROM enrollment.refund WHERE payment_id = $1", payment_id
    )
    return str(rows[0]["refund_id"])


async def until_refund(running: Installation, payment_id: str, answer: str) -> None:
    """Wait until this is why the platform refuses a refund, or else the refund's state."""

    async def is_so() -> bool:
        rows = await running.rows(
            "SELECT coalesce(refusal, state) AS answer FROM enrollment.refund"
            " WHERE payment_id = $1",
            payment_id,
        )
        return [row["answer"] for row in rows] == [answer]

    await until(is_so)


async def ask_now(running: Installation) -> None:
    """The pauses of all refunds are over."""
    await running.rows("UPDATE enrollment.refund SET next_attempt_at = now()")


async def test_every_transition_of_a_refund_can_be_made(running: Installation) -> None:
    """Each pair of the table is in the history of some refund, with who did it; nothing else is."""
    order = await hold(running, 1)
    code = await payment_code(running, 1, order)
    too_much = await pay(running, code, amount_fen=FEE + 1)
    await until_refund(running, too_much.payment_id, "refunded")
    at_platform = await payment_order_id(running, order)
    names = ("found", "stubborn", "slow")
    found, stubborn, slow = [await astray(running, order, name) for name in names]
    await plant_payment(running, "found", at_platform, 5)
    await plant_payment(running, "stubborn", at_platform, 4)
    await ask_now(running)
    await until_refund(running, "found", "refunded")
    await until_refund(running, "stubborn", "INVALID_REQUEST")
    officer = new_id()
    request = offices.RequestRefundAgainRequest(request_id=new_id(), refund_id=stubborn)
    await (await running.officer(JINJIANG, officer)).call(request)
    await until_refund(running, "stubborn", "INVALID_REQUEST")
    await keep_word_back(running)
    await plant_payment(running, "slow", at_platform, 5)
    await ask_now(running)
    await until_refund(running, "slow", "requested")
    rows = await running.rows("SELECT * FROM enrollment.refund_event ORDER BY event_id")
    seen = {(row["from_state"], row["action"]): row["to_state"] for row in rows}
    assert seen.pop((None, "request")) == "requested"
    assert seen == REFUND_TRANSITIONS
    assert {row["actor"] for row in rows if row["action"] == "request_again"} == {officer}
    assert {row["actor"] for row in rows if row["action"] != "request_again"} == {
        "payment-platform"
    }
    assert all(row["at"] <= running.now() for row in rows)
    assert [
        (row["action"], row["refusal"]) for row in rows if str(row["refund_id"]) == stubborn
    ] == [
        ("request", None),
        ("refuse", "NOT_FOUND"),
        ("refuse", "INVALID_REQUEST"),
        ("request_again", None),
        ("refuse", "INVALID_REQUEST"),
    ]
    for refund_id, last in ((found, "refund"), (slow, "accept")):
        made = [row["action"] for row in rows if str(row["refund_id"]) == refund_id]
        assert made == ["request", "refuse", last]
