"""How many submissions run at once: as many as do not get into each other's way.

More at once than a process can work on only make each of them slower. So the bound follows what
they take: it falls while they take more than twice as long as at their best, and grows slowly
otherwise (the gradient of Netflix's concurrency-limits). Never below what makes good batches: else
a slow database would be given less and less to do at a time.
"""

from __future__ import annotations

import math
from collections import deque
from statistics import median

STEP_SECONDS = 0.1
# What the best of them took counts for so long; then the machine or the database is another one.
BEST_STEPS = 300
FEWEST_AT_ONCE = 64
# Fewer say nothing of a step.
FEWEST_TIMES = 5
TOLERATED = 2.0
MOST_DOWN = 0.5


class ConcurrencyLimit:
    """The bound, between FEWEST_AT_ONCE and `most`; times are of a monotonic clock, in seconds."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._fewest = min(FEWEST_AT_ONCE, most)
        self._limit = float(most)
        self._step_ends = 0.0
        self._took: list[float] = []
        self._medians: deque[float] = deque(maxlen=BEST_STEPS)

    @property
    def limit(self) -> int:
        """How many may run at once."""
        return int(self._limit)

    def observe(self, took_seconds: float, now: float) -> None:
        """One is done."""
        self._took.append(took_seconds)
        if now >= self._step_ends:
            self._step_ends = now + STEP_SECONDS
            self._follow()

    def _follow(self) -> None:
        if len(self._took) < FEWEST_TIMES:
            return
        recent = median(self._took)
        self._took.clear()
        self._medians.append(recent)
        best = min(self._medians)
        gradient = max(MOST_DOWN, min(1.0, TOLERATED * best / recent)) if recent else 1.0
        wanted = self._limit * gradient + math.sqrt(self._limit)
        self._limit = max(self._fewest, min(self._most, wanted))
