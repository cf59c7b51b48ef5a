"""The probe's database: a schema with all tables of the kit, for the kit's tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from zikao_kit.config import DatabaseConfig
from zikao_kit.db import Database
from zikao_kit.migrate import open_database

PACKAGE = "support.zikao_probe"
SCHEMA = "probe"


@asynccontextmanager
async def probe_database(dsn: str, **settings: Any) -> AsyncIterator[Database]:
    """Yield a pool on a migrated probe database; `settings` change its DatabaseConfig."""
    config = DatabaseConfig(dsn=dsn, **settings)
    async with open_database(config, PACKAGE) as database:
        yield database


async def count_entries(database: Database) -> int:
    """How many entries there are: the effect that tests of the kit have."""
    async with database.read() as tx:
        return int(await tx.fetchval("count_entries"))


async def open_account(database: Database, name: str, balance: int = 0) -> None:
    """Add an account; entries need one."""
    async with database.transaction() as tx:
        await tx.execute("insert_account", name, balance)
