"""Payments and expiry against a real ledger: every fen is an enrollment or a refund."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import pytest
from support.enrollment_database import NOW, enrollment_database, until_somebody_waits
from support.enrollment_seating import seat
from support.enrollment_sessions import FEE_FEN, small_session
from support.service_databases import MakeDatabase
from zikao.enrollment.v1.enrollment_feed_service_pb2 import EnrollmentEvent
from zikao_enrollment.commands.expire_orders import expire_orders
from zikao_enrollment.commands.move_refunds import (
    accept_refund,
    make_refunds,
    refuse_refund,
    request_refund_again,
)
from zikao_enrollment.commands.release_orders import release_orders
from zikao_enrollment.commands.settle_payments import Word, settle_payments
from zikao_enrollment.domain.board import AppliedSession
from zikao_enrollment.domain.choices import Choice
from zikao_enrollment.domain.money import Payment, PaymentOrder, RefundOwed
from zikao_enrollment.domain.order_states import OrderState
from zikao_enrollment.domain.orders import Order
from zikao_enrollment.domain.timetable import Session
from zikao_enrollment.domain.wishes import Submission
from zikao_enrollment.store import Store
from zikao_enrollment.stores.money import MoneyStore
from zikao_kit.batch_desk import Outdated
from zikao_kit.db import Database, Transaction
from zikao_kit.errors import DomainError
from zikao_kit.feed import Cursor, read_feed
from zikao_kit.queries import Queries

SESSION = small_session(seats=1)
COUNTIES = tuple(SESSION.county_by_code)
COURSES = ("00001", "00003")
FEE = 2 * FEE_FEN
LATER = NOW + SESSION.hold
TICK = timedelta(microseconds=1)
_TEST = Queries(
    "test",
    {
        "flags": "SELECT payment_id, flag FROM enrollment.payment",
        "refunds": "SELECT refund_id FROM enrollment.refund",
        "history": "SELECT from_state, action, to_state, actor FROM enrollment.refund_event"
        " ORDER BY event_id",
        "due": "UPDATE enrollment.refund SET next_attempt_at = now()",
        "pause": "SELECT round(extract(epoch FROM next_attempt_at - now()) / 86400)::integer"
        " FROM enrollment.refund",
        "owed": "SELECT coalesce(sum(amount_fen), 0)::bigint FROM enrollment.refund",
    },
)


@pytest.fixture
async def database(make_database: MakeDatabase) -> AsyncIterator[Database]:
    """A ledger of one seat a county and slot, and three candidates."""
    async with enrollment_database(make_database, SESSION, 3) as found:
        yield found


async def hold(
    database: Database,
    candidate: int,
    county: str = COUNTIES[0],
    courses: tuple[str, ...] = COURSES,
) -> Order:
    """Hold a seat a course, by default in both slots of a county, for a candidate."""
    wanted = Submission(uuid4(), UUID(int=candidate), Choice(courses, (county,)))
    async with database.transaction() as transaction:
        store = Store(transaction)
        candidates = await store.candidates.lock([wanted.candidate_id])
        (order,) = await seat(store, SESSION, candidates, [wanted], NOW)
        assert isinstance(order, Order)
        # At the platform under the same id.
        opened = PaymentOrder(order.order_id, order.order_id, order.fee_fen)
        await store.payment_orders.open(opened, NOW, SESSION.hold)
    return order


async def pay(
    database: Database,
    order_id: UUID,
    payment_id: str = "p1",
    amount_fen: int = FEE,
    session: Session = SESSION,
) -> None:
    """Word of a payment comes; raises its refusal."""
    word = Word(Payment(payment_id, order_id, amount_fen, NOW), uuid4())
    applied = {session.code: AppliedSession(session, 1)}
    while True:
        try:
            async with database.transaction() as transaction:
                (refusal,) = await settle_payments(Store(transaction), applied, [word], LATER)
        except Outdated:
            continue
        if refusal:
            raise refusal
        return


async def state_of(database: Database, order: Order) -> OrderState:
    """Where an order stands now."""
    async with database.transaction() as transaction:
        found = await Store(transaction).orders.lock_one(order.order_id)
    assert found is not None
    return found.state


async def expire(transaction: Transaction, at: datetime) -> Sequence[UUID]:
    """Expire held orders."""
    return await expire_orders(Store(transaction), OrderState.HELD, at, 10)


async def release(database: Database, order: Order) -> None:
    """Expire an order, and hear from the platform that it is closed."""
    async with database.transaction() as transaction:
        assert await expire(transaction, LATER) == [order.order_id]
    async with database.transaction() as transaction:
        await release_orders(Store(transaction), [order.order_id], LATER)


async def seats(database: Database, county: str = COUNTIES[0]) -> set[tuple[int, int]]:
    """Held and confirmed seats of the county's slots."""
    async with database.read() as transaction:
        rows = await transaction.fetch("list_seats")
    return {(row["held"], row["confirmed"]) for row in rows if row["county_code"] == county}


