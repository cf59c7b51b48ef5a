"""Settling payments in batches: beside everybody else, with poison, and late after a change."""

import asyncio
from collections.abc import Coroutine
from dataclasses import replace
from datetime import timedelta
from random import Random
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from support.clocks import FixedClock
from support.enrollment_database import NOW, enrollment_database
from support.enrollment_desks import (
    Instance,
    cancel_entry,
    change_entry,
    entry,
    instance,
    order_of,
    still_desk,
)
from support.enrollment_sessions import FEE_FEN, small_session
from support.service_databases import MakeDatabase, database_of
from zikao.enrollment.v1 import types_pb2
from zikao_enrollment.commands.apply_session import apply_session
from zikao_enrollment.commands.expire_orders import expire_orders
from zikao_enrollment.commands.release_orders import release_orders
from zikao_enrollment.commands.settle_payments import Word
from zikao_enrollment.domain.money import Payment, PaymentOrder
from zikao_enrollment.domain.order_states import OrderState
from zikao_enrollment.money.till import Till
from zikao_enrollment.store import Store
from zikao_enrollment.stores.sessions import SessionStore
from zikao_kit.db import Database
from zikao_kit.errors import DomainError

SEATS = 20
CANDIDATES = 80
SESSION = small_session(SEATS)
COUNTIES = tuple(SESSION.county_by_code)
FEE = 2 * FEE_FEN
LATER = NOW + SESSION.hold


@pytest.fixture
async def dsn(make_database: MakeDatabase) -> str:
    """A ledger of twenty seats a county and slot, and eighty candidates."""
    made = await make_database("enrollment")

    async def same(_service: str) -> str:
        return made

    async with enrollment_database(same, SESSION, CANDIDATES):
        return made


def till_of(db: Database, boards: Any) -> Till:
    """A till at the opening of the window."""
    return Till(db, FixedClock(NOW), boards)


def word(order: types_pb2.Order, payment_id: str = "") -> Word:
    """Word of the payment of an order, which the platform knows under the same id."""
    payment = Payment(payment_id or f"P{order.order_id}", UUID(order.order_id), FEE, NOW)
    return Word(payment, uuid4())


async def payable(db: Database, *orders: types_pb2.Order) -> None:
    """Let the platform have orders, under their own ids."""
    async with db.transaction() as tx:
        for order in orders:
            opened = PaymentOrder(UUID(order.order_id), UUID(order.order_id), order.fee_fen)
            await Store(tx).payment_orders.open(opened, NOW, timedelta(hours=1))


async def rows(dsn: str, sql: str) -> list[tuple[Any, ...]]:
    """What is in the database."""
    connection = await asyncpg.connect(dsn)
    try:
        return [tuple(row) for row in await connection.fetch(sql)]
    finally:
        await connection.close()


async def expire(db: Database, limit: int) -> None:
    """End some holds, as the worker does that finds their deadlines passed."""

    async def work(tx: Any) -> None:
        store = Store(tx)
        expired = await expire_orders(store, OrderState.HELD, LATER, limit)
        await release_orders(store, expired, LATER)

    await db.run(work)


async def quietly(work: Coroutine[Any, Any, Any]) -> None:
    """Do it; refusals are answers too, but no fault is."""
    try:
        await work
    except DomainError as refusal:
        if refusal.reason == "INTERNAL":
            raise


def everything(
    chance: Random, orders: list[types_pb2.Order], one: Instance, other: Instance
) -> list[Coroutine[Any, Any, Any]]:
    """All that may happen to some orders at once, in two processes."""
    tills = [till_of(each.db, each.boards) for each in (one, other)]
    todo: list[Coroutine[Any, Any, Any]] = []
    for number, order in enumerate(orders, start=1):
        order_id, at = UUID(order.order_id), chance.choice((one, other))
        courses, counties = ("00002", "00003"), tuple(chance.sample(COUNTIES, 2))
        todo += [
            chance.choice(tills).settle(word(order).payment),
            chance.choice(tills).settle(word(order, f"second {order_id}").payment),
            at.submit(change_entry(number, order_id, courses, counties)),
        ]
        if number % 4 == 0:
            todo.append(at.submit(cancel_entry(number, order_id)))
    for number in range(len(orders) + 1, CANDIDATES + 1):
        counties = tuple(chance.sample(COUNTIES, 2))
        todo.append(chance.choice((one, other)).submit(entry(number, counties=counties)))
    todo += [expire(chance.choice((one, other)).db, 2) for _ in range(3)]
    chance.shuffle(todo)
    return todo


