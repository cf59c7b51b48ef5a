"""The supervisor with real processes: what dies comes back, and nothing stays behind."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from structlog.testing import capture_logs
from support.processes import is_alive
from support.service import until
from zikao_ctl.log_files import LogLimits
from zikao_ctl.supervisor import Program, Supervisor

SLEEPER = "import sys, time; print('up', flush=True); time.sleep(600)"
STUBBORN = """
import signal, time
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
print("up", flush=True)
time.sleep(600)
"""


def program(folder: Path, name: str, source: str = SLEEPER) -> Program:
    """A Python process."""
    command = [sys.executable, "-c", source]
    return Program(name, command, os.environ, folder / f"{name}.log")


@asynccontextmanager
async def running(supervisor: Supervisor, count: int) -> AsyncIterator[None]:
    """Run it until the block ends, once `count` programs are up."""
    task = asyncio.create_task(supervisor.run())
    try:
        await until(lambda: len(supervisor.process_ids) == count)
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_a_killed_program_is_started_again(tmp_path: Path) -> None:
    """kill -9 of one program brings that one back and leaves the other alone."""
    supervisor = Supervisor([program(tmp_path, "first"), program(tmp_path, "second")])
    async with running(supervisor, 2):
        before = supervisor.process_ids
        os.kill(before["first"], signal.SIGKILL)
        await until(lambda: supervisor.process_ids.get("first", before["first"]) != before["first"])
        await until(lambda: (tmp_path / "first.log").read_text().count("up") >= 1)
        assert supervisor.process_ids["second"] == before["second"]
        assert (supervisor.deaths("first"), supervisor.deaths("second")) == (1, 0)


async def test_cancelling_stops_all_programs(tmp_path: Path) -> None:
    """After the supervisor has been cancelled, none of its processes runs."""
    supervisor = Supervisor([program(tmp_path, "first"), program(tmp_path, "second")])
    async with running(supervisor, 2):
        process_ids = supervisor.process_ids.values()
    assert not any(map(is_alive, process_ids))
    assert supervisor.process_ids == {}


async def test_a_program_gets_its_environment(tmp_path: Path) -> None:
    """What the description says is what the program finds, and nothing of ours."""
    source = "import os, time; print(os.environ, flush=True); time.sleep(600)"
    log_file = tmp_path / "own.log"
    own = Program("own", [sys.executable, "-c", source], {"ZIKAO_X": "1"}, log_file)
    async with running(Supervisor([own]), 1):
        await until(lambda: log_file.exists() and "environ" in log_file.read_text())
    assert "'ZIKAO_X': '1'" in log_file.read_text()
    assert "'HOME'" not in log_file.read_text()


async def test_log_files_stay_bounded(tmp_path: Path) -> None:
    """However much a program writes, its newest lines are there and old ones make room."""
    source = """
import time
for number in range(1_000_000):
    print(f"{number:09}", flush=True)
    time.sleep(0.0005)
"""
    limits = LogLimits(max_bytes=1000, kept=2, look_seconds=0.02)
    log_file = tmp_path / "chatty.log"
    first = f"{0:09}\n"
    async with running(Supervisor([program(tmp_path, "chatty", source)], limits), 1):
        oldest = tmp_path / "chatty.log.2"
        await until(lambda: oldest.exists() and first not in oldest.read_text())
        await until(lambda: log_file.read_text() != "")
    files = sorted(tmp_path.iterdir())
    assert [file.name for file in files] == ["chatty.log", "chatty.log.1", "chatty.log.2"]
    newest = [line for file in reversed(files) for line in file.read_text().splitlines()]
    assert newest == sorted(newest)
    # No hole where the file was emptied: each has whole lines only.
    assert all(line.isdigit() and len(line) == 9 for line in newest)


async def test_a_log_that_cannot_be_rotated_stops_nothing(tmp_path: Path) -> None:
    """A folder in the way, as a full disk, leaves the program running and its log growing."""
    (tmp_path / "chatty.log.1").mkdir()
    source = "import time; print('x' * 5000, flush=True); time.sleep(600)"
    limits = LogLimits(max_bytes=1000, kept=1, look_seconds=0.02)
    supervisor = Supervisor([program(tmp_path, "chatty", source)], limits)
    with capture_logs() as logs:
        async with running(supervisor, 1):
            await until(lambda: len(logs) > 1)
            assert supervisor.deaths("chatty") == 0
    assert {entry["event"] for entry in logs} == {"log file not rotated"}
    assert (tmp_path / "chatty.log").stat().st_size > 5000


async def test_programs_do_not_outlive_a_killed_supervisor(tmp_path: Path) -> None:
    """kill -9 of the supervisor's process takes its programs along, even stubborn ones."""
    source = f"""
import asyncio, os, sys
from pathlib import Path
from zikao_ctl.supervisor import Program, Supervisor
program = Program("child", [sys.executable, "-c", {STUBBORN!r}], os.environ, Path("child.log"))
supervisor = Supervisor([program])
async def main():
    async with asyncio.TaskGroup() as group:
        group.create_task(supervisor.run())
        while not supervisor.process_ids:
            await asyncio.sleep(0.01)
        while "up" not in Path("child.log").read_text():
            await asyncio.sleep(0.01)
        print(supervisor.process_ids["child"], flush=True)
asyncio.run(main())
"""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    parent = subprocess.Popen(
        [sys.executable, "-c", source], cwd=tmp_path, env=environment, stdout=subprocess.PIPE
    )
    assert parent.stdout is not None
    child_id = int(await asyncio.to_thread(parent.stdout.readline))
    assert is_alive(child_id)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    await until(lambda: not is_alive(child_id))