async def owed_fen(database: Database) -> int:
    """What goes back of all payments."""
    async with database.read() as transaction:
        owed: int = await transaction.using(_TEST).fetchval("owed")
    return owed


async def lease(database: Database) -> RefundOwed:
    """The one refund there is, due now: for a day, then two days, or nine at most when refused."""
    async with database.transaction() as transaction:
        await transaction.using(_TEST).execute("due")
    async with database.transaction() as transaction:
        (owed,) = await MoneyStore(transaction).lease_refunds(
            timedelta(days=1), timedelta(days=2), timedelta(days=9), 1
        )
    return owed


async def flags(database: Database) -> dict[str, str | None]:
    """What is wrong with the payments that have come."""
    async with database.read() as transaction:
        rows = await transaction.using(_TEST).fetch("flags")
    return {row["payment_id"]: row["flag"] for row in rows}


async def test_a_payment_confirms(database: Database) -> None:
    """The fee confirms the order and its seats; the same word again changes nothing."""
    order = await hold(database, 1)
    for _ in range(2):
        await pay(database, order.order_id)
        assert await state_of(database, order) is OrderState.CONFIRMED
    assert await seats(database) == {(0, 1)}
    assert await owed_fen(database) == 0


async def test_wrong_second_and_unknown_payments_go_back(database: Database) -> None:
    """Another amount, a second payment and an order that does not exist are all refunded."""
    order, nobody = await hold(database, 1), uuid4()
    await pay(database, order.order_id, "wrong", FEE - 1)
    assert await seats(database) == {(1, 0)}
    await pay(database, order.order_id, "right")
    await pay(database, order.order_id, "second")
    await pay(database, nobody, "astray", 5)
    assert await seats(database) == {(0, 1)}
    assert await owed_fen(database) == FEE - 1 + FEE + 5
    assert await flags(database) == {
        "wrong": "amount_differs",
        "right": None,
        "second": "second_payment",
        "astray": "unknown_order",
    }


async def test_a_hold_ends_at_its_deadline(database: Database) -> None:
    """Not a moment before; then the seats go back and another candidate has them."""
    order = await hold(database, 1)
    async with database.transaction() as transaction:
        assert not await expire(transaction, LATER - TICK)
    await release(database, order)
    assert await seats(database) == {(0, 0)}
    assert (await hold(database, 2)).county_code == order.county_code


async def test_a_payment_while_closing_confirms(database: Database) -> None:
    """Paid before the platform closed it: confirmed, and a later release does nothing."""
    order = await hold(database, 1)
    async with database.transaction() as transaction:
        await expire(transaction, LATER)
    await pay(database, order.order_id)
    async with database.transaction() as transaction:
        await release_orders(Store(transaction), [order.order_id], LATER)
    assert await state_of(database, order) is OrderState.CONFIRMED
    assert await seats(database) == {(0, 1)}


