"""Cores: who may run on which, and how much of them processes have used."""

from __future__ import annotations

import os
from collections.abc import Iterable

from support.processes import PROC, family_of

_TICKS = os.sysconf("SC_CLK_TCK")
# In /proc/PID/stat after the name: utime, stime, cutime, cstime (proc_pid_stat(5)).
_TIMES = slice(11, 15)


def pin(process_id: int, cpus: Iterable[int]) -> None:
    """Let a process, and all that it has started, run on these cores alone."""
    allowed = set(cpus)
    for member in family_of([process_id]):
        for thread in (PROC / str(member) / "task").iterdir():
            os.sched_setaffinity(int(thread.name), allowed)


def cpu_seconds(process_id: int) -> float:
    """What a process, all that it has started, and those of them that have ended have used."""
    total = 0
    for member in family_of([process_id]):
        stat = (PROC / str(member) / "stat").read_text().rpartition(")")[2].split()
        total += sum(map(int, stat[_TIMES]))
    return total / _TICKS
