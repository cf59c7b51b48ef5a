"""Items are taken once, at their times, however unevenly somebody looks."""

from __future__ import annotations

import random

from zikao_ctl.rush.agenda import SLOTS_A_SECOND, Agenda

SLOT_SECONDS = 1 / SLOTS_A_SECOND


def test_all_are_taken_once_and_none_early() -> None:
    """Thousands of random times, some in the past, looked at in random steps."""
    chance, agenda = random.Random(1), Agenda[int]()
    added: dict[int, float] = {}
    taken: dict[int, float] = {}
    now = 100.0
    for _ in range(500):
        for _ in range(20):
            number, at = len(added), now + chance.uniform(-0.5, 2)
            added[number] = at
            agenda.add(at, number)
        now += chance.choice((0.0002, 0.001, 0.01, 0.3))
        for at, number in agenda.take(now):
            assert number not in taken
            assert added[number] == at
            assert at <= now
            taken[number] = now
    late = [n for n, at in added.items() if at <= now - SLOT_SECONDS and n not in taken]
    assert not late
    assert sorted([*taken, *agenda.clear()]) == list(range(len(added)))
    assert not agenda.take(now + 10)


def test_who_looks_back_finds_nothing() -> None:
    """Time that does not pass takes nothing that is not due."""
    agenda = Agenda[str]()
    agenda.add(5.0, "later")
    assert agenda.take(0.0) == []
    agenda.add(1.0, "before")
    assert agenda.take(1.0 + SLOT_SECONDS) == [(1.0, "before")]
    assert agenda.take(6.0) == [(5.0, "later")]