async def test_everything_at_once(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Paid, paid twice, changed, cancelled, expired, taken: no deadlock, no seat or fen lost."""
    # Small, so that many transactions want the same rows.
    monkeypatch.setattr("zikao_enrollment.money.till.MAX_BATCH", 2)
    async with instance(dsn, 4) as one, instance(dsn, 4) as other:
        held = await asyncio.gather(*(one.submit(entry(n)) for n in range(1, SEATS + 1)))
        await payable(one.db, *held)
        await asyncio.gather(*map(quietly, everything(Random(4), list(held), one, other)))
    ((deadlocks,),) = await rows(
        dsn, f"SELECT deadlocks FROM pg_stat_database WHERE datname = '{database_of(dsn)}'"
    )
    assert deadlocks == 0
    assert await rows(dsn, "SELECT held, confirmed FROM enrollment.seat_ledger ORDER BY 1, 2") == (
        await rows(
            dsn,
            "SELECT count(*) FILTER (WHERE state <> 'confirmed'),"
            " count(*) FILTER (WHERE state = 'confirmed') FROM enrollment.sitting"
            " GROUP BY county_code, slot ORDER BY 1, 2",
        )
    )
    ((received, confirmed, refunded),) = await rows(
        dsn,
        "SELECT (SELECT sum(amount_fen) FROM enrollment.payment)::bigint,"
        " (SELECT coalesce(sum(fee_fen), 0) FROM enrollment.enrollment_order"
        "  WHERE state = 'confirmed')::bigint,"
        " (SELECT sum(amount_fen) FROM enrollment.refund)::bigint",
    )
    assert received == 2 * SEATS * FEE == confirmed + refunded
    assert confirmed > 0


async def test_a_poisonous_payment_fails_alone(dsn: str) -> None:
    """It breaks a rule of the ledger, or contradicts what came before: the others are settled."""
    async with instance(dsn) as one:
        till = till_of(one.db, one.boards)
        first, second = await one.submit(entry(1)), await one.submit(entry(2))
        broken = await one.submit(entry(3, counties=COUNTIES[1:]))
        await payable(one.db, first, second, broken)
        await till.settle(word(first).payment)
        await rows(
            dsn, f"UPDATE enrollment.seat_ledger SET held = 0 WHERE county_code = '{COUNTIES[1]}'"
        )
        other = replace(word(first).payment, amount_fen=1)
        answers = await till.decide([word(broken), Word(other, uuid4()), word(second)])
    reasons = [getattr(answer, "reason", "settled") for answer in answers]
    assert reasons == ["INTERNAL", "PAYMENT_CONTRADICTS", "settled"]
    states = await rows(dsn, "SELECT state FROM enrollment.enrollment_order ORDER BY candidate_id")
    assert states == [("confirmed",), ("confirmed",), ("held",)]


async def test_the_same_word_at_once(dsn: str) -> None:
    """Three times in one process and in another: one payment, one refund of the second."""
    async with instance(dsn) as one, instance(dsn) as other:
        order = await one.submit(entry(1))
        await payable(one.db, order)
        tills = [till_of(each.db, each.boards) for each in (one, other)]
        words = [word(order), word(order, "twice"), Word(word(order).payment, uuid4())]
        await asyncio.gather(*(till.settle(w.payment) for till in tills for w in words))
        contradiction = replace(words[0].payment, amount_fen=FEE + 1)
        with pytest.raises(DomainError, match="PAYMENT_CONTRADICTS"):
            await tills[0].settle(contradiction)
    assert await rows(dsn, "SELECT count(*) FROM enrollment.payment") == [(2,)]
    assert await rows(dsn, "SELECT amount_fen FROM enrollment.refund") == [(FEE,)]


async def test_a_late_payment_goes_by_the_session_as_it_is(dsn: str) -> None:
    """A course has moved since the board was read: its seat would be for another examination."""
    async with still_desk(dsn) as (db, boards, desk):
        (answer,) = await desk.decide([entry(1)])
        order = order_of(answer)
        await payable(db, order)
        await expire(db, 1)
        courses = (replace(SESSION.courses[0], slot=2), *SESSION.courses[1:])
        async with db.transaction() as tx:
            moved = replace(SESSION, courses=courses)
            await apply_session(SessionStore(tx), moved, dry_run=False, now=NOW)
        assert await till_of(db, boards).decide([word(order)]) == [b"settled"]
        assert boards.current.require("22.1").version == 2
    assert await rows(dsn, "SELECT amount_fen FROM enrollment.refund") == [(FEE,)]
    assert await rows(dsn, "SELECT sum(held + confirmed) FROM enrollment.seat_ledger") == [(0,)]
