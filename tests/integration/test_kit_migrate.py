"""The migration runner: order, phases, failures, several at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest
from zikao_kit.config import DatabaseConfig
from zikao_kit.db import Database
from zikao_kit.migrate import Selection, migrate, wait_until_migrated
from zikao_kit.migration_files import MigrationError, load_migrations, load_schema
from zikao_kit.queries import Queries, schema_of

CREATE = "CREATE TABLE {schema}.step (name text)"
THREE = {
    "0001_pre_begin": f"{CREATE}; INSERT INTO {{schema}}.step VALUES ('1')",
    "0002_post_tidy": "INSERT INTO {schema}.step VALUES ('2')",
    "0003_pre_add": "INSERT INTO {schema}.step VALUES ('3')",
}
BROKEN = "INSERT INTO {schema}.step VALUES ('half'); SELECT 1/0"


class Package:
    """An importable package with migrations, which may be changed."""

    def __init__(self, directory: Path) -> None:
        self.name = f"zikao_m{uuid4().hex[:8]}"
        self.schema = schema_of(self.name)
        self._files = directory / self.name / "sql" / "migrations"
        self._files.mkdir(parents=True)
        (directory / self.name / "__init__.py").touch()

    def write(self, **files: str) -> None:
        """Write migrations by name, in which {schema} stands for the package's own."""
        for name, sql in files.items():
            path = self._files / f"{name}.sql"
            path.write_text(sql.replace("{schema}", self.schema))

    def remove(self, name: str) -> None:
        """Delete one."""
        (self._files / f"{name}.sql").unlink()


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Package:
    """A package with the three migrations."""
    monkeypatch.syspath_prepend(str(tmp_path))
    made = Package(tmp_path)
    made.write(**THREE)
    return made


@pytest.fixture
async def connection(empty_database: str) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    """A look at the database beside the runner."""
    opened = await asyncpg.connect(empty_database)
    yield opened
    await opened.close()


async def names(dsn: str, package: Package, phase: Selection = "all") -> list[str]:
    """Migrate and return what was applied."""
    return list(map(str, await migrate(dsn, package.name, phase, say=lambda _: None)))


async def steps(connection: asyncpg.Connection[asyncpg.Record], package: Package) -> list[str]:
    """What the migrations have left, in the order in which they ran."""
    rows = await connection.fetch(f"SELECT name FROM {package.schema}.step")
    return [row["name"] for row in rows]


async def test_files_run_in_order_and_once(
    empty_database: str, package: Package, connection: asyncpg.Connection[asyncpg.Record]
) -> None:
    """All run by number; a second run finds nothing to do, a new file runs alone."""
    assert await names(empty_database, package) == list(THREE)
    assert await names(empty_database, package) == []
    package.write(**{"0004_pre_more": "INSERT INTO {schema}.step VALUES ('4')"})
    assert await names(empty_database, package) == ["0004_pre_more"]
    assert await steps(connection, package) == ["1", "2", "3", "4"]


async def test_pre_and_post_run_apart(
    empty_database: str, package: Package, connection: asyncpg.Connection[asyncpg.Record]
) -> None:
    """Post is refused before every pre is there; pre leaves post for later."""
    with pytest.raises(MigrationError, match="0001_pre_begin, 0003_pre_add"):
        await names(empty_database, package, "post")
    assert await names(empty_database, package, "pre") == ["0001_pre_begin", "0003_pre_add"]
    assert await names(empty_database, package, "post") == ["0002_post_tidy"]
    assert await steps(connection, package) == ["1", "3", "2"]


async def test_a_changed_file_is_refused(empty_database: str, package: Package) -> None:
    """A file that was changed after it was applied stops everything, new files too."""
    await names(empty_database, package)
    package.write(**{"0001_pre_begin": "SELECT 1", "0004_pre_more": "SELECT 1"})
    with pytest.raises(MigrationError, match="0001_pre_begin has changed"):
        await names(empty_database, package)


async def test_a_database_ahead_of_the_code_is_said(empty_database: str, package: Package) -> None:
    """Old code on a newer schema is no error (a rollback of a release), but it is told."""
    await names(empty_database, package)
    package.remove("0003_pre_add")
    said: list[str] = []
    assert await migrate(empty_database, package.name, say=said.append) == []
    assert "the database is ahead of this code: it has migration 0003" in said


async def test_a_dry_run_changes_nothing(
    empty_database: str, package: Package, connection: asyncpg.Connection[asyncpg.Record]
) -> None:
    """It says what would be applied, and not even the schema is made."""
    said: list[str] = []
    plan = await migrate(empty_database, package.name, "pre", dry_run=True, say=said.append)
    assert list(map(str, plan)) == ["0001_pre_begin", "0003_pre_add"]
    assert said == [f"{package.schema}: would apply {name}" for name in map(str, plan)]
    assert await connection.fetchval("SELECT to_regnamespace($1)", package.schema) is None


