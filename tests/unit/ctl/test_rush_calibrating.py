"""The search for the peak: who comes on its plateau, when, and what else they do."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
from zikao_ctl.rush import measuring, running
from zikao_ctl.rush.browsing import Browser
from zikao_ctl.rush.calibrating import Steps
from zikao_ctl.rush.sending import Sender
from zikao_ctl.rush.submissions import Submission
from zikao_ctl.rush.ticking import TICK_SECONDS


class Noting:
    """Whoever is told who comes when."""

    def __init__(self, due: list[Any] | None = None) -> None:
        self.came: list[tuple[float, int]] = []
        self.again: list[int] = []
        self.looked: list[tuple[float, int]] = []
        self._due = due or []

    def add(self, at: float, submission: Any) -> None:
        """Somebody comes for the first time."""
        self.came.append((at, submission.candidate.number))

    def add_again(self, at: float, submission: Any) -> None:
        """Somebody is still there."""
        self.again.append(submission.candidate.number)

    def forget_due(self) -> list[Any]:
        """All who were to come."""
        return self._due

    def look(self, candidate: Any, at: float) -> None:
        """Somebody looks around."""
        self.looked.append((at, candidate.number))


def somebody(number: int, tries: int = 0) -> Submission:
    """Every third one looks around."""
    candidate = SimpleNamespace(number=number, browses=number % 3 == 0)
    return cast(Submission, SimpleNamespace(candidate=candidate, tries=tries))


def test_on_the_plateau_fresh_people_come_evenly_and_some_look_around() -> None:
    """Who has come before and is not answered stays; all others of the steps are put off."""
    people = [somebody(number, tries=int(number < 2)) for number in range(20)]
    noting = Noting(due=[people[1], people[5]])
    steps = Steps(cast(Sender, noting), cast(Browser, noting))
    steps.hold(people, begins=100.0, ends=102.0, rate=5.0)
    assert noting.again == [1]
    assert [number for _, number in noting.came] == list(range(2, 12))
    assert [at for at, _ in noting.came] == pytest.approx([100 + n / 5 for n in range(10)])
    assert noting.looked == [each for each in noting.came if each[1] % 3 == 0]
    assert steps.ends == 102.0


def test_the_plateau_is_longer_than_the_time_in_which_it_settles() -> None:
    """Twice as much of it counts as does not."""
    settling = measuring.SETTLING_TICKS * TICK_SECONDS
    assert settling * 3 <= running.PLATEAU_SECONDS
