"""The time that rules are checked against.

Windows, holds and token lives never ask the machine: they ask a `Clock`, which
tests fix and rehearsals move (all processes of an installation with one file).
"""

from __future__ import annotations

import json
import math
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

from zikao_kit.config import ClockConfig
from zikao_kit.files import write_whole

# A call costs a stat at most this often; a moved clock is seen everywhere within it.
OFFSET_RECHECK_SECONDS = 0.05

# (inode, mtime in ns, size); None when there is no file.
_FileState = tuple[int, int, int] | None


class Clock(Protocol):
    """Tells the time."""

    def now(self) -> datetime:
        """Return the current time, aware, in UTC."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return the machine's time, aware, in UTC."""
        return datetime.now(UTC)


class OffsetClock:
    """The machine's clock plus the offset in a file: `{"offset_seconds": 12.5}`.

    A missing file means 0. A file that says something else raises ValueError: a
    rehearsal at a time nobody asked for would prove nothing.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = timedelta(0)
        self._state: _FileState = None
        self._recheck_at = -math.inf

    def now(self) -> datetime:
        """Return the moved time, aware, in UTC."""
        if time.monotonic() >= self._recheck_at:
            self._recheck()
        return datetime.now(UTC) + self._offset

    def _recheck(self) -> None:
        state = _file_state(self._path)
        if state != self._state:
            self._offset = timedelta(seconds=read_offset(self._path))
            self._state = state
        self._recheck_at = time.monotonic() + OFFSET_RECHECK_SECONDS


def clock_of(config: ClockConfig) -> Clock:
    """Return the clock that a process is configured to go by."""
    return OffsetClock(config.offset_file) if config.offset_file else SystemClock()


def read_offset(path: Path) -> float:
    """Return the offset in seconds; 0 without a file, ValueError for a file that is not one."""
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        return 0.0
    except ValueError as error:
        raise ValueError(f"clock offset file {path}: not JSON") from error
    offset = content.get("offset_seconds") if isinstance(content, dict) else None
    if isinstance(offset, bool) or not isinstance(offset, int | float) or not math.isfinite(offset):
        raise ValueError(f'clock offset file {path}: expected {{"offset_seconds": <number>}}')
    return float(offset)


def write_offset(path: Path, offset_seconds: float) -> None:
    """Move every clock that reads `path`; a reader sees the old or the new file, never half."""
    # Readable for all: services may run as another user than the operator.
    write_whole(path, json.dumps({"offset_seconds": offset_seconds}), 0o644)


def _file_state(path: Path) -> _FileState:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size
