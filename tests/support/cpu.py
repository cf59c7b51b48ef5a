"""Cores: who may run on which, and how much of them processes have used."""

from __future__ import annotations

import os
from collections.abc import Iterable

from zikao_ctl import processes


def pin(process_id: int, cpus: Iterable[int]) -> None:
    """Let a process, and all that it has started, run on these cores alone."""
    allowed = set(cpus)
    for member in processes.family_of([process_id]):
        for thread in (processes.PROC / str(member) / "task").iterdir():
            os.sched_setaffinity(int(thread.name), allowed)


def cpu_seconds(process_id: int) -> float:
    """What a process, all that it has started, and those of them that have ended have used."""
    return processes.cpu_seconds([process_id])
