"""A million entries of an audit: the migration's lock, sealing them, and following the chain.

They are there before the migration, as after years of 0.1.0; verify runs as a process of its own,
whose memory is watched.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from importlib import resources
from pathlib import Path
from tempfile import TemporaryDirectory

import asyncpg
from support.bench import Rate, own_postgres, report
from support.memory import watched
from zikao_kit.audit_log import AuditSealing, AuditWatch
from zikao_kit.config import DatabaseConfig
from zikao_kit.db import Database
from zikao_kit.queries import Queries
from zikao_kit.roles import prepare_service

ENTRIES = 1_000_000
MIGRATION = "0005_pre_chain_audit.sql"
LOOK_SECONDS = 0.2
# Reviews, which are most of them: a state before, another and a number after.
SEED = """
INSERT INTO registration.audit
    (at, actor, role, action, candidate_id, county_code, before, after)
SELECT '2026-01-01 00:00Z'::timestamptz + number * interval '10 s', gen_random_uuid()::text,
    'county', 'decide_registration', gen_random_uuid(), '510104', '{"state": "submitted"}',
    jsonb_build_object('state', 'approved', 'ticket_number', 221510100000 + number)
FROM generate_series(1, $1::int) AS number
"""


async def bench(folder: Path, entries: int) -> None:
    """Measure and report."""
    with own_postgres(folder, shared_buffers="256MB", max_wal_size="4GB") as admin_dsn:
        dsn = await prepare_service(admin_dsn, "zikao_bench", "registration", "bench")
        migration_seconds = await _make(dsn, entries)
        config = DatabaseConfig(dsn=dsn)
        async with await Database.connect(config, Queries.load("zikao_registration")) as db:
            sealing = AuditSealing(db, "registration")
            began = time.monotonic()
            while await sealing.work():
                pass
            sealing_seconds = time.monotonic() - began
            began = time.monotonic()
            await AuditWatch(db, "registration").work()
            watch_seconds = time.monotonic() - began
            began = time.monotonic()
            for _ in range(100):
                await sealing.work()
            idle_seconds = (time.monotonic() - began) / 100
        verified = await _verify(dsn, entries)
    verify_seconds, peak_mib = verified
    report(
        "audit_log",
        {"sealing": Rate(entries, sealing_seconds), "verifying": Rate(entries, verify_seconds)},
        {},
        migration_seconds=round(migration_seconds, 2),
        verify_peak_mib=round(peak_mib),
        watch_milliseconds=round(watch_seconds * 1000, 1),
        idle_round_milliseconds=round(idle_seconds * 1000, 2),
    )


async def _make(dsn: str, entries: int) -> float:
    """The schema of before with the entries, and then the chain; seconds of that migration."""
    folder = resources.files("zikao_registration") / "sql" / "migrations"
    files = {file.name: file.read_text(encoding="utf-8") for file in folder.iterdir()}
    connection = await asyncpg.connect(dsn)
    try:
        for name in sorted(files):
            if name == MIGRATION:
                # By this the command knows whose schema it is.
                await connection.execute("CREATE TABLE registration.schema_migration (number int)")
                await connection.execute("SET statement_timeout = 0")
                await connection.execute(SEED, entries, timeout=600)
                began = time.monotonic()
                async with connection.transaction():
                    await connection.execute(files[name], timeout=600)
                seconds = time.monotonic() - began
            else:
                await connection.execute(files[name])
    finally:
        await connection.close()
    return seconds


async def _verify(dsn: str, entries: int) -> tuple[float, float]:
    """Seconds of `zikao audit-log verify`, with its start, and the most memory it had, in MiB."""
    program = "from zikao_ctl.main import main; main()"
    words = ("audit-log", "verify", "--json", "--database-url", dsn)
    began = time.monotonic()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, *words, stdout=asyncio.subprocess.PIPE
    )
    async with watched(process.pid, LOOK_SECONDS) as seen:
        out, _ = await process.communicate()
    found = json.loads(out)["services"]["registration"]
    assert (process.returncode, found["entries"]) == (0, entries), found
    return time.monotonic() - began, max(seen)


if __name__ == "__main__":
    with TemporaryDirectory() as scratch:
        asyncio.run(bench(Path(scratch), int(sys.argv[1]) if len(sys.argv) > 1 else ENTRIES))
