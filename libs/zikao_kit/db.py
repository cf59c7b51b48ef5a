"""PostgreSQL through asyncpg: one pool a process, named queries, transactions.

    async with db.transaction() as tx:                 # one attempt
        await tx.execute("insert_account", account_id, name)
    await db.run(lambda tx: register(tx, application)) # again after a deadlock
    async with db.read() as tx:                        # no transaction around it
        row = await tx.fetchrow("load_account", account_id)

jsonb travels as text (`$1::text::jsonb`, `body::text`), xid8 as text too: no codecs,
so that a new connection costs no further round trip.

Behind PgBouncer (1.21 or newer, pool_mode=transaction): set `max_prepared_statements`
above 0 and `ignore_startup_parameters = search_path,jit,statement_timeout,lock_timeout,
idle_in_transaction_session_timeout`; the role's own settings (`zikao_kit.roles`) then
hold in their place. Migrations go past it, straight to PostgreSQL.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Self, TypeVar

import asyncpg
import structlog

from zikao_kit.config import IDLE_IN_TRANSACTION_SECONDS, DatabaseConfig
from zikao_kit.db_errors import (
    CommitInDoubt,
    ConstraintViolated,
    DatabaseUnavailable,
    TransactionConflict,
)
from zikao_kit.db_transaction import (
    DRIVER_ERRORS,
    Connection,
    Isolation,
    Record,
    Transaction,
    begin,
    cause_of,
    commit,
    roll_back,
)
from zikao_kit.pool_metrics import POOLS
from zikao_kit.queries import Queries

__all__ = [
    "CommitInDoubt",
    "ConstraintViolated",
    "Database",
    "DatabaseUnavailable",
    "Record",
    "Transaction",
    "TransactionConflict",
]

T = TypeVar("T")

ACQUIRE_SECONDS = 10.0
CLOSE_SECONDS = 10.0
# The server's own limit should speak first: it leaves the connection usable.
COMMAND_GRACE_SECONDS = 5.0
# Named queries are few and stay: plans are made once a connection.
STATEMENT_CACHE_SIZE = 1000
RUN_ATTEMPTS = 4
RUN_PAUSE_SECONDS = 0.02
CONNECT_PAUSE_SECONDS = 0.1
CONNECT_PAUSE_LIMIT_SECONDS = 5.0

log = structlog.get_logger()


class Database:
    """The pool of one service, and the queries it may run."""

    def __init__(self, pool: asyncpg.Pool[Record], queries: Queries) -> None:
        self._pool = pool
        self._queries = queries
        self._metrics = POOLS.of(pool)

    @classmethod
    async def connect(cls, config: DatabaseConfig, queries: Queries) -> Self:
        """Wait until the database is there, then open the pool.

        Waits for `config.max_wait_seconds` (None: for ever), because services and
        databases start in any order; logs what it waits for. Raises
        DatabaseUnavailable after that, and ValueError for a DSN that is none.
        """
        started = time.monotonic()
        pause = CONNECT_PAUSE_SECONDS
        while True:
            try:
                return cls(await _open_pool(config, queries.package), queries)
            except asyncpg.ClientConfigurationError:
                raise
            except DRIVER_ERRORS as error:
                waited = time.monotonic() - started
                log.warning("waiting for the database", seconds=round(waited, 1), **cause_of(error))
                if config.max_wait_seconds is not None and waited >= config.max_wait_seconds:
                    raise DatabaseUnavailable from error
            await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 - only spreads load
            pause = min(pause * 2, CONNECT_PAUSE_LIMIT_SECONDS)

    async def __aenter__(self) -> Self:
        """Close the pool at the end of an `async with`."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the pool."""
        await self.close()

    @asynccontextmanager
    async def transaction(
        self, *, isolation: Isolation = "READ COMMITTED", read_only: bool = False
    ) -> AsyncIterator[Transaction]:
        """Commit at the end, roll back when the block raises.

        Raises CommitInDoubt when the connection is lost at COMMIT, and RuntimeError
        when the block went on after a failed query: PostgreSQL has then undone it all.
        """
        async with self._acquired() as connection:
            try:
                await begin(connection, isolation, read_only=read_only)
                yield Transaction(connection, self._queries)
            except BaseException:
                await roll_back(connection)
                raise
            await commit(connection)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Transaction]:
        """Run queries on one connection, each a transaction of its own."""
        async with self._acquired() as connection:
            yield Transaction(connection, self._queries)

    async def run(
        self,
        work: Callable[[Transaction], Awaitable[T]],
        *,
        isolation: Isolation = "READ COMMITTED",
    ) -> T:
        """Run `work` in a transaction, again after a deadlock or serialization failure.

        `work` may run up to RUN_ATTEMPTS times, so it changes nothing but the
        database. Raises what `transaction` and `work` raise, TransactionConflict
        after the last attempt.
        """
        for attempt in range(1, RUN_ATTEMPTS):
            try:
                return await self._run_once(work, isolation)
            except TransactionConflict:
                log.info("transaction is run again", attempt=attempt)
                self._metrics.repeated += 1
            pause = RUN_PAUSE_SECONDS * attempt * random.random()  # noqa: S311
            await asyncio.sleep(pause)
        return await self._run_once(work, isolation)

    async def close(self) -> None:
        """Let what runs end for CLOSE_SECONDS, then close all connections."""
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._pool.close()
        except TimeoutError:
            log.warning("connections in use were cut")
            self._pool.terminate()

    async def _run_once(
        self, work: Callable[[Transaction], Awaitable[T]], isolation: Isolation
    ) -> T:
        async with self.transaction(isolation=isolation) as tx:
            return await work(tx)

    @asynccontextmanager
    async def _acquired(self) -> AsyncIterator[Connection]:
        begun = self._metrics.begin()
        try:
            connection = await self._pool.acquire(timeout=ACQUIRE_SECONDS)
        except DRIVER_ERRORS as error:
            self._metrics.failed += 1
            log.warning("no connection to the database", **cause_of(error))
            raise DatabaseUnavailable from error
        finally:
            self._metrics.end(begun)
        try:
            yield connection
        finally:
            await self._release(connection)

    async def _release(self, connection: Connection) -> None:
        try:
            await self._pool.release(connection)
        except DRIVER_ERRORS as error:
            # What was committed stays committed; asyncpg has dropped the connection.
            log.warning("a connection was lost on its way back", **cause_of(error))


async def _open_pool(config: DatabaseConfig, application_name: str) -> asyncpg.Pool[Record]:
    return await asyncpg.create_pool(
        config.resolved_dsn(),
        min_size=config.pool_min,
        max_size=config.pool_max,
        timeout=config.connect_timeout_seconds,
        command_timeout=config.statement_timeout_seconds + COMMAND_GRACE_SECONDS,
        statement_cache_size=STATEMENT_CACHE_SIZE,
        max_cached_statement_lifetime=0,
        reset=_keep_session,
        server_settings={
            "application_name": application_name,
            "search_path": "",
            # Short queries only: compiling costs more than it saves.
            "jit": "off",
            "statement_timeout": _milliseconds(config.statement_timeout_seconds),
            "lock_timeout": _milliseconds(config.lock_timeout_seconds),
            "idle_in_transaction_session_timeout": _milliseconds(IDLE_IN_TRANSACTION_SECONDS),
        },
    )


async def _keep_session(_connection: object) -> None:
    """Save the round trip of asyncpg's reset: we leave nothing behind in a session."""


def _milliseconds(seconds: float) -> str:
    return str(round(seconds * 1000))
