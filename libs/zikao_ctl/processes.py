"""Processes of the machine: which run, what they have started, and the time they have used."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

PROC = Path("/proc")
_TICKS = os.sysconf("SC_CLK_TCK")
# In /proc/PID/stat after the name: utime, stime, cutime, cstime (proc_pid_stat(5)).
_TIMES = slice(11, 15)


def is_alive(process_id: int) -> bool:
    """Whether a process runs (a zombie does not)."""
    return _fields(process_id)[:1] not in ([], ["Z"])


def family_of(process_ids: Iterable[int]) -> set[int]:
    """The processes that run, and all that they started, however deep."""
    children: Mapping[int, int] = {
        pid: int(fields[1])
        for pid in (int(entry.name) for entry in PROC.iterdir() if entry.name.isdigit())
        if (fields := _fields(pid)) and fields[0] != "Z"
    }
    family = {pid for pid in process_ids if is_alive(pid)}
    while more := {pid for pid, parent in children.items() if parent in family} - family:
        family |= more
    return family


def pin(process_ids: Iterable[int], cores: Iterable[int]) -> None:
    """Let processes, and all that they have started, run on these cores alone."""
    allowed = set(cores)
    for member in family_of(process_ids):
        for thread in _threads(member):
            # One that has ended meanwhile needs no core.
            with suppress(ProcessLookupError):
                os.sched_setaffinity(thread, allowed)


def _threads(process_id: int) -> list[int]:
    try:
        return [int(each.name) for each in (PROC / str(process_id) / "task").iterdir()]
    except (FileNotFoundError, ProcessLookupError):
        return []


def cpu_seconds(process_ids: Iterable[int]) -> float:
    """What processes, all that they have started, and those of them that have ended have used."""
    used = (_fields(member)[_TIMES] for member in family_of(process_ids))
    return sum(int(ticks) for times in used for ticks in times) / _TICKS


def _fields(process_id: int) -> list[str]:
    """State, parent and so on from /proc/PID/stat; empty when there is no such process."""
    try:
        stat = (PROC / str(process_id) / "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return []
    return stat.rpartition(")")[2].split()
