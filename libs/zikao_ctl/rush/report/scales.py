"""From figures to places on paper, and which figures an axis names."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

_STEPS = (1, 2, 2.5, 5, 10)
_SECOND_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600)


@dataclass(frozen=True)
class Linear:
    """`low`..`high` at `begin`..`end`."""

    low: float
    high: float
    begin: float
    end: float

    def __call__(self, figure: float) -> float:
        """Its place."""
        part = (figure - self.low) / ((self.high - self.low) or 1.0)
        return self.begin + part * (self.end - self.begin)


@dataclass(frozen=True)
class Log:
    """The same by ratios; what is not above zero is at `low`."""

    low: float
    high: float
    begin: float
    end: float

    def __call__(self, figure: float) -> float:
        """Its place."""
        part = math.log(max(figure, self.low) / self.low) / math.log(self.high / self.low)
        return self.begin + part * (self.end - self.begin)


def round_ticks(high: float, most: int = 5) -> list[float]:
    """Round figures from 0 to beyond `high`."""
    least = (high or 1.0) / most
    power = 10.0 ** math.floor(math.log10(least))
    step = next(each * power for each in _STEPS if each * power >= least * 0.999)
    return [number * step for number in range(math.ceil(high / step - 1e-9) + 1 or 2)]


def second_ticks(low: float, high: float, most: int = 10) -> list[float]:
    """Round seconds, 0 among them where it is in the range."""
    step = next((each for each in _SECOND_STEPS if (high - low) / each <= most), _SECOND_STEPS[-1])
    first = math.ceil(low / step)
    return [float(number * step) for number in range(first, math.floor(high / step) + 1)]


def ratio_ticks(figures: Sequence[float]) -> list[float]:
    """1, 2, 5, 10 … from below the figures that are above zero to beyond them."""
    above = [figure for figure in figures if figure > 0] or [1.0]
    low, high = min(above), max(above)
    powers = range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 2)
    ticks = [step * 10.0**power for power in powers for step in (1, 2, 5)]
    first = max(number for number, tick in enumerate(ticks) if tick <= low)
    last = max(first + 1, next(number for number, tick in enumerate(ticks) if tick >= high))
    return ticks[first : last + 1]
