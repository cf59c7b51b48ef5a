"""One connection while it is in use: named queries, and errors in our words.

Used through `zikao_kit.db`, which opens the connections.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Literal, TypeAlias

import asyncpg
import structlog

from zikao_kit.db_errors import (
    CommitInDoubt,
    DatabaseUnavailable,
    TransactionConflict,
    translated,
)
from zikao_kit.queries import Queries

Record: TypeAlias = asyncpg.Record
Isolation = Literal["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"]
log = structlog.get_logger()
Connection: TypeAlias = Any  # a PoolConnectionProxy, which has all methods of a Connection
DRIVER_ERRORS = (
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

    def __init__(self, connection: Connection, queries: Queries) -> None:
        self._connection = connection
        self._queries = queries
        self._translating = Translating(connection)

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

    async def copy(self, table: str, columns: Sequence[str], rows: bytes) -> int:
        """Append rows to `schema.table`, at a fraction of what inserts cost; return how many.

        `rows` as COPY reads text: values separated by tabs, each row ended by a newline.
        """
        schema, _, name = table.partition(".")
        with self._translating:
            status = await self._connection.copy_to_table(
                name, schema_name=schema, columns=list(columns), source=io.BytesIO(rows)
            )
        return _row_count(status)


class Translating:
    """Raises our errors in place of the driver's; drops a connection nothing is known of."""

    __slots__ = ("_connection",)

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def __enter__(self) -> None:
        """Expect errors from now on."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Raise in our words what the driver raised."""
        if error is None:
            return
        ours = translated(error, connection_closed=_is_closed(self._connection))
        if ours is None:
            return
        if isinstance(error, OSError | asyncpg.InternalClientError):
            _drop(self._connection)
        if isinstance(ours, DatabaseUnavailable):
            log.warning("database refused", **cause_of(error))
        raise ours from error


async def begin(connection: Connection, isolation: Isolation, *, read_only: bool) -> None:
    """Begin a transaction."""
    with Translating(connection):
        await connection.execute(
            f"BEGIN ISOLATION LEVEL {isolation}{' READ ONLY' if read_only else ''}"
        )


async def commit(connection: Connection) -> None:
    """Commit; raises CommitInDoubt when the connection is lost."""
    try:
        status = await connection.execute("COMMIT")
    except Exception as error:
        ours = translated(error, connection_closed=_is_closed(connection))
        if ours is None:
            raise
        if isinstance(ours, DatabaseUnavailable) and not isinstance(ours, TransactionConflict):
            _drop(connection)
            log.warning("commit in doubt", **cause_of(error))
            raise CommitInDoubt from error
        raise ours from error
    if status != "COMMIT":
        raise RuntimeError("a query had failed, so PostgreSQL has rolled the transaction back")


async def roll_back(connection: Connection) -> None:
    """Roll back, unless the connection is lost, which does the same."""
    if _is_closed(connection):
        return
    try:
        await connection.execute("ROLLBACK")
    except DRIVER_ERRORS as error:
        # What brought us here is raised; a lost connection rolls back by itself.
        log.info("no rollback", **cause_of(error))
        _drop(connection)


def _drop(connection: Connection) -> None:
    if not _is_closed(connection):
        connection.terminate()


def _is_closed(connection: Connection) -> bool:
    try:
        closed: bool = connection.is_closed()
    except asyncpg.InterfaceError:  # it has left the pool
        return True
    return closed


def _row_count(status: str) -> int:
    last = status.rpartition(" ")[2]
    return int(last) if last.isdigit() else 0


def cause_of(error: BaseException) -> dict[str, str]:
    """Say for the log what happened, without the message: it may quote values."""
    cause = {"cause": type(error).__name__}
    if isinstance(error, asyncpg.PostgresError) and error.sqlstate:
        cause["sqlstate"] = error.sqlstate
    return cause
