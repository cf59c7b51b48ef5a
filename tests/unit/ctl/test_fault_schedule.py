"""Which faults a seed gives."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zikao_ctl.faults.alongside import (
    FIRST_AFTER_SECONDS,
    WITHIN_AN_OPENING,
    faults_of_an_opening,
)
from zikao_ctl.faults.schedule import (
    ALONE,
    CLOCK_JUMP,
    KINDS,
    OF_THE_PROXY,
    PLANS,
    draw_faults,
    grouped,
)

SEEDS = st.integers(0, 10**6)


@given(SEEDS, st.integers(len(KINDS), 400))
def test_a_seed_gives_the_same_faults(seed: int, count: int) -> None:
    """As many as are wanted, of every kind, and the same again; victims and times as planned."""
    faults = draw_faults(seed, count)
    assert faults == draw_faults(seed, count)
    assert len(faults) == count
    assert {fault.kind for fault in faults} == set(KINDS)
    for fault in faults:
        plan = PLANS[fault.kind]
        assert fault.victim in plan.victims
        assert plan.seconds[0] <= fault.seconds <= plan.seconds[1]


def test_seeds_differ() -> None:
    """Another seed gives another order."""
    assert draw_faults(1, 60) != draw_faults(2, 60)


@given(SEEDS, st.sampled_from((200, 1000)))
def test_no_kind_makes_up_the_number(seed: int, count: int) -> None:
    """What takes no time at all, cuts at COMMIT and jumps of the clock, is less than a half."""
    counts = Counter(fault.kind for fault in draw_faults(seed, count))
    quick = sum(counts[kind] for kind in counts if "commit" in kind or kind == "clock_jump")
    assert quick <= 0.45 * count
    assert counts["kill"] >= 0.1 * count


@given(SEEDS)
def test_two_at_once_are_of_different_victims(seed: int) -> None:
    """Nothing is left out or moved, some come together, and what needs everything comes alone."""
    faults = draw_faults(seed, 200)
    groups = list(grouped(faults, seed))
    assert [fault for group in groups for fault in group] == faults
    pairs = [group for group in groups if len(group) > 1]
    assert pairs
    for first, second in pairs:
        assert not {first.kind, second.kind} & ALONE
        assert not {first.kind, second.kind} <= OF_THE_PROXY
        assert (first.kind, first.victim) != (second.kind, second.victim)
        assert first.victim != second.victim


def test_faults_come_at_their_times() -> None:
    """With a pause between them, for a rehearsal that goes on meanwhile."""
    faults = draw_faults(1, 20, every_seconds=2.5)
    assert [fault.at for fault in faults] == [2.5 * number for number in range(20)]


@given(SEEDS, st.floats(3, 900), st.floats(0.5, 60))
def test_an_opening_is_broken_again_and_again(seed: int, seconds: float, every: float) -> None:
    """From the start to the end; the clock jumps once at most, last, and never back."""
    faults = faults_of_an_opening(seed, seconds, every)
    assert [fault.at for fault in faults] == [
        FIRST_AFTER_SECONDS + number * every for number in range(len(faults))
    ]
    assert len(faults) == max(1, int((seconds - FIRST_AFTER_SECONDS) / every))
    jumps = [fault for fault in faults if fault.kind == CLOCK_JUMP]
    assert jumps == faults[-1:]
    assert jumps[0].victim == WITHIN_AN_OPENING


def test_too_few_for_every_kind() -> None:
    """Refused rather than leave a kind out."""
    with pytest.raises(ValueError, match="too few"):
        draw_faults(1, len(KINDS) - 1)
