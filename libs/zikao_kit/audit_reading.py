"""Reads the services' chains from their tables, page by page: views may have been changed.

Each page is a statement of its own: a snapshot of minutes would keep dead rows in all tables.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

import asyncpg

from zikao_kit.audit_chain import Head, Link, link_of

LINKS_AT_ONCE = 2000
NAMED_AT_MOST = 5
_SETTINGS = {
    "application_name": "zikao-audit-log",
    "search_path": "",
    "jit": "off",
    "default_transaction_read_only": "on",
    "max_parallel_workers_per_gather": "0",
    "lock_timeout": "1s",
    "statement_timeout": "120s",
}
Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


@dataclass(frozen=True)
class Table:
    """Where a service has its entries, and which columns are whom they are about and where."""

    service: str
    name: str
    subject: str
    area: str


# Each entry by its key: a table that was never analysed would else be read whole for each page.
_LINKS = """
    SELECT link.number, link.audit_id, link.sealed_at, link.sha256, entry.*
    FROM (
        SELECT number, audit_id, sealed_at, sha256
        FROM {service}.audit_chain
        WHERE number > $1
        ORDER BY number
        LIMIT $2
    ) AS link
    LEFT JOIN LATERAL (
        SELECT at, actor, role, action, {subject} AS subject, {area} AS area,
            before::text AS before, after::text AS after
        FROM {service}.{name} AS found
        WHERE found.audit_id = link.audit_id
        LIMIT 1
    ) AS entry ON true
    ORDER BY link.number
"""
_ANCHOR = "SELECT number, sha256 FROM {service}.audit_anchor"
_LAST = "SELECT coalesce(max(number), 0) FROM {service}.audit_chain"
_HASH = "SELECT sha256 FROM {service}.audit_chain WHERE number = $1"
_WAITING = """
    SELECT count(*) AS entries,
        coalesce(extract(epoch FROM clock_timestamp() - min(noted_at)), 0)::float8 AS age_seconds
    FROM {service}.audit_unsealed
"""
_CUTS = """
    SELECT at, before::text AS before
    FROM {service}.{name}
    WHERE action = $1
    ORDER BY audit_id DESC
    LIMIT 100
"""
# What is in neither list, in both, or in a list alone.
_ODD = {
    "an entry that is neither in the chain nor waits for it": """
        SELECT entry.audit_id
        FROM {service}.{name} AS entry
        WHERE NOT EXISTS (SELECT FROM {service}.audit_chain AS link
            WHERE link.audit_id = entry.audit_id)
            AND NOT EXISTS (SELECT FROM {service}.audit_unsealed AS waiting
                WHERE waiting.audit_id = entry.audit_id)
    """,
    "an entry that waits for the chain is gone": """
        SELECT waiting.audit_id
        FROM {service}.audit_unsealed AS waiting
        WHERE NOT EXISTS (SELECT FROM {service}.{name} AS entry
            WHERE entry.audit_id = waiting.audit_id)
    """,
    "an entry that is in the chain waits for it": """
        SELECT waiting.audit_id
        FROM {service}.audit_unsealed AS waiting
        JOIN {service}.audit_chain AS link ON link.audit_id = waiting.audit_id
    """,
}


@dataclass(frozen=True)
class Waiting:
    """Entries that are not in the chain yet."""

    entries: int
    age_seconds: float


class ChainReader:
    """Reads the chain of one service."""

    def __init__(self, connection: Connection, table: Table) -> None:
        """Nothing is read yet."""
        self._connection = connection
        self._names = {
            "service": table.service,
            "name": table.name,
            "subject": table.subject,
            "area": table.area,
        }
        self.service = table.service

    async def anchor(self) -> Head | None:
        """Where the chain begins; None when that is gone."""
        row = await self._connection.fetchrow(self._sql(_ANCHOR))
        return None if row is None else Head(row["number"], bytes(row["sha256"]))

    async def last_number(self) -> int:
        """The number of the last link, 0 without any."""
        return int(await self._connection.fetchval(self._sql(_LAST)))

    async def hash_of(self, number: int) -> bytes | None:
        """The hash of a link, None without one."""
        found: bytes | None = await self._connection.fetchval(self._sql(_HASH), number)
        return found

    async def links(self, behind: int) -> Sequence[Link]:
        """The links behind a number, a page of them."""
        rows = await self._connection.fetch(self._sql(_LINKS), behind, LINKS_AT_ONCE)
        return list(map(link_of, rows))

    async def waiting(self) -> Waiting:
        """What is not in the chain yet."""
        row = await self._connection.fetchrow(self._sql(_WAITING))
        assert row is not None
        return Waiting(row["entries"], row["age_seconds"])

    async def odd(self) -> Sequence[tuple[str, int]]:
        """What is wrong with single entries, whatever the chain says: a few of each kind."""
        found = []
        for reason, sql in _ODD.items():
            rows = await self._connection.fetch(f"{self._sql(sql)} LIMIT {NAMED_AT_MOST}")
            found += [(reason, row["audit_id"]) for row in rows]
        return found

    async def entries_of(self, action: str) -> Sequence[Any]:
        """`at` and `before` of the latest entries of an action."""
        return await self._connection.fetch(self._sql(_CUTS), action)

    def _sql(self, text: str) -> str:
        return text.format(**self._names)


@asynccontextmanager
async def open_readers(dsn: str, tables: Iterable[Table]) -> AsyncIterator[Sequence[ChainReader]]:
    """Readers of those whose schemas are in the database; asyncpg's errors, OSError."""
    connection = await asyncpg.connect(dsn, server_settings=_SETTINGS)
    try:
        known = "SELECT to_regclass($1 || '.schema_migration') IS NOT NULL"
        found = [t for t in tables if await connection.fetchval(known, t.service)]
        yield [ChainReader(connection, table) for table in found]
    finally:
        await connection.close()
