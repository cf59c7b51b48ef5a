"""The database layer against a real PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable

import pytest
from prometheus_client import REGISTRY
from zikao_kit.config import DatabaseConfig
from zikao_kit.db import ConstraintViolated, Database, DatabaseUnavailable, Transaction
from zikao_kit.queries import Queries

QUERIES = Queries(
    "test",
    {
        "create": "CREATE TABLE public.seat (id int CONSTRAINT seat_taken UNIQUE, n int)",
        "insert": "INSERT INTO public.seat (id, n) VALUES ($1, 0)",
        "add": "UPDATE public.seat SET n = n + 1 WHERE id = $1",
        "ids": "SELECT id FROM public.seat ORDER BY id",
        "total": "SELECT sum(n)::int FROM public.seat",
        "path": "SHOW search_path",
        "die": "SELECT pg_catalog.pg_terminate_backend(pg_catalog.pg_backend_pid())",
    },
)


@pytest.fixture
async def database(empty_database: str) -> AsyncIterator[Database]:
    """A pool on a new database with one table."""
    opened = await Database.connect(DatabaseConfig(dsn=empty_database), QUERIES)
    async with opened.transaction() as transaction:
        await transaction.execute("create")
    yield opened
    await opened.close()


async def _ids(database: Database) -> list[int]:
    async with database.read() as reading:
        return [row["id"] for row in await reading.fetch("ids")]


async def test_an_exception_rolls_back(database: Database) -> None:
    """What a failed transaction did is gone; what a finished one did stays."""
    async with database.transaction() as transaction:
        assert await transaction.execute("insert", 1) == 1
    with pytest.raises(LookupError):
        async with database.transaction() as transaction:
            await transaction.execute("insert", 2)
            raise LookupError
    assert await _ids(database) == [1]


async def test_a_constraint_is_known_by_name(database: Database) -> None:
    """A unique violation carries the constraint's name and no driver error."""
    with pytest.raises(ConstraintViolated) as caught:
        async with database.transaction() as transaction:
            await transaction.execute("insert", 1)
            await transaction.execute("insert", 1)
    assert caught.value.constraint == "seat_taken"
    assert await _ids(database) == []


async def test_a_lost_connection_is_unavailable_and_the_pool_recovers(database: Database) -> None:
    """A connection cut in a transaction is UNAVAILABLE, and the next call gets another."""
    with pytest.raises(DatabaseUnavailable):
        async with database.transaction() as transaction:
            await transaction.execute("insert", 1)
            await transaction.fetchval("die")
    assert await _ids(database) == []


async def test_a_deadlock_is_run_again(database: Database) -> None:
    """Two transactions that lock in opposite order both finish in the end."""
    async with database.transaction() as transaction:
        await transaction.execute("insert", 1)
        await transaction.execute("insert", 2)
    both_locked = asyncio.Barrier(2)

    def crossing(first: int, second: int, meet: list[bool]) -> Awaitable[None]:
        async def work(transaction: Transaction) -> None:
            await transaction.execute("add", first)
            if meet:
                meet.clear()
                await both_locked.wait()
            await transaction.execute("add", second)

        return database.run(work)

    before = REGISTRY.get_sample_value("zikao_database_repeated_total")
    await asyncio.gather(crossing(1, 2, [True]), crossing(2, 1, [True]))
    assert REGISTRY.get_sample_value("zikao_database_repeated_total") == (before or 0) + 1
    async with database.read() as reading:
        assert await reading.fetchval("total") == 4


async def test_nothing_is_found_by_search_path(database: Database) -> None:
    """SQL must name the schema: the search path is empty."""
    async with database.read() as reading:
        assert await reading.fetchval("path") in ("", '""')


async def test_rows_are_copied_in_a_transaction(database: Database) -> None:
    """Copied rows are counted, undone with their transaction, and refused by the same keys."""
    with pytest.raises(LookupError):
        async with database.transaction() as transaction:
            assert await transaction.copy("public.seat", ["id", "n"], b"1\t0\n2\t0\n") == 2
            raise LookupError
    async with database.transaction() as transaction:
        await transaction.copy("public.seat", ["id"], b"3\n4\n")
    with pytest.raises(ConstraintViolated, match="seat_taken"):
        async with database.transaction() as transaction:
            await transaction.copy("public.seat", ["id"], b"5\n3\n")
    assert await _ids(database) == [3, 4]
