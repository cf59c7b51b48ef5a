"""Makes transactions meet at a point, and takes away what keeps them from harm there.

Nothing is left to chance: an outsider holds the rows that all of them need, until all wait.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Iterable, Sequence
from datetime import timedelta
from typing import TypeVar

import asyncpg
from support.enrollment_database import NOW, enrollment_database
from support.enrollment_sessions import small_session
from support.service import until
from support.service_databases import MakeDatabase, database_of
from zikao_enrollment.commands.expire_orders import expire_orders
from zikao_enrollment.commands.release_orders import release_orders
from zikao_enrollment.domain.order_states import OrderState
from zikao_enrollment.names import PACKAGE
from zikao_enrollment.store import Store
from zikao_kit.db import Transaction
from zikao_kit.errors import DomainError
from zikao_kit.queries import Queries

T = TypeVar("T")
REAL = Queries.load(PACKAGE)
SESSION = small_session(seats=1)
LATER = NOW + SESSION.hold + timedelta(minutes=1)
# What an outsider holds until everybody waits.
SEATS = "SELECT FROM enrollment.seat_ledger"
CANDIDATES = "SELECT FROM enrollment.candidate"
ORDERS = "SELECT FROM enrollment.enrollment_order"
# The last line that keeps seats from being sold twice.
NO_CHECK = "ALTER TABLE enrollment.seat_ledger DROP CONSTRAINT seat_ledger_never_oversold"
_LOCK = re.compile(r"\s+FOR (NO KEY )?UPDATE( OF \w+)?( SKIP LOCKED)?(?=\s|\)|$)")
_WAITING = """SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock'"""
_OTHERS = """SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
    AND backend_type = 'client backend'"""
_DEADLOCKS = "SELECT deadlocks FROM pg_stat_database WHERE datname = $1"


async def one_seat_each(make_database: MakeDatabase) -> str:
    """DSN of a ledger of one seat a county and slot, and five candidates."""
    dsn = await make_database("enrollment")

    async def same(_service: str) -> str:
        return dsn

    async with enrollment_database(same, SESSION, 5):
        return dsn


def without_locks(*names: str) -> Queries:
    """Enrollment's queries, these ones without their row locks: a mistake that tests must find."""
    real = Queries.load(PACKAGE)
    texts = {name: real[name] for name in real.names()}
    for name in names:
        texts[name], found = _LOCK.subn("", real[name])
        assert found, f"{name} locks nothing: taking its lock away would prove nothing"
    return Queries(PACKAGE, texts)


def binding_anybody_again(real: Queries) -> Queries:
    """The queries without what keeps who has seats from being bound as one who has none."""
    texts = {name: real[name] for name in real.names()}
    text = texts["insert_held_orders"]
    anybody = {
        "<> ALL ($14::uuid[])": "IS NULL",
        "= ANY ($14::uuid[])": "= ANY ($14::uuid[]) OR true",
    }
    for some, all_of_them in anybody.items():
        assert text.count(some) == 1, f"nobody is told apart by {some}"
        text = text.replace(some, all_of_them)
    return Queries(PACKAGE, texts | {"insert_held_orders": text})


async def meet(dsn: str, rows: Sequence[str], *works: Awaitable[T]) -> list[T | BaseException]:
    """Start works while somebody else has locked `rows`; let go once all of them wait.

    Each starts when the one before it waits, so that they get their rows in this order. `rows`
    are SELECTs of tables' rows. The answers are in the order of the works.
    """
    outsider, watcher = await asyncpg.connect(dsn), await asyncpg.connect(dsn)
    tasks: list[asyncio.Future[T]] = []
    try:
        async with outsider.transaction():
            for select in rows:
                await outsider.execute(f"{select} FOR UPDATE")
            for work in works:
                tasks.append(asyncio.ensure_future(work))
                await until(lambda: _all_wait(watcher, tasks))
        return list(await asyncio.gather(*tasks, return_exceptions=True))
    finally:
        await outsider.close()
        await watcher.close()


async def _all_wait(watcher: asyncpg.Connection[asyncpg.Record], tasks: Sequence[object]) -> bool:
    waiting: int = await watcher.fetchval(_WAITING)
    return waiting == len(tasks)


async def execute(dsn: str, *statements: str) -> None:
    """Change a test's own database: its last lines of defence, or what is in it."""
    connection = await asyncpg.connect(dsn)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


async def deadlocks(dsn: str) -> int:
    """How many deadlocks a database has had. Waits until all others have left it.

    A connection tells what it has counted when it ends, at the latest.
    """
    connection = await asyncpg.connect(dsn)
    try:

        async def alone() -> bool:
            others: int = await connection.fetchval(_OTHERS)
            return others == 0

        await until(alone)
        counted: int = await connection.fetchval(_DEADLOCKS, database_of(dsn))
    finally:
        await connection.close()
    return counted


def reasons(answers: Iterable[object]) -> list[str]:
    """ "held", or why not, of the first entry of each desk."""
    found = []
    for answer in answers:
        each = answer[0] if isinstance(answer, Sequence) else answer
        found.append(each.reason if isinstance(each, DomainError) else "held")
    return found


async def expire(tx: Transaction) -> None:
    """End the holds whose time has passed, of which the platform has never heard."""
    store = Store(tx)
    expired = await expire_orders(store, OrderState.HELD, LATER, 10)
    await release_orders(store, expired, LATER)
