"""The database layer when queries are slow, connections few, rows contested, callers gone."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor

import asyncpg
import pytest
from prometheus_client import REGISTRY
from support.probe_database import count_entries, open_account, probe_database
from support.service_databases import MakeDatabase
from zikao_ctl.faults.proxy import CuttingProxy, Moment
from zikao_kit.config import DatabaseConfig
from zikao_kit.db import (
    CommitInDoubt,
    ConstraintViolated,
    Database,
    DatabaseUnavailable,
    Transaction,
    TransactionConflict,
)
from zikao_kit.db_errors import RETRY_AFTER_SECONDS
from zikao_kit.errors import UNAVAILABLE
from zikao_kit.queries import Queries


@pytest.fixture
async def dsn(make_database: MakeDatabase) -> str:
    """A probe database of its own."""
    return await make_database("probe")


@pytest.fixture
async def database(dsn: str) -> AsyncIterator[Database]:
    """A pool on it with one account."""
    async with probe_database(dsn) as opened:
        await open_account(opened, "a", 10)
        yield opened


async def balance(database: Database) -> int:
    """What the account has."""
    async with database.read() as tx:
        row = await tx.fetchrow("load_account", "a")
    assert row is not None
    return int(row["balance"])


async def test_a_slow_query_is_unavailable(dsn: str) -> None:
    """The server's own limit speaks: UNAVAILABLE with a time to wait, on a usable connection."""
    async with (
        probe_database(dsn, statement_timeout_seconds=0.1, pool_max=2) as database,
        database.read() as tx,
    ):
        own = await tx.fetchval("own_backend")
        with pytest.raises(DatabaseUnavailable) as caught:
            await tx.execute("pause", 5.0)
        assert caught.value.reason == UNAVAILABLE
        assert caught.value.retry_after is not None
        later = caught.value.retry_after.total_seconds() / RETRY_AFTER_SECONDS
        assert 0.5 <= later <= 1.5
        assert await tx.fetchval("own_backend") == own


