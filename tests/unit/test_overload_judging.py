"""Which phases of bench_overload count, and what is said where none does."""

from __future__ import annotations

from typing import Any

import pytest
from bench.overload_judging import (
    figures_of_all,
    inconclusive_because,
    peak_of,
    targets_of,
)

Seen = dict[str, Any]
BINS = 12
ROUND = ("1.2x", "2x", "calm", "3x", "calm", "10x", "calm")
SERVER_FULL = {"server": 1.0, "postgres": 0.4, "load": 0.2}
LOAD_FULL = {"server": 1.0, "postgres": 0.5, "load": 0.5}
DISTURBED = {"server": 0.8, "postgres": 0.4, "load": 0.2}


def phase(name: str, done: float = 1000.0, p99: float = 0.02, **more: Any) -> Seen:
    """Three seconds of it, with so many done a second."""
    return {
        "name": name,
        "seconds": 3.0,
        "bins": [[done / 4, p99]] * BINS,
        "latency_p99": p99,
        "lag_p99": 0.001,
        "cpu": SERVER_FULL,
        "payments": 10,
        "timely_payments": 10,
    } | more


def round_of(**others: Seen) -> list[Seen]:
    """All phases of a round; those named are others."""
    return [others.get(f"at_{name.replace('.', '_')}", phase(name)) for name in ROUND]


def test_what_the_service_did_is_judged() -> None:
    """Where it was the one that was full every figure is had, and all targets are kept."""
    figures = figures_of_all([round_of(), round_of()], phase("3x naive", 500))
    assert figures == {
        "p99_admitted_per_70": 1.0,
        "recovery_seconds": 0.0,
        "goodput_3x": 1.0,
        "goodput_10x": 1.0,
        "goodput_3x_naive": 0.5,
        "payments_within_1s": 1.0,
    }
    assert inconclusive_because(figures) == []
    assert all(target.is_kept for target in targets_of(figures, 0).values())


@pytest.mark.parametrize("short", [{"cpu": LOAD_FULL}, {"lag_p99": 0.1}, {"cpu": DISTURBED}])
def test_a_phase_in_which_something_else_was_short_is_left_out(short: dict[str, Any]) -> None:
    """Of the peak, of what is done at three times it, and its whole round of latencies."""
    bad = round_of(at_3x=phase("3x", 100, 0.9, **short), at_2x=phase("2x", 4000, **short))
    figures = figures_of_all([bad, round_of()], phase("3x naive"))
    assert peak_of([bad, round_of()]) == 1000
    assert (figures["goodput_3x"], figures["p99_admitted_per_70"]) == (1.0, 1.0)


def test_where_nothing_is_left_nothing_is_kept() -> None:
    """It is said of which figures, and none of their targets is kept."""
    bad = round_of(at_10x=phase("10x", 2000, cpu=LOAD_FULL))
    figures = figures_of_all([bad], phase("3x naive", cpu=LOAD_FULL))
    unknown = ["p99_admitted_per_70", "recovery_seconds", "goodput_10x", "goodput_3x_naive"]
    assert [line.partition(":")[0] for line in inconclusive_because(figures)] == unknown
    kept = {name for name, target in targets_of(figures, 0).items() if target.is_kept}
    assert kept == {"goodput_3x", "payments_within_1s", "violations"}
    assert targets_of(figures, 0)["goodput_10x"].in_words() == "(at least 0.9: NOT MEASURED)"


def test_a_peak_of_the_generator_is_none() -> None:
    """Where its core was full each time more was wanted, nobody knows what three times is."""
    bad = round_of(at_1_2x=phase("1.2x", cpu=LOAD_FULL), at_2x=phase("2x", cpu=LOAD_FULL))
    figures = figures_of_all([bad], phase("3x naive"))
    assert peak_of([bad]) is None
    assert (figures["goodput_3x"], figures["goodput_10x"]) == (None, None)


def test_payments_count_whatever_was_short() -> None:
    """One that came late did."""
    bad = round_of(at_3x=phase("3x", cpu=LOAD_FULL, timely_payments=3))
    assert figures_of_all([bad], phase("3x naive"))["payments_within_1s"] == 63 / 70
