"""When candidates come: a curve as points, and everybody's own moment on it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise
from random import Random

Points = Sequence[tuple[float, float]]


class ArrivalCurve:
    """Straight lines between points of relative time (0 to 1) and relative rate."""

    def __init__(self, points: Points) -> None:
        self._points = list(points)
        areas = [(b[0] - a[0]) * (a[1] + b[1]) / 2 for a, b in pairwise(self._points)]
        self._until = list(accumulate(areas))
        if self._until[-1] <= 0:
            raise ValueError("nobody comes")

    @property
    def area(self) -> float:
        """The mean rate, in units of the relative rate."""
        return self._until[-1]

    @property
    def top(self) -> float:
        """The highest relative rate."""
        return max(rate for _, rate in self._points)

    def seconds_for(self, candidates: int, top_rate: float) -> float:
        """How long the load lasts so that `candidates` come, and at most `top_rate` a second."""
        return candidates * self.top / (top_rate * self.area)

    def rate(self, at: float, candidates: int, seconds: float) -> float:
        """People per second at a relative time."""
        if not 0 <= at < 1:
            return 0.0
        for (begin, low), (end, high) in pairwise(self._points):
            if begin <= at < end:
                height = low + (high - low) * (at - begin) / (end - begin)
                return height / self.area * candidates / seconds
        return 0.0

    def moment(self, share: float) -> float:
        """The relative time at which `share` (0 to 1) of all have come."""
        wanted = share * self.area
        place = min(bisect_right(self._until, wanted), len(self._until) - 1)
        before = self._until[place - 1] if place else 0.0
        (begin, low), (end, high) = self._points[place], self._points[place + 1]
        return begin + _within(wanted - before, end - begin, low, high)


def arrivals(curve: ArrivalCurve, count: int, chance: Random) -> Iterator[float]:
    """`count` moments in order: one in each `count`-th part of the area, anywhere in it."""
    for number in range(count):
        yield curve.moment((number + chance.random()) / count)


def _within(area: float, width: float, low: float, high: float) -> float:
    """Where a trapezoid has so much of its area, from its left."""
    if width <= 0:
        return 0.0
    slope = (high - low) / width
    if abs(slope) < 1e-12:
        return area / low if low else 0.0
    # low·x + slope·x²/2 = area
    root: float = max(low * low + 2 * slope * area, 0.0) ** 0.5
    return min(max((root - low) / slope, 0.0), width)
