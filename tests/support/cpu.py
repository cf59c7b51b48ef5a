"""Cores: who may run on which, and how much of them processes have used."""

from __future__ import annotations

from collections.abc import Iterable

from zikao_ctl import processes


def pin(process_id: int, cpus: Iterable[int]) -> None:
    """Let a process, and all that it has started, run on these cores alone."""
    processes.pin([process_id], cpus)


def cpu_seconds(process_id: int) -> float:
    """What a process, all that it has started, and those of them that have ended have used."""
    return processes.cpu_seconds([process_id])
