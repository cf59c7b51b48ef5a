"""Takes a backup of an installation while it runs.

The three services' schemas are in one cluster, so one base backup has all three as they were at
one moment, its end. What is around it (the payment platform's ledger) is copied after that: it
may know more than the database, as after any crash, and never less.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from urllib.parse import unquote, urlsplit

import asyncpg

from zikao_ctl.backup.archive import CLOCK, LEDGER, PRIVATE, Manifest, described, pack
from zikao_ctl.backup.passphrase import seal
from zikao_ctl.backup.private import pack_private, read_private
from zikao_ctl.backup.programs import run_program
from zikao_ctl.database_server import EmbeddedServer
from zikao_ctl.databases import SERVICES
from zikao_ctl.layout import InstallationError, Layout
from zikao_ctl.ports import HOST, POSTGRES

PROGRESS_STEP_PERCENT = 10
MEBIBYTE = 1 << 20
_PERCENT = re.compile(r"\((\d+)%\)")
Say = Callable[[str], None]


@dataclass(frozen=True)
class Found:
    """The database of an installation that runs."""

    port: int
    password: str
    postgres: int
    bytes: int
    migrations: Mapping[str, int]


async def look(layout: Layout) -> Found:
    """Find the database of an installation. Raises InstallationError where it does not run."""
    port = layout.read_mark().ports.get(POSTGRES)
    if port is None:
        raise InstallationError(
            f"{layout.data} has no PostgreSQL of its own: back up its database where that runs"
        )
    server = EmbeddedServer(layout.postgres, port)
    try:
        dsn = server.admin_dsn(server.database)
        connection = await asyncpg.connect(dsn)
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        message = f"no installation runs in {layout.data} ({error}): start it with zikao up"
        raise InstallationError(message) from error
    try:
        return Found(
            port,
            unquote(urlsplit(dsn).password or ""),
            connection.get_server_version().major,
            await connection.fetchval("SELECT sum(pg_database_size(oid))::bigint FROM pg_database"),
            {service: await _last_migration(connection, service) for service in SERVICES},
        )
    finally:
        await connection.close()


async def take(layout: Layout, target: Path, passphrase: bytes, say: Say) -> Manifest:
    """Write a backup to `target`, which must not be there. Raises InstallationError, OSError."""
    refuse_existing(target)
    found = await look(layout)
    began_at = datetime.now(UTC)
    private = read_private(layout)
    folder = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        say(f"database: {found.bytes / MEBIBYTE:.0f} MiB")
        await _copy_database(layout, found, folder, say)
        taken_at = datetime.now(UTC)
        await asyncio.to_thread(_copy_ledger, layout, folder / LEDGER)
        if layout.clock_file.exists():
            shutil.copyfile(layout.clock_file, folder / CLOCK)
        if read_private(layout) != private:
            raise InstallationError("keys or certificates were changed meanwhile: take it again")
        say("keys, passwords and certificates are encrypted")
        times = began_at.isoformat(), taken_at.isoformat()
        manifest = Manifest(version("zikao"), found.postgres, *times, found.migrations, {})
        secret = pack_private(private), passphrase
        return await asyncio.to_thread(_finish, folder, target, manifest, secret)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def refuse_existing(target: Path) -> None:
    """Raise InstallationError for a file that a backup would replace."""
    if target.exists():
        raise InstallationError(f"{target} is there already: give another name")
    if not target.parent.is_dir():
        raise InstallationError(f"{target.parent} is not a directory")


async def _last_migration(connection: asyncpg.Connection[asyncpg.Record], service: str) -> int:
    sql = f"SELECT max(number) FROM {service}.schema_migration"  # noqa: S608 - a known name
    return int(await connection.fetchval(sql))


async def _copy_database(layout: Layout, found: Found, folder: Path, say: Say) -> None:
    shown = 0

    def show(line: str) -> None:
        nonlocal shown
        percent = _PERCENT.search(line)
        if percent and int(percent[1]) >= shown + PROGRESS_STEP_PERCENT:
            shown = int(percent[1])
            say(f"database: {shown} %")

    await run_program(
        layout.postgres,
        "pg_basebackup",
        f"--pgdata={folder}",
        f"--host={HOST}",
        f"--port={found.port}",
        "--username=postgres",
        "--no-password",
        "--format=tar",
        "--gzip",
        # All of the log from its begin to its end comes on a connection of its own meanwhile.
        "--wal-method=stream",
        "--checkpoint=fast",
        "--manifest-checksums=SHA256",
        "--label=zikao",
        "--progress",
        environment={"PGPASSWORD": found.password},
        on_line=show,
    )


def _copy_ledger(layout: Layout, target: Path) -> None:
    """As it is at one moment, while the platform goes on writing."""
    with (
        closing(sqlite3.connect(layout.payment_ledger)) as source,
        closing(sqlite3.connect(target)) as copy,
    ):
        source.backup(copy)


def _finish(
    folder: Path, target: Path, manifest: Manifest, private: tuple[bytes, bytes]
) -> Manifest:
    content, passphrase = private
    manifest = replace(manifest, files=described(folder))
    sealed = seal(content, passphrase, manifest.bound)
    (folder / PRIVATE).write_bytes(sealed)
    entry = (len(sealed), hashlib.sha256(sealed).hexdigest())
    manifest = replace(manifest, files={**manifest.files, PRIVATE: entry})
    pack(folder, manifest, target)
    return manifest
