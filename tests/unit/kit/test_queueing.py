"""When a line stands, who is told, and who is next in it."""

from __future__ import annotations

import asyncio
from itertools import count, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from zikao_kit.queueing import (
    FEWEST_TOLD,
    GOOD_LINE,
    INTERVAL_SECONDS,
    LEAST_TARGET_SECONDS,
    MOST_TARGET_SECONDS,
    Queue,
    Standing,
)

LATE, IN_TIME = 2 * MOST_TARGET_SECONDS, LEAST_TARGET_SECONDS / 2


def looked_at(standing: Standing, begin: float, waits: list[float]) -> float:
    """Let these waits be seen within one interval; the moment of its end."""
    standing.is_standing(begin)
    for number, wait in enumerate(waits):
        standing.observe(wait, begin + number * INTERVAL_SECONDS / (len(waits) + 1))
    return begin + INTERVAL_SECONDS * 1.01


@settings(max_examples=50)
@given(st.lists(st.sampled_from([LATE, IN_TIME]), max_size=30))
def test_a_line_stands_where_most_of_an_interval_wait_too_long(waits: list[float]) -> None:
    """By the definition, whatever the order; an interval of nobody does not stand."""
    standing = Standing()
    end = looked_at(standing, 10.0, waits)
    assert standing.is_standing(end) == (waits.count(LATE) > waits.count(IN_TIME))


def told_by(standing: Standing, begin: float, **waits: list[float]) -> bool:
    """Whether the line stands after an interval of what these callers say of themselves."""
    standing.is_standing(begin)
    for caller, each in waits.items():
        for wait in each:
            standing.observe(wait, begin, caller)
    return standing.is_standing(begin + INTERVAL_SECONDS * 1.01)


def test_a_caller_speaks_for_itself() -> None:
    """Whoever says of all its calls that they are late, of many or of few, makes no line alone."""
    late, in_time = [LATE] * 50, [IN_TIME] * 10
    assert told_by(Standing(), 10.0, a=late, b=late, c=in_time)
    assert told_by(Standing(), 10.0, a=late)
    assert not told_by(Standing(), 10.0, a=late, b=in_time)
    assert not told_by(Standing(), 10.0, a=late[: FEWEST_TOLD - 1])
    standing = Standing()
    standing.observe(LATE, 10.0)
    assert told_by(standing, 10.01, a=[LATE])


@pytest.mark.parametrize(("per_second", "stands"), [(3400, True), (1500, False), (900, False)])
def test_a_line_may_be_as_long_as_a_good_batch(per_second: int, stands: bool) -> None:
    """At the same wait of 12 ms it stands where that are too many, and not on a slower machine."""
    standing, wait = Standing(), 0.012
    count = round(per_second * INTERVAL_SECONDS)
    end = looked_at(standing, 10.0, [wait] * count)
    end = looked_at(standing, end, [wait] * count)
    assert standing.is_standing(end) is stands
    worth = GOOD_LINE / per_second
    bounded = min(MOST_TARGET_SECONDS, max(LEAST_TARGET_SECONDS, worth))
    assert standing.target_seconds == pytest.approx(bounded, rel=0.05)


def test_a_wait_is_news_for_an_interval() -> None:
    """The mean of those who waited lately; nothing where nobody came since."""
    standing = Standing()
    end = looked_at(standing, 10.0, [0.002, 0.004])
    assert standing.wait_seconds(end) == pytest.approx(0.003)
    assert standing.wait_seconds(end + 2 * INTERVAL_SECONDS) == 0


def test_what_was_long_ago_says_nothing() -> None:
    """A line that stood, and that nobody has come to since, stands no more."""
    standing = Standing()
    end = looked_at(standing, 10.0, [LATE] * 3)
    assert standing.is_standing(end)
    assert not standing.is_standing(end + 2 * INTERVAL_SECONDS)


def told_in(standing: Standing, begin: float, seconds: float) -> list[float]:
    """When somebody was told of a line that stands all the time."""
    told = []
    for step in range(round(seconds / 0.001)):
        now = begin + step * 0.001
        if standing.is_turn(LATE, now):
            told.append(now)
        standing.observe(LATE, now)
    return told


def test_few_are_told_and_more_as_long_as_it_stands() -> None:
    """The pauses between refusals shrink; who was in time is not told."""
    standing = Standing()
    told = told_in(standing, 10.0, 2.0)
    pauses = [round(after - before, 6) for before, after in pairwise(told)]
    assert pauses == sorted(pauses, reverse=True)
    assert pauses[0] == pytest.approx(INTERVAL_SECONDS, abs=0.002)
    assert 40 <= len(told) <= 140
    assert not standing.is_turn(IN_TIME, told[-1] + 1.0)


def test_a_line_that_stands_again_is_told_as_often_as_before() -> None:
    """What was needed a moment ago is needed at once; after a long calm it begins anew."""
    standing = Standing()
    before = told_in(standing, 10.0, 1.0)
    calm = looked_at(standing, 11.2, [IN_TIME] * 3)
    again = told_in(standing, calm, 0.4)
    assert again[1] - again[0] < (before[1] - before[0]) / 2
    much_later = told_in(standing, 30.0, 0.4)
    assert much_later[1] - much_later[0] == pytest.approx(INTERVAL_SECONDS, abs=0.002)


@pytest.mark.parametrize("last_first", [True, False])
async def test_the_last_are_first_where_that_is_fair_and_the_line_stands(last_first: bool) -> None:
    """People who look come last in first out; those who submit keep their order."""
    queue, waiters = Queue(last_first=last_first), [asyncio.Future[bool]() for _ in range(3)]
    for waiter in waiters:
        queue.join(waiter)
    clock = count(10)
    assert queue.next(next(clock)) is waiters[0]
    end = looked_at(queue.standing, next(clock), [LATE])
    assert queue.next(end) is (waiters[2] if last_first else waiters[0])
    queue.part(waiters[2])
    assert queue.last() is waiters[1]
