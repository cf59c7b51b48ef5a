"""The bound of calls at once, against a process in numbers."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from zikao_kit.concurrency import FEWEST_AT_ONCE, STEP_SECONDS, ConcurrencyLimit

MOST = 256


class Process:
    """Batches of all that run: each costs something, and so does each call of it."""

    def __init__(self, batch_seconds: float, call_seconds: float, noise: float = 0.0) -> None:
        self.limit = ConcurrencyLimit(MOST)
        self.batch_seconds = batch_seconds
        self.call_seconds = call_seconds
        self.now = 100.0
        self._noise = noise
        self._random = random.Random(5)

    def run(self, seconds: float, *, wanted: int = 1_000_000) -> list[int]:
        """So long, with so many that want to run at once; the bounds after each batch."""
        until, bounds = self.now + seconds, []
        while self.now < until:
            at_once = min(wanted, self.limit.limit)
            took = self.batch_seconds + self.call_seconds * at_once
            self.now += took * self._random.uniform(1 - self._noise, 1 + self._noise)
            for _ in range(at_once):
                self.limit.done(self.now, awaited=wanted > at_once)
            bounds.append(self.limit.limit)
        return bounds


@settings(max_examples=15, deadline=None)
@given(st.floats(0.01, 0.1), st.floats(0.0, 0.2))
def test_it_is_at_its_most_where_large_batches_get_more_done(
    batch_seconds: float, noise: float
) -> None:
    """Whatever a call took in a quiet hour: what counts is what is done in a second."""
    process = Process(batch_seconds, 0.0001, noise)
    process.run(10, wanted=2)
    bounds = process.run(30)
    assert sum(bound >= 181 for bound in bounds) > 0.7 * len(bounds)


@settings(max_examples=15, deadline=None)
@given(st.floats(0.0002, 0.002), st.floats(0.0, 0.05))
def test_it_is_small_where_more_at_once_only_wait_longer(call_seconds: float, noise: float) -> None:
    """A process that is full with the fewest does no more with more."""
    process = Process(0.0, call_seconds, noise)
    process.run(10)
    bounds = process.run(30)
    assert sum(bound <= 91 for bound in bounds) > 0.8 * len(bounds)


def test_it_follows_what_has_changed() -> None:
    """A database that answers late needs more at once; when it is quick again, fewer do."""
    process = Process(0.0, 0.0004)
    process.run(20)
    assert process.limit.limit <= 91
    process.batch_seconds = 0.2
    bounds = process.run(20)
    assert sum(bound >= 181 for bound in bounds[len(bounds) // 2 :]) > len(bounds) / 4
    process.batch_seconds = 0.0
    process.run(20)
    assert process.limit.limit <= 91


def test_a_bound_that_nobody_waits_for_stays() -> None:
    """Few calls, or a quiet night, say nothing, and no other is tried."""
    process = Process(0.0, 0.0004)
    assert process.run(10, wanted=10)[-1] == MOST
    process.run(20)
    process.run(2 * STEP_SECONDS, wanted=20)
    small = process.limit.limit
    assert small <= 91
    assert process.run(20 * STEP_SECONDS, wanted=20)[-1] == small


@pytest.mark.parametrize("most", [1, 3, FEWEST_AT_ONCE])
def test_a_small_process_has_as_many_as_it_was_given(most: int) -> None:
    """The fewest at once are no more than the most, whatever is done."""
    limit = ConcurrencyLimit(most)
    for step in range(1000):
        limit.done(step * 0.01, awaited=True)
    assert limit.limit == most
