"""Runs the processes of an installation on one machine, and starts again what dies."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from zikao_ctl import child_launch
from zikao_ctl.log_files import LogLimits, keep_bounded

STOP_GRACE_SECONDS = 30.0

log = structlog.get_logger()


@dataclass(frozen=True)
class Program:
    """A process to keep running: its log file gets what it writes, and stays bounded."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    log_file: Path


@dataclass(frozen=True)
class Patience:
    """How long to wait before a start again: at first, and at most, twice as long each time.

    Whoever ran for `healthy_seconds` is well: its next death is a first one.
    """

    first_seconds: float = 0.2
    longest_seconds: float = 5.0
    healthy_seconds: float = 30.0


QUICK = Patience(first_seconds=0.1, longest_seconds=0.5, healthy_seconds=5.0)
"""With those that are killed on purpose."""


class Supervisor:
    """Keeps programs running until `run` is cancelled; then stops them all.

    A program that dies is started again after a wait that doubles (`Patience`). If
    this process is killed, the kernel kills the programs (PR_SET_PDEATHSIG): use the supervisor
    in the main thread.
    """

    def __init__(
        self,
        programs: Sequence[Program],
        log_limits: LogLimits | None = None,
        patience: Patience | None = None,
    ) -> None:
        """Describe what to run; nothing is started before `run`."""
        self._patience = patience or Patience()
        self._programs = tuple(programs)
        self._log_limits = log_limits or LogLimits()
        self._process_ids: dict[str, int] = {}
        self._deaths: Counter[str] = Counter()

    @property
    def process_ids(self) -> Mapping[str, int]:
        """Id of each program's process that runs now."""
        return dict(self._process_ids)

    def deaths(self, name: str) -> int:
        """How often a program has ended by itself."""
        return self._deaths[name]

    async def run(self) -> None:
        """Run until cancelled. OSError when a program cannot be started at all."""
        log_files = [program.log_file for program in self._programs]
        async with asyncio.TaskGroup() as group:
            group.create_task(keep_bounded(log_files, self._log_limits))
            for program in self._programs:
                group.create_task(self._keep_running(program))

    async def _keep_running(self, program: Program) -> None:
        patience = self._patience
        wait_seconds = patience.first_seconds
        while True:
            started_at = time.monotonic()
            status = await self._run_once(program)
            self._deaths[program.name] += 1
            lived_seconds = time.monotonic() - started_at
            if lived_seconds >= patience.healthy_seconds:
                wait_seconds = patience.first_seconds
            log.warning(
                "process ended, starting it again",
                program=program.name,
                status=status,
                wait_seconds=wait_seconds,
                log_file=str(program.log_file),
            )
            await asyncio.sleep(wait_seconds)
            wait_seconds = min(2 * wait_seconds, patience.longest_seconds)

    async def _run_once(self, program: Program) -> int:
        process = await _start(program)
        self._process_ids[program.name] = process.pid
        try:
            return await process.wait()
        finally:
            await _stop(process, program.name)
            del self._process_ids[program.name]


async def _start(program: Program) -> asyncio.subprocess.Process:
    program.log_file.parent.mkdir(parents=True, exist_ok=True)
    launcher = [sys.executable, "-I", "-S", child_launch.__file__]
    how = (os.getpid(), int(signal.SIGKILL), child_launch.STAY, child_launch.STAY)
    with program.log_file.open("ab") as output:
        return await asyncio.create_subprocess_exec(
            *launcher,
            *map(str, how),
            *program.command,
            env=program.environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,  # Ctrl-C is for us: we stop them in our own way
        )


async def _stop(process: asyncio.subprocess.Process, name: str) -> None:
    """SIGTERM, then SIGKILL after STOP_GRACE_SECONDS; nothing for one that has ended."""
    if process.returncode is not None:
        return
    process.terminate()
    try:
        async with asyncio.timeout(STOP_GRACE_SECONDS):
            await process.wait()
    except TimeoutError:
        log.warning("process does not end, killing it", program=name)
        process.kill()
        await process.wait()
