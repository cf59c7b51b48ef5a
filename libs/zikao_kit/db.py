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
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, Literal, Self, TypeAlias, TypeVar

import asyncpg
import structlog

from zikao_kit.config import DatabaseConfig
from zikao_kit.db_errors import (
    CommitInDoubt,
    ConstraintViolated,
    DatabaseUnavailable,
    TransactionConflict,
    translated,
)
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
Record: TypeAlias = asyncpg.Record
Isolation = Literal["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"]

ACQUIRE_SECONDS = 10.0
CLOSE_SECONDS = 10.0
HEALTH_SECONDS = 2.0
# The server's own limit should speak first: it leaves the connection usable.
COMMAND_GRACE_SECONDS = 5.0
IDLE_IN_TRANSACTION_SECONDS = 30.0
# Named queries are few and stay: plans are made once a connection.
STATEMENT_CACHE_SIZE = 1000
RUN_ATTEMPTS = 4
RUN_PAUSE_SECONDS = 0.02
CONNECT_PAUSE_SECONDS = 0.1
CONNECT_PAUSE_LIMIT_SECONDS = 5.0

log = structlog.get_logger()
_Connection: TypeAlias = Any  # a PoolConnectionProxy, which has all methods of a Connection
_DRIVER_ERRORS = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
)


class Transaction:
    """Runs named queries on one connection. Not for concurrent use.

    Raises ConstraintViolated, DatabaseUnavailable and TransactionConflict; anything
    else is a fault of the code.
    """

    __slots__ = ("_connection", "_queries", "_translating")

    def __init__(self, connection: _Connection, queries: Queries) -> None:
        self._connection = connection
        self._queries = queries
        self._translating = _Translating(connection)

    def using(self, queries: Queries) -> Transaction:
        """Return the same transaction with other named queries."""
        return Transaction(self._connection, queries)

    async def fetch(self, name: str, /, *args: Any) -> list[Record]:
        """Return all rows."""
        with self._translating:
            rows: list[Record] = await self._connection.fetch(self._queries[name], *args)
            return rows

    async def fetchrow(self, name: str, /, *args: Any) -> Record | None:
        """Return the first row, or None."""
        with self._translating:
            row: Record | None = await self._connection.fetchrow(self._queries[name], *args)
            return row

    async def fetchval(self, name: str, /, *args: Any) -> Any:
        """Return the first column of the first row, or None."""
        with self._translating:
            return await self._connection.fetchval(self._queries[name], *args)

    async def execute(self, name: str, /, *args: Any) -> int:
        """Return how many rows were inserted, updated, deleted or found."""
        with self._translating:
            return _row_count(await self._connection.execute(self._queries[name], *args))

    async def executemany(self, name: str, rows: Iterable[Sequence[Any]], /) -> None:
        """Run the query once for each row of arguments; all or none of them count."""
        with self._translating:
            await self._connection.executemany(self._queries[name], rows)

    async def copy_rows(
        self, table: str, columns: Sequence[str], records: Iterable[Sequence[Any]]
    ) -> int:
        """Add many rows by COPY to `schema.table`; return how many."""
        schema, _, name = table.rpartition(".")
        with self._translating:
            status = await self._connection.copy_records_to_table(
                name, schema_name=schema, columns=list(columns), records=records
            )
            return _row_count(status)

    @asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        """Undo only what is done inside when it raises; the transaction lives on."""
        await self._plain("SAVEPOINT inner_part")
        try:
            yield
        except BaseException:
            if not _is_closed(self._connection):
                await self._plain("ROLLBACK TO SAVEPOINT inner_part")
                await self._plain("RELEASE SAVEPOINT inner_part")
            raise
        await self._plain("RELEASE SAVEPOINT inner_part")

    async def _plain(self, sql: str) -> None:
        with self._translating:
            await self._connection.execute(sql)


