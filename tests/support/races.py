"""Makes transactions meet at a point, and takes away what keeps them from harm there.

Nothing is left to chance: an outsider holds the rows that all of them need, until all wait.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Sequence
from typing import TypeVar

import asyncpg
from support.service import until
from support.service_databases import database_of
from zikao_enrollment.names import PACKAGE
from zikao_kit.queries import Queries

T = TypeVar("T")
_LOCK = re.compile(r"\s+FOR (NO KEY )?UPDATE( OF \w+)?( SKIP LOCKED)?(?=\s|\)|$)")
_WAITING = """SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock'"""
_OTHERS = """SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
    AND backend_type = 'client backend'"""
_DEADLOCKS = "SELECT deadlocks FROM pg_stat_database WHERE datname = $1"


def without_locks(*names: str) -> Queries:
    """Enrollment's queries, these ones without their row locks: a mistake that tests must find."""
    real = Queries.load(PACKAGE)
    texts = {name: real[name] for name in real.names()}
    for name in names:
        texts[name], found = _LOCK.subn("", real[name])
        assert found, f"{name} locks nothing: taking its lock away would prove nothing"
    return Queries(PACKAGE, texts)


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
