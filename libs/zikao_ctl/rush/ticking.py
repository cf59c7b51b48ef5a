"""What a generator counts, written down every half second."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from typing import cast

from zikao_ctl.rush.histograms import Histograms
from zikao_ctl.rush.records import Tick

TICK_SECONDS = 0.5
LAG = "lag"
COUNTED = (
    *("offered", "held_back", "sent", "accepted", "shed", "refused", "doubtful", "dropped"),
    *("came", "browsed", "paid"),
)


class Ticker:
    """Counts and latencies since the last tick; ticks end at whole half seconds of the clock."""

    def __init__(self, emit: Callable[[Tick], None], now: float) -> None:
        self._emit = emit
        self.counts: Counter[str] = Counter()
        self.latencies = Histograms()
        self.phase = ""
        self.waiting = self.in_flight = 0
        self._ends = tick_end(now)

    def begin(self, phase: str, now: float) -> None:
        """Count from now on, and nothing of what was before."""
        self.phase, self._ends = phase, tick_end(now)
        self.counts.clear()
        self.latencies.take()

    def late(self, seconds: float, count: int) -> None:
        """Count how late the generator came to so many at most."""
        self.latencies.record(LAG, seconds, count)

    def advance(self, now: float) -> None:
        """Write down what has ended; `at` is the monotonic time of the end."""
        while now >= self._ends:
            self._emit(self._tick())
            self._ends += TICK_SECONDS

    def _tick(self) -> Tick:
        counts = {name: self.counts.pop(name, 0) for name in COUNTED}
        lag_ms = self.latencies.percentile_ms(LAG, 99)
        tick = {
            "at": self._ends,
            "phase": self.phase,
            "waiting": self.waiting,
            "in_flight": self.in_flight,
            "lag_ms": lag_ms,
            "hist": self.latencies.take(),
            **counts,
        }
        return cast(Tick, tick)


def tick_end(now: float) -> float:
    """The next whole half second after a monotonic time; the same for all processes."""
    return (math.floor(now / TICK_SECONDS) + 1) * TICK_SECONDS
