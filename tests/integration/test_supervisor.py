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

from support.processes import is_alive
from support.service import until
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
