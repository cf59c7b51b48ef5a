"""Log files that stay bounded while processes write them.

Whoever writes has opened the file to append, and knows nothing of this: a full file is copied,
then emptied. What is written between the two, within microseconds, is lost.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

MAX_LOG_BYTES = 16 * 1024 * 1024
KEPT_LOGS = 3
LOOK_SECONDS = 5.0

log = structlog.get_logger()


@dataclass(frozen=True)
class LogLimits:
    """When a log file is full, how many full ones are kept beside it, how often one looks."""

    max_bytes: int = MAX_LOG_BYTES
    kept: int = KEPT_LOGS
    look_seconds: float = LOOK_SECONDS


async def keep_bounded(files: Sequence[Path], limits: LogLimits) -> None:
    """Empty the files that are full, until cancelled; `<name>.1` is the newest full one."""
    while True:
        await asyncio.sleep(limits.look_seconds)
        for file in files:
            try:
                await asyncio.to_thread(_rotate, file, limits)
            except OSError as error:
                # A full disk must not end what runs.
                log.warning("log file not rotated", log_file=str(file), cause=str(error))


def _rotate(file: Path, limits: LogLimits) -> None:
    if not file.exists() or file.stat().st_size <= limits.max_bytes:
        return
    for number in range(limits.kept, 1, -1):
        if (newer := _full(file, number - 1)).exists():
            newer.replace(_full(file, number))
    shutil.copyfile(file, _full(file, 1))
    os.truncate(file, 0)


def _full(file: Path, number: int) -> Path:
    return file.with_name(f"{file.name}.{number}")