async def test_a_late_payment_takes_free_seats_again(database: Database) -> None:
    """The seats are free still: the order is confirmed with them."""
    order = await hold(database, 1)
    await release(database, order)
    await pay(database, order.order_id)
    assert await state_of(database, order) is OrderState.CONFIRMED
    assert await seats(database) == {(0, 1)}
    assert await owed_fen(database) == 0


@pytest.mark.parametrize(("may_move", "owed"), [(False, FEE), (True, 0)])
async def test_a_late_payment_moves_only_with_consent(
    database: Database, may_move: bool, owed: int
) -> None:
    """The seats are gone: another county when the plan allows it, else the money goes back."""
    order = await hold(database, 1)
    async with database.transaction() as transaction:
        await transaction.execute(
            "save_plan", "22.1", UUID(int=1), ["00001", "00003"], list(COUNTIES), may_move, NOW
        )
    await release(database, order)
    await hold(database, 2)
    await pay(database, order.order_id)
    expected = OrderState.CONFIRMED if may_move else OrderState.RELEASED
    assert await state_of(database, order) is expected
    assert await seats(database, COUNTIES[1]) == {(0, 1) if may_move else (0, 0)}
    assert await owed_fen(database) == owed
    assert await flags(database) == {"p1": "late"}


async def test_a_late_payment_takes_no_course_that_has_moved(database: Database) -> None:
    """Nobody's hold kept the course in its slot: the seat would be for another examination."""
    order = await hold(database, 1)
    await release(database, order)
    moved = replace(SESSION.courses[0], slot=2)
    later = replace(SESSION, courses=(moved, *SESSION.courses[1:]))
    await pay(database, order.order_id, session=later)
    assert await state_of(database, order) is OrderState.RELEASED
    assert await seats(database) == {(0, 0)}
    assert await owed_fen(database) == FEE


async def test_one_payment_confirms_one_order(database: Database) -> None:
    """A platform that names one payment for two orders confirms the first alone, also at once."""
    first, second = await hold(database, 1), await hold(database, 2, COUNTIES[1])
    applied = {SESSION.code: AppliedSession(SESSION, 1)}
    async with database.transaction() as transaction:
        word = Word(Payment("p1", first.order_id, FEE, NOW), uuid4())
        await settle_payments(Store(transaction), applied, [word], LATER)
        paying = asyncio.create_task(pay(database, second.order_id))
        await until_somebody_waits(database)
    with pytest.raises(DomainError, match="PAYMENT_CONTRADICTS"):
        await paying
    with pytest.raises(DomainError, match="PAYMENT_CONTRADICTS"):
        await pay(database, second.order_id)
    assert await state_of(database, second) is OrderState.HELD
    assert (await seats(database), await seats(database, COUNTIES[1])) == ({(0, 1)}, {(1, 0)})


@pytest.mark.parametrize("exists", [True, False])
async def test_word_of_a_payment_does_not_change(database: Database, exists: bool) -> None:
    """Another amount under the same id is refused, and what was stored first stays."""
    order_id = (await hold(database, 1)).order_id if exists else uuid4()
    await pay(database, order_id)
    with pytest.raises(DomainError, match="PAYMENT_CONTRADICTS"):
        await pay(database, order_id, amount_fen=FEE - 1)
    await pay(database, order_id)
    assert await owed_fen(database) == (0 if exists else FEE)
    assert await seats(database) == {(0, 1) if exists else (0, 0)}


