"""The PostgreSQL of an installation: the embedded one, kept running, or one of the user's."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit, urlunsplit

import structlog

from zikao_ctl.embedded_postgres import EmbeddedPostgres, EmbeddedPostgresError
from zikao_ctl.layout import InstallationError
from zikao_ctl.ports import HOST

DATABASE = "zikao"
MAINTENANCE_DATABASE = "postgres"
POLL_SECONDS = 0.1
RESTART_SECONDS = 1.0

log = structlog.get_logger()


@dataclass(frozen=True)
class DiskLimits:
    """Of a cluster on a small disk: its log is cut into pieces of 1 MB, and few are kept."""

    settings: Mapping[str, str] = field(
        default_factory=lambda: {
            "shared_buffers": "64MB",
            "min_wal_size": "2MB",
            "max_wal_size": "32MB",
        }
    )
    initdb_options: Sequence[str] = ("--wal-segsize=1",)


class EmbeddedServer:
    """The embedded PostgreSQL, started again when it dies."""

    def __init__(self, folder: Path, port: int, limits: DiskLimits | None = None) -> None:
        """Nothing is started before `run`."""
        self._postgres = (
            EmbeddedPostgres(folder, port, limits.settings, initdb_options=limits.initdb_options)
            if limits
            else EmbeddedPostgres(folder, port)
        )
        self._answers = asyncio.Event()
        self.database = DATABASE
        self.identity = "embedded"
        self.address = f"postgresql://{HOST}:{port}/{MAINTENANCE_DATABASE}"

    def admin_dsn(self, database: str) -> str:
        """The superuser's DSN; once it answers."""
        return self._postgres.dsn(database)

    @property
    def process_ids(self) -> dict[str, int]:
        """The postmaster's id while it runs."""
        return {"postgres": self._postgres.process.pid} if self._answers.is_set() else {}

    @property
    def log_tail(self) -> str:
        """The end of what it has logged, to go on a sentence with."""
        return self._postgres.log_tail

    async def until_it_answers(self) -> None:
        """Wait for the start."""
        await self._answers.wait()

    async def run(self) -> None:
        """Keep it running until cancelled; EmbeddedPostgresError when the first start fails."""
        try:
            await _to_its_end(self._postgres.start)
            while True:
                self._answers.set()
                # A death is no event of the loop: the thread that made the process waits for it.
                while self._postgres.process.poll() is None:  # noqa: ASYNC110
                    await asyncio.sleep(POLL_SECONDS)
                self._answers.clear()
                log.warning("PostgreSQL ended, starting it again")
                await self._start_again()
        finally:
            await _to_its_end(self._postgres.stop)

    async def _start_again(self) -> None:
        while True:
            try:
                return await _to_its_end(self._postgres.start)
            except EmbeddedPostgresError as error:
                log.warning("PostgreSQL did not start", cause=str(error))
            await asyncio.sleep(RESTART_SECONDS)


class ForeignServer:
    """A PostgreSQL of the user's, which we neither start nor stop."""

    def __init__(self, url: str) -> None:
        """`url` is an administrator's DSN; its database part names the database to use.

        InstallationError when it is no DSN.
        """
        parts = urlsplit(url)
        if parts.scheme not in ("postgresql", "postgres"):
            raise InstallationError("--database-url must be postgresql://USER:PASSWORD@HOST:PORT/…")
        self._parts = parts
        name = unquote(parts.path.removeprefix("/"))
        self.database = DATABASE if name in ("", MAINTENANCE_DATABASE) else name
        self.identity = f"{parts.netloc.rpartition('@')[2]}/{self.database}"
        self.address = self.admin_dsn(MAINTENANCE_DATABASE)
        self.process_ids: dict[str, int] = {}
        self.log_tail = ""

    def admin_dsn(self, database: str) -> str:
        """The administrator's DSN for a database."""
        return urlunsplit(self._parts._replace(path="/" + quote(database, safe="")))

    async def until_it_answers(self) -> None:
        """It is there, or the first connection says why not."""

    async def run(self) -> None:
        """It runs without us."""
        await asyncio.Event().wait()


DatabaseServer = EmbeddedServer | ForeignServer


async def _to_its_end(work: Callable[[], None]) -> None:
    """Do blocking work in a thread; when cancelled, wait for it: it cannot be left half done."""
    task = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise
