"""A small disk that does not do what is wanted of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from zikao_ctl.faults import disk as module
from zikao_ctl.faults import kinds
from zikao_ctl.faults.disk import SmallDisk, StaysFull
from zikao_ctl.faults.scene import NotRecovered, Scene
from zikao_ctl.faults.schedule import Fault


def resizing(monkeypatch: pytest.MonkeyPatch, answer: Callable[[int], bool]) -> list[int]:
    """Have disks be resized so; return the sizes that were wanted."""
    wanted: list[int] = []

    def resize(_: SmallDisk, size_bytes: int) -> bool:
        wanted.append(size_bytes)
        return answer(size_bytes)

    monkeypatch.setattr(SmallDisk, "_resize", resize)
    monkeypatch.setattr(module, "_AGAIN_SECONDS", 0.0)
    return wanted


def test_a_disk_that_is_busy_just_then_grows_a_moment_later(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It is tried again until it is as large as it was."""
    answers = iter([True, False, False, True])
    wanted = resizing(monkeypatch, lambda _: next(answers))
    with SmallDisk(tmp_path).filled():
        pass
    small, *large = wanted
    assert len(large) == 3
    assert {small < size for size in large} == {True}


def test_a_disk_that_stays_full_is_told_from_one_that_was_never_full(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The first is no state to go on in, the second no fault."""
    resizing(monkeypatch, lambda _: False)
    with pytest.raises(StaysFull, match="cannot be made as large"), SmallDisk(tmp_path).filled():
        pass


async def test_nothing_is_broken_further_on_a_disk_that_stays_full() -> None:
    """It is an installation that has not come back."""

    class Stuck:
        @contextmanager
        def filled(self) -> Iterator[None]:
            raise StaysFull("the disk cannot be made as large as it was")
            yield

    scene = cast(Scene, SimpleNamespace(disk=Stuck()))
    fault = cast(Fault, SimpleNamespace(victim="tables", seconds=0.0))
    with pytest.raises(NotRecovered, match="as large as it was"):
        await kinds.INJECT["full_disk"](scene, fault)