async def test_a_refund_is_made_once(database: Database) -> None:
    """Two processes hear of it at once, and a no comes after: it was made, and that is one line."""
    order = await hold(database, 1)
    await pay(database, order.order_id, "wrong", FEE - 1)
    owed = await lease(database)
    made = {owed.refund_id: LATER}

    async def hear() -> None:
        async with database.transaction() as transaction:
            await make_refunds(MoneyStore(transaction), made, LATER)

    async with database.transaction() as transaction:
        await make_refunds(MoneyStore(transaction), made, LATER)
        second = asyncio.create_task(hear())
        await until_somebody_waits(database)
    await second
    async with database.transaction() as transaction:
        await refuse_refund(MoneyStore(transaction), owed, "NOT_FOUND", LATER)
        history = [tuple(row) for row in await transaction.using(_TEST).fetch("history")]
    assert history == [
        (None, "request", "requested", "payment-platform"),
        ("requested", "refund", "refunded", "payment-platform"),
    ]


async def test_an_old_answer_undoes_nothing(database: Database) -> None:
    """No and yes are not heard once an officer, or another process, has asked anew."""
    order = await hold(database, 1)
    await pay(database, order.order_id, "wrong", FEE - 1)
    first = await lease(database)
    async with database.transaction() as transaction:
        store = MoneyStore(transaction)
        await refuse_refund(store, first, "NOT_FOUND", LATER)
        await request_refund_again(
            store, first.refund_id, officer="officer", now=LATER, dry_run=False
        )
        await refuse_refund(store, first, "NOT_FOUND", LATER)
    second = await lease(database)
    third = await lease(database)
    async with database.transaction() as transaction:
        store = MoneyStore(transaction)
        await refuse_refund(store, second, "NOT_FOUND", LATER)
        await accept_refund(store, third, LATER)
        await refuse_refund(store, third, "INVALID_REQUEST", LATER)
        await accept_refund(store, second, LATER)
        history = [tuple(row) for row in await transaction.using(_TEST).fetch("history")]
    assert history == [
        (None, "request", "requested", "payment-platform"),
        ("requested", "refuse", "refused", "payment-platform"),
        ("refused", "request_again", "requested", "officer"),
        ("requested", "refuse", "refused", "payment-platform"),
    ]


async def test_pauses_grow_further_once_refused(database: Database) -> None:
    """They go on doubling after a no, up to a longer one; an officer's act begins them anew."""
    order = await hold(database, 1)
    await pay(database, order.order_id, "wrong", FEE - 1)

    async def pauses(count: int) -> list[int]:
        found = []
        for _ in range(count):
            owed = await lease(database)
            async with database.read() as transaction:
                found.append(await transaction.using(_TEST).fetchval("pause"))
        async with database.transaction() as transaction:
            await refuse_refund(MoneyStore(transaction), owed, "NOT_FOUND", LATER)
            assert await transaction.using(_TEST).fetchval("pause") == found[-1]
        return found

    assert await pauses(3) == [1, 2, 2]
    assert await pauses(3) == [8, 9, 9]
    async with database.transaction() as transaction:
        refund_id = await transaction.using(_TEST).fetchval("refunds")
        await request_refund_again(
            MoneyStore(transaction), refund_id, officer="officer", now=LATER, dry_run=False
        )
    assert await pauses(1) == [1]


async def test_the_last_event_is_the_last_state(database: Database) -> None:
    """Two orders of a candidate are paid at once: the last event has the courses of both."""
    for number, county in enumerate(COUNTIES, start=1):
        held = [await hold(database, number, county, (course,)) for course in COURSES]
        async with database.transaction() as transaction:
            await Store(transaction).candidates.lock([UUID(int=number)])
            paying = [
                asyncio.create_task(pay(database, order.order_id, str(uuid4()), FEE_FEN))
                for order in held
            ]
            await until_somebody_waits(database, len(paying))
        await asyncio.gather(*paying)
    page = await read_feed(database, "enrollment", Cursor(), 100)
    last = {row.key: EnrollmentEvent.FromString(row.payload) for row in page.rows}
    assert set(last) == {f"22.1:{UUID(int=number)}" for number in (1, 2)}
    for event in last.values():
        assert tuple(course.course_code for course in event.courses) == COURSES
