"""The services whose schemas are tested, and descriptions of what SQL makes."""

from __future__ import annotations

from importlib import resources

import asyncpg
from support.schema_description import describe_schema

# Which tables of the kit each service has.
CHAIN_TABLES = {"audit_unsealed", "audit_chain", "audit_anchor"}
KIT_TABLES = {
    "registration": {"idempotency", "outbox"} | CHAIN_TABLES,
    "enrollment": {"idempotency", "outbox", "trusted_key", "feed_cursor"} | CHAIN_TABLES,
    "tickets": {"idempotency", "outbox", "trusted_key", "feed_cursor"} | CHAIN_TABLES,
    "probe": {"idempotency", "outbox", "trusted_key", "feed_cursor"},
}
# Which the kit has queries for, and the service its own rules of.
OFFICE_TABLES = {"office_action", "office_audit"}
# What the kit's queries on the chain use beside its tables.
CHAIN_NAMES = {"audit_entry", "audit_kept_since", "cut_audit"}
QUERIED_TABLES = {
    **KIT_TABLES,
    "registration": KIT_TABLES["registration"] | CHAIN_NAMES,
    "enrollment": KIT_TABLES["enrollment"] | OFFICE_TABLES | CHAIN_NAMES,
    "tickets": KIT_TABLES["tickets"] | OFFICE_TABLES | CHAIN_NAMES,
}
SERVICES = sorted(KIT_TABLES)


def kit_tables_sql(schema: str) -> str:
    """What the kit says its tables are, for a schema."""
    file = resources.files("zikao_kit") / "sql" / "tables.sql"
    return file.read_text(encoding="utf-8").replace("{schema}", schema)


async def described(dsn: str, schema: str, sql: str = "SELECT 1") -> list[str]:
    """Run `sql`, describe a schema, one line an object, and drop it."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(sql)
        lines = (await describe_schema(connection, schema)).splitlines()
        await connection.execute(f"DROP SCHEMA {schema} CASCADE")
    finally:
        await connection.close()
    return lines
