"""A service's own database: a pool, transactions, named queries, clear errors.

Commands never see the driver: a broken connection becomes DomainError
UNAVAILABLE (safe to retry with the same request_id), a broken constraint
becomes ConstraintViolated with the constraint's name.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from typing import Any, TypeVar

import asyncpg
import structlog

from zikao_kit.config import DatabaseConfig
from zikao_kit.errors import UNAVAILABLE, DomainError
from zikao_kit.queries import Queries

Record = asyncpg.Record
T = TypeVar("T")

RETRY_AFTER = timedelta(seconds=1)
FIRST_WAIT_SECONDS = 0.1
LONGEST_WAIT_SECONDS = 2.0
CONFLICT_ATTEMPTS = 5

_CONNECTION_LOST = (
    OSError,
    asyncio.TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
)
_CONFLICTS = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError)

log = structlog.get_logger(__name__)


class ConstraintViolated(Exception):  # noqa: N818  (states what happened)
    """A constraint of the database said no; `constraint` is its name."""

    def __init__(self, constraint: str) -> None:
        super().__init__(constraint)
        self.constraint = constraint


class DatabaseUnavailable(DomainError):  # noqa: N818  (states what happened)
    """The database cannot be reached now, or the connection was lost on the way."""

    def __init__(self) -> None:
        super().__init__(UNAVAILABLE, retry_after=RETRY_AFTER)


@contextmanager
def _driver_errors() -> Iterator[None]:
    try:
        yield
    except asyncpg.IntegrityConstraintViolationError as error:
        raise ConstraintViolated(error.constraint_name or "") from error
    except _CONNECTION_LOST as error:
        log.warning("database_unavailable", error=type(error).__name__)
        raise DatabaseUnavailable from error


class Transaction:
    """One connection, inside a transaction or reading; runs named queries only."""

    def __init__(self, connection: asyncpg.pool.PoolConnectionProxy[Any], queries: Queries) -> None:
        self._connection = connection
        self._queries = queries

    async def fetch(self, name: str, *args: object) -> list[Record]:
        """Return all rows of a named query."""
        with _driver_errors():
            return await self._connection.fetch(self._queries[name], *args)

    async def fetchrow(self, name: str, *args: object) -> Record | None:
        """Return the first row of a named query, or None."""
        with _driver_errors():
            return await self._connection.fetchrow(self._queries[name], *args)

    async def fetchval(self, name: str, *args: object) -> Any:
        """Return the first value of the first row of a named query, or None."""
        with _driver_errors():
            return await self._connection.fetchval(self._queries[name], *args)

    async def execute(self, name: str, *args: object) -> int:
        """Run a named statement; return how many rows it touched."""
        with _driver_errors():
            status = await self._connection.execute(self._queries[name], *args)
        count = status.rpartition(" ")[2]
        return int(count) if count.isdigit() else 0

    async def executemany(self, name: str, rows: Iterable[Sequence[object]]) -> None:
        """Run a named statement once a row, in one round trip."""
        with _driver_errors():
            await self._connection.executemany(self._queries[name], rows)


class Database:
    """The pool of one service. Made by `connect`, closed by `close`."""

    def __init__(self, pool: asyncpg.Pool[Record], queries: Queries) -> None:
        self._pool = pool
        self._queries = queries

    @classmethod
    async def connect(
        cls, config: DatabaseConfig, queries: Queries, name: str = "zikao"
    ) -> Database:
        """Wait until the database is there, as services start in any order; then connect.

        `name` is the application name that the database shows. A wrong password
        or database is raised at once: waiting would not help.
        """
        wait = FIRST_WAIT_SECONDS
        while True:
            try:
                return cls(await _open_pool(config, name), queries)
            except _CONNECTION_LOST as error:
                log.info("waiting_for_database", error=str(error), wait_seconds=wait)
                await asyncio.sleep(wait)
                wait = min(wait * 2, LONGEST_WAIT_SECONDS)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """Commit at the end, roll back on any exception. READ COMMITTED.

        UNAVAILABLE raised by the commit itself leaves its outcome unknown: see
        `zikao_kit.idempotency`.
        """
        async with self.read() as reading:
            with _driver_errors():
                started = reading._connection.transaction()
                await started.start()
            try:
                yield reading
            except BaseException:
                await _roll_back(started)
                raise
            with _driver_errors():
                await started.commit()

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Transaction]:
        """One connection without a transaction of its own, for single statements."""
        with _driver_errors():
            connection = await self._pool.acquire()
        try:
            yield Transaction(connection, self._queries)
        finally:
            await self._release(connection)

    async def run(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        """Run work in a transaction, again when the database breaks a deadlock with it.

        `work` must have no effect but through the transaction. UNAVAILABLE after
        CONFLICT_ATTEMPTS attempts.
        """
        for attempt in range(1, CONFLICT_ATTEMPTS + 1):
            try:
                async with self.transaction() as transaction:
                    return await work(transaction)
            except _CONFLICTS as error:
                log.info("transaction_conflict", error=type(error).__name__, attempt=attempt)
        raise DatabaseUnavailable

    async def close(self) -> None:
        """Give every connection back and close the pool."""
        await self._pool.close()

    async def _release(self, connection: asyncpg.pool.PoolConnectionProxy[Any]) -> None:
        try:
            await self._pool.release(connection)
        except _CONNECTION_LOST:
            log.info("connection_lost_on_release")


async def _roll_back(transaction: asyncpg.transaction.Transaction) -> None:
    try:
        await transaction.rollback()
    except _CONNECTION_LOST:
        # The server rolls back by itself what a lost connection left open.
        log.info("connection_lost_on_rollback")


async def _no_reset(_connection: object) -> None:
    # Nothing of ours is kept in a session (no temporary tables, locks or settings),
    # so the reset's round trip after every call buys nothing.
    return


async def _open_pool(config: DatabaseConfig, name: str) -> asyncpg.Pool[Record]:
    return await asyncpg.create_pool(
        config.resolved_dsn(),
        min_size=config.pool_min,
        max_size=config.pool_max,
        timeout=config.connect_timeout_seconds,
        command_timeout=config.statement_timeout_seconds,
        reset=_no_reset,
        server_settings={
            "application_name": name,
            "search_path": "",
            "timezone": "UTC",
            "lock_timeout": f"{int(config.lock_timeout_seconds * 1000)}ms",
            "statement_timeout": f"{int(config.statement_timeout_seconds * 1000)}ms",
        },
    )
