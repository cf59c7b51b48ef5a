"""Runs PostgreSQL's programs for backups; they end when we do."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from zikao_ctl import child_launch
from zikao_ctl.embedded_postgres_binaries import account_for, program_directory
from zikao_ctl.embedded_postgres_child import ENVIRONMENT
from zikao_ctl.layout import InstallationError

LINES_KEPT = 20


async def run_program(
    data_dir: Path,
    name: str,
    *arguments: str,
    environment: Mapping[str, str] | None = None,
    on_line: Callable[[str], None] = lambda _: None,
) -> None:
    """Run a program of the PostgreSQL that `data_dir` is for, to its end.

    Each line that it writes is given to `on_line`. Raises InstallationError with the last ones
    when it fails.
    """
    program = program_directory(account_for(data_dir)) / name
    who = (os.getpid(), int(signal.SIGTERM), child_launch.STAY, child_launch.STAY)
    launcher = [sys.executable, "-I", "-S", child_launch.__file__, *map(str, who)]
    process = await asyncio.create_subprocess_exec(
        *launcher,
        str(program),
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**ENVIRONMENT, **(environment or {})},
    )
    assert process.stdout is not None
    lines: list[str] = []
    try:
        async for raw in process.stdout:
            line = raw.decode(errors="replace").strip()
            lines = [*lines, line][-LINES_KEPT:]
            on_line(line)
        code = await process.wait()
    except BaseException:
        if process.returncode is None:
            process.terminate()
            await process.wait()
        raise
    if code != 0:
        raise InstallationError(f"{name} failed:\n" + "\n".join(lines))
