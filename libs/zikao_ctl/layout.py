"""The directory of an installation: what is where, and that one process at a time has it.

installation.json   marks the directory as ours; remembers ports and database
lock                held while an installation runs
postgres/           the embedded PostgreSQL
certs/              the development CA and the certificates it issued
secrets/            keys, passwords and connection strings, for test data only
config/             what each process is told
logs/               what each process writes, some 64 MiB each: the full ones end in .1 to .3
payment/            what the sandbox's payment platform remembers
clock/              how far the rehearsal's clock is from the machine's: a folder, for containers
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from zikao_kit.files import write_whole

from zikao_ctl.embedded_postgres_orphans import end_orphans

DEFAULT_DATA = Path("out/zikao")


class InstallationError(Exception):
    """The installation cannot run; the text says why, and what to do."""


@dataclass(frozen=True)
class Mark:
    """What an installation remembers: ports by name, and which database has its data."""

    ports: dict[str, int] = field(default_factory=dict)
    database: str = ""


class Layout:
    """The paths of an installation in the directory `data`."""

    def __init__(self, data: Path = DEFAULT_DATA, postgres: Path | None = None) -> None:
        """Nothing is touched before `claimed`; `postgres` where the database is on a disk apart."""
        self.data = data.absolute()
        self.postgres = (postgres or self.data / "postgres").absolute()
        self.certs = self.data / "certs"
        self.secrets = self.data / "secrets"
        self.config = self.data / "config"
        self.logs = self.data / "logs"
        self.payment_ledger = self.data / "payment" / "payment.sqlite"
        self.mails = self.data / "mails"
        self.clock_file = self.data / "clock" / "clock.json"
        self._mark = self.data / "installation.json"
        self._lock = self.data / "lock"

    @contextmanager
    def claimed(self, *, reset: bool = False) -> Iterator[None]:
        """Have the directory for ourselves while the block runs; made if it is not there.

        `reset` deletes what is in it. Raises InstallationError for a directory that is not of
        an installation, or that another process runs.
        """
        self._refuse_strangers()
        self.data.mkdir(parents=True, exist_ok=True)
        with self._locked():
            self._end_leftovers()
            if reset:
                self._delete()
            if not self._mark.exists():
                self.write_mark(Mark())
            yield

    def read_mark(self) -> Mark:
        """What is remembered; InstallationError when it cannot be read."""
        try:
            return Mark(**json.loads(self._mark.read_text()))
        except (OSError, ValueError, TypeError) as error:
            raise InstallationError(f"{self._mark} cannot be used ({error}): --reset") from error

    def write_mark(self, mark: Mark) -> None:
        """Remember."""
        write_whole(self._mark, json.dumps(asdict(mark), indent=2))

    def _refuse_strangers(self) -> None:
        if self.data.exists() and not self.data.is_dir():
            raise InstallationError(f"{self.data} is not a directory")
        others = self.data.is_dir() and any(p != self._lock for p in self.data.iterdir())
        if others and not self._mark.exists():
            raise InstallationError(
                f"{self.data} holds other files and no installation: give another --data"
            )

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with self._lock.open("a+") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.seek(0)
                raise InstallationError(
                    f"{self.data} is in use: process {lock.read().strip()} runs it. "
                    "Stop that one, or give another --data and --port-base"
                ) from None
            lock.truncate(0)
            lock.write(str(os.getpid()))
            lock.flush()
            yield

    def _end_leftovers(self) -> None:
        """A killed installation's PostgreSQL may still be writing its last checkpoint."""
        pgdata = self.postgres / "pgdata"
        if pgdata.exists():
            end_orphans(pgdata)

    def _delete(self) -> None:
        """All but the lock; the mark last, so that an interrupted reset can be repeated."""
        for path in self.data.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            elif path not in (self._mark, self._lock):
                path.unlink()
        self._mark.unlink(missing_ok=True)
