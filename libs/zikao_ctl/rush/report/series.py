"""A rehearsal's ticks as series of equal steps, for charts."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from zikao_ctl.rush.histograms import Histograms
from zikao_ctl.rush.records import SUBMIT, Report, Tick

MOST_STEPS = 200
_STEP_SECONDS = (1, 2, 5, 10, 15, 30, 60, 120, 300)
_ROUNDING = 1e-6
COUNTED = ("offered", "held_back", "sent", "accepted", "shed", "refused", "doubtful", "dropped")


@dataclass
class Step:
    """From `begins` to `ends`; counts as rates per second, latencies in milliseconds."""

    begins: float
    ends: float
    rates: dict[str, float] = field(default_factory=dict)
    waiting: int = 0
    paid: float = 0.0
    p50_ms: float | None = None
    p99_ms: float | None = None

    @property
    def middle(self) -> float:
        """Where a line goes through."""
        return (self.begins + self.ends) / 2


def steps_of(report: Report) -> list[Step]:
    """All of them in order; what no tick covers is not there."""
    ticks = sorted(report["ticks"], key=lambda tick: tick["at"])
    if not ticks:
        return []
    width = step_seconds(ticks[-1]["at"] - ticks[0]["at"])
    tick_seconds = _tick_seconds(ticks)
    by_number: dict[int, list[Tick]] = {}
    for tick in ticks:
        by_number.setdefault(number_of(tick["at"], width), []).append(tick)
    return [
        _step(number * width, (number + 1) * width, members, tick_seconds)
        for number, members in sorted(by_number.items())
    ]


def step_seconds(duration: float) -> float:
    """Whole seconds, so that there are not too many steps."""
    wide = (each for each in _STEP_SECONDS if duration / each <= MOST_STEPS)
    return float(next(wide, _STEP_SECONDS[-1]))


def number_of(at: float, width: float) -> int:
    """The step in which a tick ends: one that ends at its end belongs to it."""
    return math.ceil(at / width - _ROUNDING) - 1


def highest(steps: Iterable[Step], name: str) -> tuple[float, float]:
    """The moment and rate of the highest step of a count; zeros where there is none."""
    return max(((each.rates[name], each.middle) for each in steps), default=(0.0, 0.0))[::-1]


def _step(begins: float, ends: float, ticks: Sequence[Tick], tick_seconds: float) -> Step:
    covered = min(len({tick["at"] for tick in ticks}) * tick_seconds, ends - begins)
    histograms = Histograms()
    for tick in ticks:
        if SUBMIT in tick["hist"]:
            histograms.add({SUBMIT: tick["hist"][SUBMIT]})
    some = histograms.count(SUBMIT) > 0
    return Step(
        begins=begins,
        ends=ends,
        rates={name: _sum(ticks, name) / covered for name in COUNTED},
        waiting=ticks[-1]["waiting"],
        paid=_sum(ticks, "paid") / covered,
        p50_ms=histograms.percentile_ms(SUBMIT, 50) if some else None,
        p99_ms=histograms.percentile_ms(SUBMIT, 99) if some else None,
    )


def _sum(ticks: Sequence[Tick], name: str) -> float:
    return float(sum(tick[name] for tick in ticks))  # type: ignore[literal-required]


def _tick_seconds(ticks: Sequence[Tick]) -> float:
    moments = sorted({tick["at"] for tick in ticks})
    apart = sorted(b - a for a, b in pairwise(moments))
    return apart[len(apart) // 2] if apart else 1.0
