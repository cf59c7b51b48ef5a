"""What can only be seen on a cluster of one's own: restarts, and what the server logs."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest
from support.postgres import THROWAWAY_SETTINGS
from support.probe_database import PACKAGE, count_entries, open_account, probe_database
from zikao_ctl.embedded_postgres import EmbeddedPostgres
from zikao_kit.db import DatabaseUnavailable
from zikao_kit.migrate import migrate
from zikao_kit.roles import prepare_service

PASSWORD = "correct-horse-battery"


@pytest.fixture
def postgres(tmp_path: Path) -> Iterator[EmbeddedPostgres]:
    """A cluster that logs every statement, and writes nothing by itself for a while."""
    settings = {
        **THROWAWAY_SETTINGS,
        "log_statement": "all",
        "shared_buffers": "16MB",
        "wal_writer_delay": "10s",
    }
    with EmbeddedPostgres(tmp_path / "cluster", settings=settings) as started:
        yield started


async def test_passwords_stay_secret_and_a_restart_is_survived(postgres: EmbeddedPostgres) -> None:
    """No log shows a password; after the server was killed all is there that was confirmed.

    And a pool finds its way back.
    """
    dsn = await prepare_service(postgres.dsn(), "zikao", "probe", PASSWORD)
    await migrate(dsn, PACKAGE, say=lambda _: None)
    await _assert_secret(postgres)
    async with probe_database(dsn, pool_min=3, pool_max=3) as database:
        await open_account(database, "a")
        await database.run(lambda tx: tx.execute("insert_entry", "a", 1))
        with pytest.raises(DatabaseUnavailable):
            async with database.transaction() as tx:
                await tx.execute("insert_entry", "a", 1)
                await asyncio.to_thread(_kill, postgres)
                await tx.execute("insert_entry", "a", 1)
        with pytest.raises(DatabaseUnavailable):
            await count_entries(database)
        await asyncio.to_thread(postgres.start)
        assert await count_entries(database) == 1, "all that was confirmed, and nothing else"
        await asyncio.gather(
            *(database.run(lambda tx: tx.execute("insert_entry", "a", 1)) for _ in range(9))
        )
        assert await count_entries(database) == 10


async def _assert_secret(postgres: EmbeddedPostgres) -> None:
    log = (postgres.data_dir / "server.log").read_text()
    assert "ALTER ROLE zikao_probe LOGIN PASSWORD 'SCRAM-SHA-256$" in log
    assert PASSWORD not in log
    connection = await asyncpg.connect(postgres.dsn())
    try:
        stored = "SELECT rolpassword FROM pg_authid WHERE rolname = 'zikao_probe'"
        assert (await connection.fetchval(stored)).startswith("SCRAM-SHA-256$")
    finally:
        await connection.close()


def _kill(postgres: EmbeddedPostgres) -> None:
    os.kill(postgres.process.pid, signal.SIGQUIT)
    postgres.process.wait(10)
