"""What the phases of bench_overload say together, and which of them say nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from bench.overload_load import BIN_SECONDS
from support.targets import Target

PEAKS = {"1.2x": 1.2, "2x": 2.0}
# Of a phase, what does not count: until then callers learn what there is to have.
SETTLING_SECONDS = 1.0
# "As before": within so much, three times in a row.
NEAR = 0.10
BINS_IN_A_ROW = 3
# The generator was the one that could not follow.
BOUND_CORE_SHARE = 0.95
BOUND_LAG_SECONDS = 0.05
# Something else on this machine was.
FULL_CORE_SHARE = 0.9
UNDER_THE_PEAK = frozenset({"feeling", "calm"})

Seen = dict[str, Any]
# None where no phase is left that says something.
Figures = dict[str, float | None]


def goodput(seen: Seen) -> float:
    """Submissions accepted a second, without the time that callers need to settle."""
    first = round(SETTLING_SECONDS / BIN_SECONDS)
    bins = seen["bins"][first:] or seen["bins"]
    return float(sum(count for count, _ in bins) / (len(bins) * BIN_SECONDS))


def is_generator_bound(seen: Seen) -> bool:
    """Whether the other core, not the server's, was the one that was full."""
    other = seen["cpu"]["postgres"] + seen["cpu"]["load"]
    return bool(other > BOUND_CORE_SHARE or seen["lag_p99"] > BOUND_LAG_SECONDS)


def is_disturbed(seen: Seen) -> bool:
    """Whether something else had the server's core: more was wanted, and it did not use it."""
    return bool(seen["name"] not in UNDER_THE_PEAK and seen["cpu"]["server"] < FULL_CORE_SHARE)


def counts(seen: Seen) -> bool:
    """Whether a phase says something of the service: neither its load nor the machine was short."""
    return not is_generator_bound(seen) and not is_disturbed(seen)


def goodput_of(name: str, rounds: Sequence[Sequence[Seen]]) -> float | None:
    """The median of all phases of a name that count."""
    counting = [seen for each in rounds for seen in each if seen["name"] == name and counts(seen)]
    return float(median(map(goodput, counting))) if counting else None


def peak_of(rounds: Sequence[Sequence[Seen]]) -> float | None:
    """The most that is done in a second: of a little and of more beyond what can be, the better."""
    found = (goodput_of(name, rounds) for name in PEAKS)
    return max((each for each in found if each is not None), default=None)


def recovery_seconds(calm: Seen, after: Seen) -> float:
    """How long it takes until three bins in a row are as good as in calm."""
    done, latency = goodput(calm), calm["latency_p99"]
    in_a_row = 0
    for number, (count, p99) in enumerate(after["bins"]):
        as_before = count / BIN_SECONDS >= (1 - NEAR) * done and p99 <= (1 + NEAR) * latency
        in_a_row = in_a_row + 1 if as_before else 0
        if in_a_row == BINS_IN_A_ROW:
            return (number + 1 - BINS_IN_A_ROW) * BIN_SECONDS
    return float(after["seconds"])


def figures_of(seen: Sequence[Seen]) -> dict[str, float]:
    """What one round says by itself; nothing where a phase of it does not count."""
    judged = seen[len(PEAKS) :]
    if not all(map(counts, judged)):
        return {}
    calm, three, between, ten, after = judged
    p99 = median(each["latency_p99"] for each in (calm, between, after))
    return {
        "p99_admitted_per_70": max(three["latency_p99"], ten["latency_p99"]) / p99,
        "recovery_seconds": max(recovery_seconds(calm, between), recovery_seconds(calm, after)),
    }


def figures_of_all(rounds: Sequence[Sequence[Seen]], naive: Seen) -> Figures:
    """Medians over the rounds that count. Payments are all counted, whatever else was short."""
    by_round = [found for each in rounds if (found := figures_of(each))]
    peak, seen = peak_of(rounds), [phase for each in rounds for phase in each]
    timely, payments = (
        sum(each[name] for each in seen) for name in ("timely_payments", "payments")
    )
    return {
        name: median(each[name] for each in by_round) if by_round else None
        for name in ("p99_admitted_per_70", "recovery_seconds")
    } | {
        "goodput_3x": _ratio(goodput_of("3x", rounds), peak),
        "goodput_10x": _ratio(goodput_of("10x", rounds), peak),
        "goodput_3x_naive": _ratio(goodput(naive) if counts(naive) else None, peak),
        "payments_within_1s": timely / payments,
    }


def _ratio(figure: float | None, peak: float | None) -> float | None:
    return figure / peak if figure is not None and peak is not None else None


def inconclusive_because(figures: Figures) -> list[str]:
    """A sentence for each figure that could not be had."""
    return [
        f"{name}: in every round the load or the machine was short, not the service"
        for name, figure in figures.items()
        if figure is None
    ]


def targets_of(figures: Mapping[str, float | None], broken: int) -> dict[str, Target]:
    """What is asked for (issue 5, "What it must show", 2)."""
    return {
        "goodput_3x": Target(figures["goodput_3x"], at_least=0.95),
        "goodput_10x": Target(figures["goodput_10x"], at_least=0.90),
        "p99_admitted_per_70": Target(figures["p99_admitted_per_70"], at_most=2.0),
        "payments_within_1s": Target(figures["payments_within_1s"], at_least=1.0, is_owed=True),
        "recovery_seconds": Target(figures["recovery_seconds"], at_most=2.0),
        "violations": Target(broken, at_most=0, is_owed=True),
    }
