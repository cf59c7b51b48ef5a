"""What is in a service's tables, for those who fuzz it."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence

import asyncpg

# Changes whatever is called. The first says how far the feeds of others were followed. The last two
# are where sealing, the service's own background work, moves the audit's entries a moment after
# they were made; the entries themselves are compared, and so is the anchor, which no sealing moves.
_OF_ITSELF = ("feed_cursor", "invariant_check", "audit_unsealed", "audit_chain")


async def known_in(dsn: str, schema: str) -> dict[str, Sequence[str]]:
    """Some values of each column of text, of ids and of lists, by the column's name."""
    connection = await asyncpg.connect(dsn)
    try:
        columns = await connection.fetch(
            "SELECT table_name, column_name, data_type FROM information_schema.columns"
            " WHERE table_schema = $1 AND data_type IN ('text', 'uuid') ORDER BY 1, 2",
            schema,
        )
        known: defaultdict[str, list[str]] = defaultdict(list)
        for table, column, _ in columns:
            rows = await connection.fetch(
                f"SELECT DISTINCT {column}::text AS value FROM {schema}.{table}"
                f" WHERE {column} IS NOT NULL ORDER BY 1 LIMIT 20"
            )
            known[column] += [row["value"] for row in rows]
    finally:
        await connection.close()
    return dict(known)


async def picture(dsn: str, schema: str) -> Mapping[str, str]:
    """A hash of what is in each table of a schema, but for what changes by itself."""
    connection = await asyncpg.connect(dsn)
    try:
        tables = await connection.fetch(
            "SELECT tablename FROM pg_catalog.pg_tables"
            " WHERE schemaname = $1 AND tablename <> ALL ($2) ORDER BY 1",
            schema,
            _OF_ITSELF,
        )
        return {
            table: hashlib.sha256(
                "\n".join(
                    row["line"]
                    for row in await connection.fetch(
                        f"SELECT t::text AS line FROM {schema}.{table} AS t ORDER BY 1"
                    )
                ).encode()
            ).hexdigest()
            for (table,) in tables
        }
    finally:
        await connection.close()