async def test_a_server_that_says_nothing_is_unavailable(
    dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When not even the server's limit is heard of, ours ends the wait and drops the connection."""
    monkeypatch.setattr("zikao_kit.db.COMMAND_GRACE_SECONDS", -59.8)
    async with probe_database(dsn, statement_timeout_seconds=60, pool_max=2) as database:
        async with database.read() as tx:
            own = await tx.fetchval("own_backend")
            with pytest.raises(DatabaseUnavailable):
                await tx.execute("pause", 5.0)
        async with database.read() as tx:
            assert await tx.fetchval("own_backend") != own


@pytest.mark.parametrize("turns", range(4))
async def test_a_connection_that_is_being_ended_is_unavailable(
    dsn: str, database: Database, turns: int
) -> None:
    """Whether the driver has read nothing, the server's last word or the end: UNAVAILABLE."""
    with pytest.raises(DatabaseUnavailable):
        async with database.transaction() as tx:
            await end_unread(dsn, tx, turns)
            await tx.fetchval("own_backend")
    assert await balance(database) == 10


@pytest.mark.parametrize("turns", range(4))
async def test_a_connection_that_is_being_ended_hides_no_error(
    dsn: str, database: Database, turns: int
) -> None:
    """A rollback that fails with its connection leaves the error that asked for it."""
    with pytest.raises(LookupError):
        async with database.transaction() as tx:
            await end_unread(dsn, tx, turns)
            raise LookupError
    assert await balance(database) == 10


async def end_unread(dsn: str, tx: Transaction, turns: int) -> None:
    """End the transaction's backend, then let the event loop read for so many turns."""
    own = await tx.fetchval("own_backend")

    async def end() -> None:
        connection = await asyncpg.connect(dsn)
        await connection.execute(f"SELECT pg_catalog.pg_terminate_backend({own}, 5000)")
        await connection.close()

    with ThreadPoolExecutor() as executor:
        # Waited for in this thread, so that nothing is read meanwhile.
        executor.submit(asyncio.run, end()).result()
    for _ in range(turns):
        await asyncio.sleep(0)


async def test_a_contested_row_is_unavailable(dsn: str, database: Database) -> None:
    """Waiting for a lock ends after lock_timeout."""
    async with probe_database(dsn, lock_timeout_seconds=0.1) as other, database.transaction() as tx:
        await tx.execute("lock_account", "a")
        with pytest.raises(DatabaseUnavailable):
            await other.run(lambda contender: contender.execute("lock_account", "a"))


async def test_an_exhausted_pool_is_unavailable(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A caller without a connection is sent away after a while, and the pool recovers."""
    monkeypatch.setattr("zikao_kit.db.ACQUIRE_SECONDS", 0.1)
    async with probe_database(dsn, pool_min=1, pool_max=1) as database:
        async with database.transaction():
            before = shown("zikao_database_unavailable_total")
            waits = shown("zikao_database_wait_seconds_bucket", le="0.05")
            late = shown("zikao_database_wait_seconds_count")
            waiting = asyncio.ensure_future(read_nothing(database))
            await asyncio.sleep(0)
            assert shown("zikao_database_waiting") == 1
            with pytest.raises(DatabaseUnavailable):
                await waiting
            assert shown("zikao_database_unavailable_total") == before + 1
            assert shown("zikao_database_wait_seconds_bucket", le="0.05") == waits
            assert shown("zikao_database_wait_seconds_count") == late + 1
            assert shown("zikao_database_waiting") == 0
            assert shown("zikao_database_connections", state="in_use") == 1
        assert await count_entries(database) == 0


async def read_nothing(database: Database) -> None:
    """Take a connection and give it back."""
    async with database.read():
        pass


def shown(name: str, **labels: str) -> float:
    """What a metric of this process says."""
    found = REGISTRY.get_sample_value(name, labels)
    assert found is not None
    return found


async def test_a_read_only_transaction_changes_nothing(database: Database) -> None:
    """A write inside is refused, reads are one snapshot when asked for."""
    with pytest.raises(DatabaseUnavailable):
        async with database.transaction(read_only=True) as tx:
            await tx.execute("change_balance", "a", 1)
    async with database.transaction(read_only=True, isolation="REPEATABLE READ") as tx:
        assert len(await tx.fetch("list_names")) == 1
        await open_account(database, "b")
        assert len(await tx.fetch("list_names")) == 1


async def test_going_on_after_a_failed_query_is_a_fault(database: Database) -> None:
    """A block that hides an error is told that nothing was committed."""

    async def hide(tx: Transaction) -> None:
        await tx.execute("insert_account", "lost", 0)
        with pytest.raises(ConstraintViolated):
            await tx.execute("change_balance", "a", -100)

    with pytest.raises(RuntimeError, match="rolled the transaction back"):
        await database.run(hide)
    async with database.read() as tx:
        assert len(await tx.fetch("list_names")) == 1


async def test_a_constraint_checked_at_commit_has_its_name(database: Database) -> None:
    """A deferred foreign key refuses at COMMIT, by name, without doubt about the outcome."""
    with pytest.raises(ConstraintViolated) as caught:
        async with database.transaction() as tx:
            await tx.execute("insert_entry", "nobody", 1)
    assert (caught.value.constraint, caught.value.table) == ("entry_account", "entry")
    assert await count_entries(database) == 0


async def test_a_conflict_that_stays_is_unavailable(database: Database) -> None:
    """Work is run again a few times, then the caller is told to come again."""
    attempts = 0

    async def conflicting(tx: Transaction) -> None:
        nonlocal attempts
        attempts += 1
        await tx.execute("insert_account", f"{attempts}", 0)
        raise TransactionConflict

    with pytest.raises(TransactionConflict) as caught:
        await database.run(conflicting)
    assert caught.value.reason == UNAVAILABLE
    assert attempts == 4
    async with database.read() as tx:
        assert len(await tx.fetch("list_names")) == 1


async def test_a_serialization_failure_is_run_again_by_who_can(database: Database) -> None:
    """The second of two that changed the same row under REPEATABLE READ gets a conflict."""
    with pytest.raises(TransactionConflict):
        async with database.transaction(isolation="REPEATABLE READ") as tx:
            await tx.fetch("list_names")
            await database.run(lambda other: other.execute("change_balance", "a", 1))
            await tx.execute("change_balance", "a", 1)
    assert await balance(database) == 11


async def test_a_changed_table_is_no_fault(database: Database) -> None:
    """A migration under a prepared statement: the same work is run again with a new plan."""
    async with database.read() as tx:
        await tx.fetch("anything")

    async def look(tx: Transaction) -> int:
        rows = await tx.fetch("anything")
        return len(rows[0])

    before = await database.run(look)
    async with database.read() as tx:
        await tx.execute("add_column")
    assert await database.run(look) == before + 1


async def test_a_caller_who_goes_away_leaves_nothing(
    dsn: str, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    """Whenever a transaction is cancelled, it is undone or done, and its connection is clean."""
    async with probe_database(dsn, pool_min=1, pool_max=1) as cancelling:
        done = 0

        async def change() -> None:
            async with cancelling.transaction() as tx:
                await tx.execute("change_balance", "a", 1)
                await tx.execute("change_balance", "a", -1)
                await tx.execute("insert_entry", "a", 1)

        started = time.perf_counter()
        await change()
        duration = time.perf_counter() - started
        for step in range(60):
            task = asyncio.create_task(change())
            await asyncio.sleep(duration * step / 40)
            task.cancel()
            await asyncio.wait([task])
            done += not task.cancelled()
            async with database.read() as tx:
                assert await tx.fetchval("count_open_transactions") == 0
    assert await balance(database) == 10
    # Cancelled at COMMIT it may have happened.
    assert 1 < 1 + done <= await count_entries(database) < 61
    assert "active transaction" not in caplog.text


@pytest.mark.parametrize(("moment", "entries"), [(Moment.BEFORE, 0), (Moment.AFTER, 1)])
async def test_a_commit_in_doubt_is_not_run_again(
    dsn: str, database: Database, moment: Moment, entries: int
) -> None:
    """The caller learns that it is not known; the work is not repeated by itself."""
    async with CuttingProxy(dsn) as proxy, probe_database(proxy.dsn) as cut_off:
        proxy.cut_at_commit(moment)
        with pytest.raises(CommitInDoubt):
            await cut_off.run(lambda tx: tx.execute("insert_entry", "a", 1))
        assert await count_entries(cut_off) == entries
    assert await count_entries(database) == entries


async def test_a_database_that_never_comes_is_unavailable_in_the_end() -> None:
    """Waiting ends after max_wait_seconds; a DSN that is none is not waited for at all."""
    nobody_there = DatabaseConfig(dsn="postgresql://x:x@127.0.0.1:1/x", max_wait_seconds=0.2)
    with pytest.raises(DatabaseUnavailable):
        await Database.connect(nobody_there, Queries("test", {}))
    with pytest.raises(ValueError, match="DSN"):
        await Database.connect(DatabaseConfig(dsn="mysql://x"), Queries("test", {}))
