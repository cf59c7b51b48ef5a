"""The bound of calls at once, against a process in numbers."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from zikao_kit.concurrency import FEWEST_AT_ONCE, STEP_SECONDS, ConcurrencyLimit

MOST = 1000


def run(limit: ConcurrencyLimit, begin: float, steps: int, took_seconds: float) -> float:
    """So many steps in each of which ten take so long; the moment after them."""
    for step in range(steps):
        for number in range(10):
            limit.observe(took_seconds, begin + (step + number / 10) * STEP_SECONDS)
    return begin + steps * STEP_SECONDS


def test_nothing_is_bounded_while_nothing_takes_longer() -> None:
    """Where more at once take no longer, all may run that are allowed at all."""
    limit = ConcurrencyLimit(MOST)
    run(limit, 0.0, 100, 0.004)
    assert limit.limit == MOST


def test_the_bound_falls_while_they_slow_each_other_down_and_grows_again() -> None:
    """Five times as slow as at their best: fewer, down to a good batch; then all again."""
    limit = ConcurrencyLimit(MOST)
    now = run(limit, 0.0, 10, 0.004)
    now = run(limit, now, 50, 0.020)
    assert limit.limit == FEWEST_AT_ONCE
    run(limit, now, 100, 0.004)
    assert limit.limit == MOST


def test_what_is_always_slow_is_the_best_there_is() -> None:
    """Half a minute after a database has become slower, that is what counts."""
    limit = ConcurrencyLimit(MOST)
    now = run(limit, 0.0, 10, 0.004)
    run(limit, now, 400, 0.040)
    assert limit.limit == MOST


@settings(max_examples=20, deadline=None)
@given(st.integers(300, 3000), st.floats(0.002, 0.01))
def test_it_settles_where_each_takes_about_twice_as_long(
    per_second: int, alone_seconds: float
) -> None:
    """A process that is full: they take as long as Little's law says, and not much longer."""
    limit = ConcurrencyLimit(MOST)
    now = run(limit, 0.0, 5, alone_seconds)
    for _ in range(200):
        now = run(limit, now, 1, max(alone_seconds, limit.limit / per_second))
    tolerated = max(FEWEST_AT_ONCE, 2 * alone_seconds * per_second)
    assert limit.limit <= 1.2 * tolerated + 40


def test_few_say_nothing() -> None:
    """One slow call in a quiet moment does not bound the others."""
    limit = ConcurrencyLimit(MOST)
    limit.observe(0.001, 1.0)
    limit.observe(9.0, 2.0)
    assert limit.limit == MOST


def test_a_small_process_has_no_more_than_it_was_given() -> None:
    """The fewest at once are no more than the most."""
    assert ConcurrencyLimit(3).limit == 3
