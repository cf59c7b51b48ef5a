"""When those who were sent away come again."""

from __future__ import annotations

from datetime import timedelta

from zikao_kit.comeback import (
    DOWN,
    LONGEST_SECONDS,
    SHORTEST_SECONDS,
    STEP_SECONDS,
    Comeback,
    overloaded,
)


def second(comeback: Comeback, now: float, done: int, sent_away: int) -> float:
    """So many in one second; the pause after it."""
    for _ in range(done):
        comeback.done()
    for number in range(sent_away):
        comeback.sent_away(now + number * STEP_SECONDS / (sent_away + 1))
    return comeback.pause_seconds


def test_the_pause_grows_while_many_are_sent_away_and_has_an_end() -> None:
    """More than a tenth of what is done: longer and longer, up to ten seconds."""
    comeback, pauses = Comeback(), []
    for number in range(20):
        pauses.append(second(comeback, float(number), 100, 20))
    assert pauses == sorted(pauses)
    assert pauses[-1] == LONGEST_SECONDS


def test_who_may_not_be_late_is_never_sent_far_away() -> None:
    """A waiting room is drawn at its time: the pause of joins has an end of its own."""
    comeback = Comeback(1.0)
    assert [second(comeback, float(number), 100, 20) for number in range(20)][-1] == 1.0


def test_the_pause_shrinks_when_few_are_sent_away() -> None:
    """A tenth of what is done may come again at any time."""
    comeback = Comeback()
    for number in range(20):
        second(comeback, float(number), 100, 20)
    second(comeback, 20.0, 100, 5)
    assert second(comeback, 21.0, 100, 5) == LONGEST_SECONDS * DOWN
    for number in range(22, 50):
        second(comeback, float(number), 100, 5)
    assert comeback.pause_seconds == SHORTEST_SECONDS


def test_a_rush_of_long_ago_is_forgotten() -> None:
    """The first refusal after a calm names a short pause."""
    comeback = Comeback()
    for number in range(20):
        second(comeback, float(number), 100, 20)
    assert second(comeback, 60.0, 0, 1) == SHORTEST_SECONDS


def test_returns_are_spread() -> None:
    """Those who are sent away are not told to come again together."""
    delays = {overloaded().retry_after for _ in range(50)}
    assert len(delays) > 40
    assert all(d and timedelta(seconds=1) <= d <= timedelta(seconds=3) for d in delays)
