"""A PostgreSQL cluster run as our own child process, for machines without one.

The programs come from a PyPI package; nothing has to be installed on the
machine, and it works for an ordinary user and for root (who PostgreSQL refuses
to run as). One directory holds everything:

    DATA_DIR/pgdata       the cluster
    DATA_DIR/password     the superuser's password (mode 0600)
    DATA_DIR/port         the TCP port of the last start
    DATA_DIR/server.log   what PostgreSQL logs
    DATA_DIR/lock         held while a process runs the cluster

As root the cluster is reached through /proc/self/fd/N, a directory opened
before the privileges are dropped: so DATA_DIR may be below a directory, such
as /root, that the unprivileged user cannot enter.
"""

import fcntl
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

from zikao_ctl.embedded_postgres_binaries import Account, account_for, program_directory
from zikao_ctl.embedded_postgres_child import spawn
from zikao_ctl.embedded_postgres_orphans import cluster_name, end_orphans, postmaster_id
from zikao_ctl.ports import HOST, is_free

SUPERUSER = "postgres"
DEFAULT_SETTINGS: Mapping[str, str] = {
    "max_connections": "200",
    "shared_buffers": "256MB",
    # The machine is small: who waits goes before tables that are to be tidied.
    "autovacuum_vacuum_cost_delay": "20ms",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
INITDB_OPTIONS = (
    f"--username={SUPERUSER}",
    "--auth=scram-sha-256",
    "--encoding=UTF8",
    # Sorts by code point everywhere alike, whatever locales the machine has.
    "--locale=C",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--no-instructions",
)
READY_SECONDS = 120.0  # after a crash the log is replayed first
POLL_SECONDS = 0.01
PORT_ATTEMPTS = 5
STOP_STEPS = (
    (signal.SIGINT, 30.0),  # fast shutdown: clients are cut off, a checkpoint is written
    (signal.SIGQUIT, 5.0),  # immediate: the next start recovers
    (signal.SIGKILL, 5.0),
)
LOG_TAIL_LINES, LOG_TAIL_BYTES = 20, 16 * 1024
LOG_LIMIT_BYTES = 16 * 1024 * 1024


class EmbeddedPostgresError(RuntimeError):
    """The cluster could not be made, started or stopped; the message ends with the log's tail."""


class EmbeddedPostgres:
    """One cluster in one directory; `start`, `stop`, or use as a context manager.

    After the postmaster has died (`process.poll()` is not None), `start` may be
    called again: it ends what is left and recovers. Not for concurrent use.
    """

    def __init__(
        self,
        data_dir: Path,
        port: int | None = None,
        settings: Mapping[str, str] | None = None,
        *,
        initdb_options: Sequence[str] = (),
    ) -> None:
        """Describe the cluster in `data_dir`; nothing is touched before `start`.

        `port` None: the last start's port, or a free one when that is taken.
        `settings` are configuration parameters on top of DEFAULT_SETTINGS, `initdb_options`
        what is decided when the cluster is made.
        """
        self._initdb_options = initdb_options
        self.data_dir = data_dir.absolute()
        self._wanted_port = port
        self._settings = {**DEFAULT_SETTINGS, **(settings or {})}
        self._pgdata = self.data_dir / "pgdata"
        self._log = self.data_dir / "server.log"
        self._account: Account | None = None
        self._lock_fd: int | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def process(self) -> "subprocess.Popen[bytes]":
        """The postmaster. Raises EmbeddedPostgresError before the first start."""
        if self._process is None:
            raise EmbeddedPostgresError("the embedded PostgreSQL has not been started")
        return self._process

    @property
    def port(self) -> int:
        """The TCP port on 127.0.0.1. Raises EmbeddedPostgresError before the first start."""
        noted = self._noted_port()
        if noted is None:
            raise EmbeddedPostgresError(f"{self.data_dir} has no port yet: start it first")
        return noted

    def dsn(
        self, database: str = "postgres", user: str = SUPERUSER, password: str | None = None
    ) -> str:
        """Return a connection URI; the superuser's password is filled in when none is given."""
        if password is None and user == SUPERUSER:
            password = (self.data_dir / "password").read_text()
        secret = "" if password is None else f":{quote(password, safe='')}"
        name = quote(database, safe="")
        return f"postgresql://{quote(user, safe='')}{secret}@{HOST}:{self.port}/{name}"

    @property
    def log_tail(self) -> str:
        """The end of what PostgreSQL has logged, to go on a sentence with."""
        try:
            with self._log.open("rb") as log:
                log.seek(max(0, self._log.stat().st_size - LOG_TAIL_BYTES))
                lines = log.read().decode(errors="replace").splitlines()
        except OSError:
            return ""
        return "; the end of its log:\n" + "\n".join(lines[-LOG_TAIL_LINES:])

    def start(self) -> None:
        """Return when the cluster accepts connections; at once when it already does.

        Makes it first if the directory is empty, and recovers it if it was
        killed. Raises EmbeddedPostgresError.
        """
        if self._process is not None and self._process.poll() is None:
            return
        try:
            self._open_directory()
            self._account = account_for(self.data_dir)
            programs = program_directory(self._account)
            if not (self._pgdata / "PG_VERSION").exists():
                self._make_cluster(programs)
            end_orphans(self._pgdata)
            self._launch(programs)
        except BaseException as error:
            self._end_postmaster()
            self._release()
            if isinstance(error, OSError):
                raise EmbeddedPostgresError(f"{self.data_dir}: {error}") from error
            raise

    def stop(self) -> None:
        """End the cluster and everything of it; does nothing when it is not running.

        Raises EmbeddedPostgresError when a process cannot be ended.
        """
        if self._lock_fd is None:
            return
        try:
            self._end_postmaster()
            end_orphans(self._pgdata)
        except OSError as error:
            raise EmbeddedPostgresError(str(error)) from error
        finally:
            self._release()

    def __enter__(self) -> Self:
        """Start the cluster."""
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        """Stop the cluster."""
        self.stop()

    def _open_directory(self) -> None:
        self.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = self.data_dir / "lock"
        if not lock.exists() and any(self.data_dir.iterdir()):
            raise EmbeddedPostgresError(
                f"{self.data_dir} holds other files: give an empty directory"
            )
        if self._lock_fd is None:
            self._lock_fd = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise EmbeddedPostgresError(f"{self.data_dir} is in use by another process") from None

    def _release(self) -> None:
        if self._lock_fd is not None:
            os.close(self._lock_fd)
            self._lock_fd = None

    def _make_cluster(self, programs: Path) -> None:
        """Make the cluster under another name and rename it: an interrupted start leaves none."""
        for leftover in self.data_dir.glob("initdb-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        password = self.data_dir / "password"
        password.unlink(missing_ok=True)
        password.touch(mode=0o600)
        password.write_text(secrets.token_urlsafe(24))
        building = Path(tempfile.mkdtemp(prefix="initdb-", dir=self.data_dir))
        self._give_away(self.data_dir, password, building)
        options = [*INITDB_OPTIONS, *self._initdb_options, f"--pwfile={{data}}/{password.name}"]
        if self._settings.get("fsync") == "off":
            options.append("--no-sync")
        command = [str(programs / "initdb"), f"--pgdata={{data}}/{building.name}", *options]
        if spawn(command, self.data_dir, self._account, self._log).wait() != 0:
            raise EmbeddedPostgresError(f"PostgreSQL's initdb failed{self.log_tail}")
        building.rename(self._pgdata)

    def _give_away(self, *paths: Path) -> None:
        if self._account is not None:
            for path in paths:
                os.chown(path, self._account.uid, self._account.gid)

    def _launch(self, programs: Path) -> None:
        if self._log.exists() and self._log.stat().st_size > LOG_LIMIT_BYTES:
            self._log.replace(self._log.with_suffix(".log.1"))
        for _ in range(PORT_ATTEMPTS):
            port = self._choose_port()
            self._process = spawn(
                self._command(programs, port), self.data_dir, self._account, self._log
            )
            if self._becomes_ready(self._process):
                self._note_port(port)
                return
            if self._wanted_port is not None or is_free(port):
                break
        raise EmbeddedPostgresError(f"PostgreSQL did not start{self.log_tail}")

    def _note_port(self, port: int) -> None:
        """Written only where it differs: a cluster on a full disk can start again."""
        if self._noted_port() != port:
            building = self.data_dir / "port.new"
            building.write_text(str(port))
            building.replace(self.data_dir / "port")

    def _noted_port(self) -> int | None:
        try:
            return int((self.data_dir / "port").read_text())
        except (FileNotFoundError, ValueError):
            return None

    def _choose_port(self) -> int:
        if self._wanted_port is not None:
            return self._wanted_port
        noted = self._noted_port()
        if noted is not None and is_free(noted):
            return noted
        with socket.socket() as probe:
            probe.bind((HOST, 0))
            return int(probe.getsockname()[1])

    def _command(self, programs: Path, port: int) -> list[str]:
        settings = {
            **self._settings,
            "listen_addresses": HOST,
            "port": str(port),
            "unix_socket_directories": "",
            "cluster_name": cluster_name(self._pgdata),
        }
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        return [str(programs / "postgres"), "-D", f"{{data}}/{self._pgdata.name}", *options]

    def _becomes_ready(self, process: "subprocess.Popen[bytes]") -> bool:
        """Wait until the postmaster says so in its pid file, as pg_ctl does; False when it ends."""
        deadline = time.monotonic() + READY_SECONDS
        while process.poll() is None:
            if postmaster_id(self._pgdata) == process.pid and self._status() == "ready":
                return True
            if time.monotonic() > deadline:
                self._end_postmaster()
                return False
            time.sleep(POLL_SECONDS)
        return False

    def _status(self) -> str:
        lines = (self._pgdata / "postmaster.pid").read_text().splitlines()
        return lines[7].strip() if len(lines) > 7 else ""

    def _end_postmaster(self) -> None:
        if self._process is None:
            return
        for number, seconds in STOP_STEPS:
            self._process.send_signal(number)
            try:
                self._process.wait(seconds)
            except subprocess.TimeoutExpired:
                continue
            return