class Database:
    """The pool of one service, and the queries it may run."""

    def __init__(self, pool: asyncpg.Pool[Record], queries: Queries) -> None:
        self._pool = pool
        self._queries = queries

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
            except _DRIVER_ERRORS as error:
                waited = time.monotonic() - started
                log.warning("waiting for the database", seconds=round(waited, 1), **_cause(error))
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
                with _Translating(connection):
                    await connection.execute(_begin(isolation, read_only=read_only))
                yield Transaction(connection, self._queries)
            except BaseException:
                await _roll_back(connection)
                raise
            await _commit(connection)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Transaction]:
        """Run queries on one connection, each a transaction of its own."""
        async with self._acquired() as connection:
            yield Transaction(connection, self._queries)

    async def run(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        """Run `work` in a transaction, again after a deadlock or serialization failure.

        `work` may run up to RUN_ATTEMPTS times, so it changes nothing but the
        database. Raises what `transaction` and `work` raise, TransactionConflict
        after the last attempt.
        """
        for attempt in range(1, RUN_ATTEMPTS):
            try:
                return await self._run_once(work)
            except TransactionConflict:
                log.info("transaction is run again", attempt=attempt)
            pause = RUN_PAUSE_SECONDS * attempt * random.random()  # noqa: S311
            await asyncio.sleep(pause)
        return await self._run_once(work)

    async def healthy(self) -> bool:
        """Say whether the database answers within HEALTH_SECONDS."""
        try:
            async with asyncio.timeout(HEALTH_SECONDS), self._acquired() as connection:
                with _Translating(connection):
                    await connection.execute("SELECT 1")
        except (DatabaseUnavailable, TimeoutError):
            return False
        return True

    async def close(self) -> None:
        """Let what runs end for CLOSE_SECONDS, then close all connections."""
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._pool.close()
        except TimeoutError:
            log.warning("connections in use were cut")
            self._pool.terminate()

    async def _run_once(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        async with self.transaction() as tx:
            return await work(tx)

    @asynccontextmanager
    async def _acquired(self) -> AsyncIterator[_Connection]:
        try:
            connection = await self._pool.acquire(timeout=ACQUIRE_SECONDS)
        except _DRIVER_ERRORS as error:
            log.warning("no connection to the database", **_cause(error))
            raise DatabaseUnavailable from error
        try:
            yield connection
        finally:
            await self._release(connection)

    async def _release(self, connection: _Connection) -> None:
        try:
            await self._pool.release(connection)
        except _DRIVER_ERRORS as error:
            # What was committed stays committed; asyncpg has dropped the connection.
            log.warning("a connection was lost on its way back", **_cause(error))


class _Translating:
    """Raises our errors in place of the driver's; drops a connection nothing is known of."""

    __slots__ = ("_connection",)

    def __init__(self, connection: _Connection) -> None:
        self._connection = connection

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None:
            return
        ours = translated(error, connection_closed=_is_closed(self._connection))
        if ours is None:
            return
        if isinstance(error, OSError | asyncpg.InternalClientError):
            _drop(self._connection)
        if isinstance(ours, DatabaseUnavailable):
            log.warning("database refused", **_cause(error))
        raise ours from error


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


def _begin(isolation: Isolation, *, read_only: bool) -> str:
    return f"BEGIN ISOLATION LEVEL {isolation}{' READ ONLY' if read_only else ''}"


async def _commit(connection: _Connection) -> None:
    try:
        status = await connection.execute("COMMIT")
    except Exception as error:
        ours = translated(error, connection_closed=_is_closed(connection))
        if ours is None:
            raise
        if isinstance(ours, DatabaseUnavailable) and not isinstance(ours, TransactionConflict):
            _drop(connection)
            log.warning("commit in doubt", **_cause(error))
            raise CommitInDoubt from error
        raise ours from error
    if status != "COMMIT":
        raise RuntimeError("a query had failed, so PostgreSQL has rolled the transaction back")


async def _roll_back(connection: _Connection) -> None:
    if _is_closed(connection):
        return
    try:
        await connection.execute("ROLLBACK")
    except _DRIVER_ERRORS as error:
        # What brought us here is raised; a lost connection rolls back by itself.
        log.info("no rollback", **_cause(error))
        _drop(connection)


def _drop(connection: _Connection) -> None:
    if not _is_closed(connection):
        connection.terminate()


def _is_closed(connection: _Connection) -> bool:
    try:
        closed: bool = connection.is_closed()
    except asyncpg.InterfaceError:  # it has left the pool
        return True
    return closed


def _row_count(status: str) -> int:
    last = status.rpartition(" ")[2]
    return int(last) if last.isdigit() else 0


def _milliseconds(seconds: float) -> str:
    return str(round(seconds * 1000))


def _cause(error: BaseException) -> dict[str, str]:
    # No message: it may quote values. The SQLSTATE and constraint say enough.
    cause = {"cause": type(error).__name__}
    if isinstance(error, asyncpg.PostgresError) and error.sqlstate:
        cause["sqlstate"] = error.sqlstate
    return cause
