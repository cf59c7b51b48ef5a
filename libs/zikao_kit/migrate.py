"""Runs migrations: `zikao-<service> migrate --phase pre`, roll out, `--phase post`.

Old and new code both run between pre and post, so a `pre` may only add and a `post`
only removes what nobody uses any more; a `pre` must not build on a `post` of the same
release. Each file runs in a transaction of its own, under an advisory lock: several
runners at once do no harm. An applied file must never change (its SHA-256 is kept).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Literal, TypeAlias

import asyncpg
import structlog

from zikao_kit.config import DatabaseConfig
from zikao_kit.db import Database, DatabaseUnavailable
from zikao_kit.migration_files import Migration, MigrationError, load_migrations
from zikao_kit.queries import Queries, schema_of

# A file that waits for a busy table makes all others wait behind it: give up early, try again.
LOCK_TIMEOUT = "3s"
LOCK_ATTEMPTS = 10
LOCK_PAUSE_SECONDS = 2.0
WAIT_POLL_SECONDS = 1.0
_LOCK_NAMESPACE = 0x5A494B41  # "ZIKA"

Selection = Literal["pre", "post", "all"]
Applied = Mapping[int, str]  # number -> SHA-256
_Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
log = structlog.get_logger()


async def migrate(
    dsn: str,
    package: str,
    phase: Selection = "all",
    *,
    dry_run: bool = False,
    say: Callable[[str], None] = print,
) -> list[Migration]:
    """Apply what is missing, as the service's own role; return what was (or would be) applied.

    What another runner applies meanwhile is not among it. Raises MigrationError when
    an applied file has changed, or when `post` is asked for while a `pre` is missing;
    asyncpg's errors when SQL fails: that file is then rolled back, those before it stay.
    """
    migrations = load_migrations(package)
    schema = schema_of(package)
    async with _connected(dsn) as connection:
        plan = _plan(migrations, await _load_applied(connection, schema), phase, say)
        if not plan:
            say(f"{schema}: nothing to apply ({phase})")
        applied = []
        for migration in plan:
            say(f"{schema}: {'would apply' if dry_run else 'applying'} {migration}")
            if dry_run or await _apply_patiently(connection, schema, migration, say):
                applied.append(migration)
        return applied


@asynccontextmanager
async def open_database(config: DatabaseConfig, package: str) -> AsyncIterator[Database]:
    """Wait for the database and its migrations, as long as it takes; close the pool at the end.

    `package` is the service's, whose `sql/` holds queries and migrations. Raises what
    `Database.connect` raises.
    """
    async with await Database.connect(config, Queries.load(package)) as db:
        await wait_until_migrated(db, package)
        yield db


async def wait_until_migrated(db: Database, package: str) -> None:
    """Wait until every `pre` migration this code knows is there: services start in any order."""
    needed = {m.number for m in load_migrations(package) if m.phase == "pre"}
    schema = schema_of(package)
    waiting = False
    while missing := needed - set(await _load_applied_through(db, schema)):
        if not waiting:
            log.warning("waiting for migrations", schema=schema, missing=sorted(missing))
            waiting = True
        await asyncio.sleep(WAIT_POLL_SECONDS)


def _plan(
    migrations: Sequence[Migration], applied: Applied, phase: Selection, say: Callable[[str], None]
) -> list[Migration]:
    known = {migration.number: migration for migration in migrations}
    for number, sha256 in applied.items():
        if number not in known:
            say(f"the database is ahead of this code: it has migration {number:04}")
        elif known[number].sha256 != sha256:
            raise MigrationError(f"{known[number]} has changed after it was applied")
    missing = [migration for migration in migrations if migration.number not in applied]
    if phase == "post" and (early := [m for m in missing if m.phase == "pre"]):
        raise MigrationError(f"not before the pre migrations: {', '.join(map(str, early))}")
    return [migration for migration in missing if phase in ("all", migration.phase)]


async def _apply_patiently(
    connection: _Connection, schema: str, migration: Migration, say: Callable[[str], None]
) -> bool:
    for attempt in range(1, LOCK_ATTEMPTS):
        try:
            return await _apply(connection, schema, migration)
        except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError):
            say(f"{schema}: a table is busy, {migration} tries again (attempt {attempt})")
        await asyncio.sleep(LOCK_PAUSE_SECONDS)
    return await _apply(connection, schema, migration)


async def _apply(connection: _Connection, schema: str, migration: Migration) -> bool:
    """Return False when another runner was faster."""
    async with connection.transaction():
        # Other runners wait here as long as they must, then find it applied.
        await connection.execute("SET LOCAL lock_timeout = 0")
        await connection.execute(
            "SELECT pg_advisory_xact_lock($1, hashtext($2))", _LOCK_NAMESPACE, schema
        )
        await connection.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
        await _ensure_table(connection, schema)
        if migration.number in await _load_applied(connection, schema):
            return False
        await connection.execute(migration.sql)
        await connection.execute(
            f"INSERT INTO {schema}.schema_migration (number, phase, name, sha256) "  # noqa: S608
            "VALUES ($1, $2, $3, $4)",
            migration.number,
            migration.phase,
            migration.name,
            migration.sha256,
        )
    return True


async def _ensure_table(connection: _Connection, schema: str) -> None:
    # Asked first: CREATE SCHEMA IF NOT EXISTS needs the right to create one in any case.
    if not await connection.fetchval("SELECT to_regnamespace($1) IS NOT NULL", schema):
        await connection.execute(f"CREATE SCHEMA {schema}")
    await connection.execute(
        f"CREATE TABLE IF NOT EXISTS {schema}.schema_migration ("
        "number integer PRIMARY KEY, phase text NOT NULL, name text NOT NULL, "
        "sha256 text NOT NULL, applied_at timestamptz NOT NULL DEFAULT clock_timestamp())"
    )


async def _load_applied(connection: _Connection, schema: str) -> Applied:
    if not await connection.fetchval("SELECT to_regclass($1)", f"{schema}.schema_migration"):
        return {}
    rows = await connection.fetch(_applied_sql(schema))
    return {row["number"]: row["sha256"] for row in rows}


async def _load_applied_through(db: Database, schema: str) -> Applied:
    queries = Queries(schema, {"table": "SELECT to_regclass($1)", "rows": _applied_sql(schema)})
    try:
        async with db.read() as tx:
            reader = tx.using(queries)
            if not await reader.fetchval("table", f"{schema}.schema_migration"):
                return {}
            return {row["number"]: row["sha256"] for row in await reader.fetch("rows")}
    except DatabaseUnavailable:
        return {}


def _applied_sql(schema: str) -> str:
    return f"SELECT number, sha256 FROM {schema}.schema_migration ORDER BY number"  # noqa: S608


@asynccontextmanager
async def _connected(dsn: str) -> AsyncIterator[_Connection]:
    settings = {"application_name": "zikao-migrate", "search_path": "", "statement_timeout": "0"}
    connection = await asyncpg.connect(dsn, server_settings=settings)
    try:
        yield connection
    finally:
        await connection.close()