async def test_a_failed_file_leaves_nothing(
    empty_database: str, package: Package, connection: asyncpg.Connection[asyncpg.Record]
) -> None:
    """Its statements are undone, those before it stay; repaired, it is what runs next."""
    package.write(**{"0002_post_tidy": BROKEN})
    with pytest.raises(asyncpg.DivisionByZeroError):
        await names(empty_database, package)
    assert await steps(connection, package) == ["1"]
    package.write(**THREE)
    assert await names(empty_database, package) == ["0002_post_tidy", "0003_pre_add"]
    assert await steps(connection, package) == ["1", "2", "3"]


async def test_runners_at_once_apply_everything_once(
    empty_database: str, package: Package, connection: asyncpg.Connection[asyncpg.Record]
) -> None:
    """Four runners share the work out between them: all end well, each file ran once."""
    package.write(**{"0001_pre_begin": THREE["0001_pre_begin"] + "; SELECT pg_sleep(0.1)"})
    applied = await asyncio.gather(*(names(empty_database, package) for _ in range(4)))
    assert sorted(name for each in applied for name in each) == sorted(THREE)
    assert await steps(connection, package) == ["1", "2", "3"]


async def test_a_busy_table_is_tried_again(
    empty_database: str,
    package: Package,
    connection: asyncpg.Connection[asyncpg.Record],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A file that cannot lock a table gives way to what works there, and comes again."""
    _be_impatient(monkeypatch)
    await names(empty_database, package)
    package.write(**{"0004_pre_more": "ALTER TABLE {schema}.step ADD COLUMN more text"})
    reading = connection.transaction()
    await reading.start()
    await steps(connection, package)
    said: list[str] = []
    runner = asyncio.create_task(migrate(empty_database, package.name, say=said.append))
    while not any("a table is busy" in line for line in said):
        assert not runner.done()
        await asyncio.sleep(0.01)
    await reading.rollback()
    assert list(map(str, await runner)) == ["0004_pre_more"]


async def test_a_table_that_stays_busy_ends_the_run(
    empty_database: str,
    package: Package,
    connection: asyncpg.Connection[asyncpg.Record],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After the last attempt the run fails and nothing of the file is there."""
    _be_impatient(monkeypatch, attempts=2)
    await names(empty_database, package)
    package.write(**{"0004_pre_more": "ALTER TABLE {schema}.step ADD COLUMN more text"})
    async with connection.transaction():
        await steps(connection, package)
        with pytest.raises(asyncpg.LockNotAvailableError):
            await names(empty_database, package)


def _be_impatient(monkeypatch: pytest.MonkeyPatch, attempts: int = 100) -> None:
    monkeypatch.setattr("zikao_kit.migrate.LOCK_TIMEOUT", "50ms")
    monkeypatch.setattr("zikao_kit.migrate.LOCK_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr("zikao_kit.migrate.LOCK_ATTEMPTS", attempts)


async def test_a_service_waits_for_its_pre_migrations(
    empty_database: str, package: Package, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It waits from an empty database on until every pre is there, and for no post."""
    monkeypatch.setattr("zikao_kit.migrate.WAIT_POLL_SECONDS", 0.02)
    config = DatabaseConfig(dsn=empty_database)
    async with await Database.connect(config, Queries(package.name, {})) as database:
        waiting = asyncio.create_task(wait_until_migrated(database, package.name))
        await asyncio.sleep(0.1)
        package.remove("0003_pre_add")
        await names(empty_database, package, "pre")
        await asyncio.sleep(0.1)
        assert not waiting.done()
        package.write(**THREE)
        await names(empty_database, package, "pre")
        async with asyncio.timeout(5):
            await waiting


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        (["0001_pre_a", "0001_post_b"], "not numbered"),
        (["0001_before_a"], "expected NNNN_<pre|post>_<what>.sql"),
        (["1_pre_a"], "expected NNNN_<pre|post>_<what>.sql"),
    ],
)
def test_unclear_file_names_are_refused(
    package: Package, files: Sequence[str], problem: str
) -> None:
    """A number twice, a gap or another name could run in different orders: none of it runs."""
    for name in THREE:
        package.remove(name)
    package.write(**dict.fromkeys(files, "SELECT 1"))
    with pytest.raises(MigrationError, match=problem.replace("|", r"\|")):
        load_migrations(package.name)


@pytest.mark.parametrize("load", [load_migrations, load_schema])
def test_a_package_without_migrations_is_refused(load: Callable[[str], object]) -> None:
    """A typing error in a package's name is an error, not an empty list of migrations."""
    with pytest.raises((MigrationError, FileNotFoundError)):
        load("zikao_client")
