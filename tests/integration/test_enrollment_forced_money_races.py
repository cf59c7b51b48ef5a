"""Money at the worst moment, forced; and the same with what keeps it safe removed."""

from uuid import UUID

import pytest
from support.clocks import FixedClock
from support.enrollment_audit import violations
from support.enrollment_database import NOW
from support.enrollment_desks import entry, order_of, still_desk
from support.enrollment_sessions import FEE_FEN
from support.races import (
    CANDIDATES,
    LATER,
    NO_CHECK,
    ORDERS,
    REAL,
    SEATS,
    SESSION,
    deadlocks,
    execute,
    expire,
    meet,
    one_seat_each,
    reasons,
    without_locks,
)
from support.service_databases import MakeDatabase
from zikao_enrollment.commands.expire_orders import expire_orders
from zikao_enrollment.commands.release_orders import release_orders
from zikao_enrollment.domain.money import Payment, PaymentOrder
from zikao_enrollment.domain.order_states import OrderState
from zikao_enrollment.money.till import Till
from zikao_enrollment.seats.desk import Desk
from zikao_enrollment.store import Store
from zikao_kit.db import Database
from zikao_kit.queries import Queries


@pytest.fixture
async def dsn(make_database: MakeDatabase) -> str:
    """A ledger of one seat a county and slot, and five candidates."""
    return await one_seat_each(make_database)


# Money that comes late, for a seat that somebody else wants.


async def pay_late_for_the_last_seat(dsn: str, queries: Queries) -> None:
    """The payment comes first: its order has the seat again, and the other candidate does not."""
    async with still_desk(dsn, queries) as (db, boards, desk):
        order_id = await released_order(db, desk)
        till = Till(db, FixedClock(LATER), boards)
        paid = till.settle(Payment("late", order_id, 2 * FEE_FEN, LATER))
        answers = await meet(dsn, [SEATS], paid, desk.decide([entry(2)]))
    assert await violations(dsn) == {}
    assert answers[0] is None
    assert reasons(answers[1:]) == ["SOLD_OUT"]


async def released_order(db: Database, desk: Desk) -> UUID:
    """An order of candidate 1 whose hold has ended."""
    order_id = await order_to_pay(db, desk)
    await db.run(expire)
    return order_id


async def order_to_pay(db: Database, desk: Desk) -> UUID:
    """An order of candidate 1, which the platform has under the same id."""
    (answer,) = await desk.decide([entry(1)])
    order_id = UUID(order_of(answer).order_id)
    async with db.transaction() as tx:
        opened = PaymentOrder(order_id, order_id, 2 * FEE_FEN)
        await Store(tx).payment_orders.open(opened, NOW, SESSION.hold)
    return order_id


async def test_a_late_payment_and_a_submission(dsn: str) -> None:
    """Both lock the seats before they look at them."""
    await execute(dsn, NO_CHECK)
    await pay_late_for_the_last_seat(dsn, REAL)


async def test_the_check_alone_keeps_a_late_payment_from_harm(dsn: str) -> None:
    """Without the lock the ledger refuses the second one."""
    await pay_late_for_the_last_seat(dsn, without_locks("lock_seats"))


async def test_without_both_a_late_payment_oversells(dsn: str) -> None:
    """Negative control: the same test finds two people on one seat."""
    await execute(dsn, NO_CHECK)
    with pytest.raises(AssertionError, match="enrollment_no_seat_is_sold_twice"):
        await pay_late_for_the_last_seat(dsn, without_locks("lock_seats"))


# Money that comes while the order is being closed.


async def pay_while_the_order_closes(dsn: str, queries: Queries) -> None:
    """The payment comes first: the order is confirmed, and closing leaves it alone."""
    async with still_desk(dsn, queries) as (db, boards, desk):
        order_id = await order_to_pay(db, desk)
        async with db.transaction() as tx:
            await expire_orders(Store(tx), OrderState.HELD, LATER, 10)
        paid = Till(db, FixedClock(LATER), boards).settle(
            Payment("in time", order_id, 2 * FEE_FEN, LATER)
        )
        released = db.run(lambda tx: release_orders(Store(tx), [order_id], LATER))
        answers = await meet(dsn, [ORDERS, CANDIDATES], paid, released)
    assert await violations(dsn) == {}
    assert await deadlocks(dsn) == 0, "deadlock"
    assert answers == [None, None]


async def test_a_payment_while_the_order_closes(dsn: str) -> None:
    """Both lock the order before they look at its state."""
    await pay_while_the_order_closes(dsn, REAL)


async def test_the_same_without_the_orders_lock(dsn: str) -> None:
    """Negative control: both act on the order, and come to wait for each other."""
    with pytest.raises(AssertionError, match="deadlock"):
        await pay_while_the_order_closes(dsn, without_locks("lock_orders"))
