"""Brings what is encrypted in a database under the ring's current key, while services run.

    SEALED = (SealedColumn("registration.photo", "jpeg_enc", ("candidate_id",),
                           "registration.photo:{candidate_id}"), …)

A service declares every column that holds blobs of `zikao_kit.crypto`. A row is written only
where its blob is still the one that was read, some at a time: what a service changes meanwhile
stays, and a walk that is killed is simply begun again.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from operator import itemgetter
from typing import TypeAlias

import asyncpg
from google.protobuf.wrappers_pb2 import BytesValue

from zikao_kit.crypto import KeyRing

ROWS_AT_ONCE = 200
BYTES_AT_ONCE = 4 * 1024 * 1024
# A walk sees the rows of its beginning: others that an old key wrote meanwhile come next.
MAX_WALKS = 5
WRITE_ATTEMPTS = 20
WRITE_PAUSE_SECONDS = 0.5
# The header of a blob with room for the longest key id: larger blobs are not read whole.
_HEAD_BYTES = 48
_HELD_UP = (
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.LockNotAvailableError,
)
_Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


@dataclass(frozen=True)
class SealedColumn:
    """A column of blobs.

    `key` names the columns that name a row; `context` is filled from them, bytes as hex, as the
    service does when it encrypts. `wrapped` blobs are the value of a serialised BytesValue.
    """

    table: str
    column: str
    key: tuple[str, ...]
    context: str
    wrapped: bool = False

    def __str__(self) -> str:
        """Return `schema.table.column`."""
        return f"{self.table}.{self.column}"

    @property
    def key_id(self) -> str:
        """SQL for the id of the key that encrypted a row's blob."""
        blob = self.column
        if self.wrapped:
            # After the tag a length of 1 to 4 bytes, all but the last with their high bit set.
            start = "CASE WHEN get_byte({0}, 1) < 128 THEN 3 WHEN get_byte({0}, 2) < 128 THEN 4 "
            start += "WHEN get_byte({0}, 3) < 128 THEN 5 ELSE 6 END"
            blob = f"substring({blob} from {start.format(blob)})"
        head = f"substring({blob} from 1 for {_HEAD_BYTES})"
        return f"convert_from(substring({head} from 3 for get_byte({head}, 1)), 'UTF8')"

    def renewed(self, keys: KeyRing, row: Mapping[str, object]) -> bytes:
        """The row's blob under the current key; raises DecryptionFailed."""
        stored = row[self.column]
        assert isinstance(stored, bytes)
        context = self.context.format_map({name: _as_text(row[name]) for name in self.key})
        if not self.wrapped:
            return keys.encrypt(keys.decrypt(stored, context), context)
        plain = keys.decrypt(BytesValue.FromString(stored).value, context)
        return BytesValue(value=keys.encrypt(plain, context)).SerializeToString()


def _as_text(value: object) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)


async def reencrypt(
    dsn: str, keys: KeyRing, columns: Sequence[SealedColumn], say: Callable[[str], None]
) -> None:
    """Renew every blob that is not under the current key; says how far each column is.

    Raises DecryptionFailed for a blob that its declared context does not fit.
    """
    for _ in range(MAX_WALKS):
        renewed = 0
        for column in columns:
            renewed += await _walk(dsn, keys, column, say)
        if not renewed:
            return


async def count_by_key(
    dsn: str, columns: Sequence[SealedColumn]
) -> dict[str, Counter[SealedColumn]]:
    """How many blobs each key has encrypted, by column."""
    counts: dict[str, Counter[SealedColumn]] = {}
    connection = await asyncpg.connect(dsn)
    try:
        for column in columns:
            query = (
                f"SELECT {column.key_id} AS key_id, count(*) FROM {column.table} "  # noqa: S608
                f"WHERE {column.column} IS NOT NULL GROUP BY 1"
            )
            async with _reading(connection):
                rows = await connection.fetch(query)
            for row in rows:
                counts.setdefault(row["key_id"], Counter())[column] = row["count"]
    finally:
        await connection.close()
    return counts


@asynccontextmanager
async def _reading(connection: _Connection) -> AsyncIterator[None]:
    """A transaction that reads a whole table, however long: longer than a service ever may.

    Set in the transaction, so that it holds behind PgBouncer too.
    """
    async with connection.transaction(readonly=True):
        await connection.execute("SET LOCAL statement_timeout = 0")
        await connection.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        yield


async def _walk(dsn: str, keys: KeyRing, column: SealedColumn, say: Callable[[str], None]) -> int:
    reader, writer = await asyncpg.connect(dsn), await asyncpg.connect(dsn)
    renewed = 0
    try:
        async for rows in _stale(reader, keys.current, column):
            renewed += await _renew(writer, keys, column, rows)
            say(f"{column}: {renewed}")
    finally:
        await reader.close()
        await writer.close()
    return renewed


async def _stale(
    reader: _Connection, current: str, column: SealedColumn
) -> AsyncIterator[list[asyncpg.Record]]:
    """Rows that another key has encrypted, some at a time; only read, so it holds nobody up."""
    query = (
        f"SELECT {', '.join((*column.key, column.column))} FROM {column.table} "  # noqa: S608
        f"WHERE {column.column} IS NOT NULL AND {column.key_id} <> $1"
    )
    rows: list[asyncpg.Record] = []
    size = 0
    async with _reading(reader):
        async for row in reader.cursor(query, current, prefetch=ROWS_AT_ONCE // 10):
            rows.append(row)
            size += len(row[column.column])
            if len(rows) == ROWS_AT_ONCE or size >= BYTES_AT_ONCE:
                yield rows
                rows, size = [], 0
    if rows:
        yield rows


async def _renew(
    writer: _Connection, keys: KeyRing, column: SealedColumn, rows: Sequence[asyncpg.Record]
) -> int:
    same = " AND ".join(f"{name} = ${place}" for place, name in enumerate(column.key, start=3))
    update = (
        f"UPDATE {column.table} SET {column.column} = $1 "  # noqa: S608
        f"WHERE {column.column} = $2 AND {same}"
    )
    # Locked by id, as services lock what they lock together.
    ordered = sorted(rows, key=itemgetter(*column.key))
    values = [
        (column.renewed(keys, dict(row)), row[column.column], *(row[name] for name in column.key))
        for row in ordered
    ]
    await _write_patiently(writer, update, values)
    return len(rows)


async def _write_patiently(
    writer: _Connection, update: str, values: Sequence[tuple[object, ...]]
) -> None:
    """Ordinary work goes first: what it holds is tried again, and then compared again."""
    for _ in range(1, WRITE_ATTEMPTS):
        try:
            await _write(writer, update, values)
        except _HELD_UP:
            await asyncio.sleep(WRITE_PAUSE_SECONDS)
        else:
            return
    await _write(writer, update, values)


async def _write(writer: _Connection, update: str, values: Sequence[tuple[object, ...]]) -> None:
    async with writer.transaction():
        await writer.executemany(update, values)
