"""The services whose schemas are tested, and descriptions of databases made from them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import resources
from uuid import uuid4

import asyncpg
from support.postgres import Cluster
from support.service_databases import with_database
from zikao_kit.schema_description import describe_schema

# Which tables of the kit each service has.
KIT_TABLES = {
    "registration": {"idempotency", "outbox"},
    "enrollment": {"idempotency", "outbox", "trusted_key", "feed_cursor"},
    "tickets": {"idempotency", "trusted_key", "feed_cursor"},
    "probe": {"idempotency", "outbox", "trusted_key", "feed_cursor"},
}
SERVICES = sorted(KIT_TABLES)


def kit_tables_sql(schema: str) -> str:
    """What the kit says its tables are, for a schema."""
    file = resources.files("zikao_kit") / "sql" / "tables.sql"
    return file.read_text(encoding="utf-8").replace("{schema}", schema)


@asynccontextmanager
async def new_database(cluster: Cluster) -> AsyncIterator[str]:
    """Yield the superuser's DSN of an empty database, dropped afterwards."""
    name = f"schema_{uuid4().hex}"
    admin = await asyncpg.connect(cluster.admin_dsn)
    try:
        await admin.execute(f"CREATE DATABASE {name} TEMPLATE template0")
        yield with_database(cluster.admin_dsn, name)
    finally:
        await admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        await admin.close()


async def described(dsn: str, schema: str, sql: str = "") -> list[str]:
    """Run `sql`, then describe a schema, one line an object."""
    connection = await asyncpg.connect(dsn)
    try:
        if sql:
            await connection.execute(sql)
        return (await describe_schema(connection, schema)).splitlines()
    finally:
        await connection.close()
