"""How many calls a caller has under way at a service that has said "too much".

To refuse a call costs a server nearly what to answer it does, so what is too much has to stay with
those who want it. A throttle bounds the calls that are under way, as TCP bounds what is on its way:
the bound grows while it is in use and nothing is refused, quickly up to where something was refused
the last time, slowly beyond; each round trip in which something is refused takes a part from it.
So a caller sends as fast as it is answered, and a service that does not answer gets nothing more.

Pure but for the clock, which may be given. One for each service and priority, in one thread.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

# Nobody has been refused yet: more than most callers ever have under way.
FIRST_BOUND = 64
PROBE_PER_SECOND = 5.0
KEPT_SHARE = 0.75
# Of the bound, for each round trip in which nothing was refused.
GROWTH = 0.02


class Throttle:
    """Says how many may be sent, and hears of each of these once how it has ended."""

    def __init__(
        self,
        *,
        first_bound: float = FIRST_BOUND,
        probe_per_second: float = PROBE_PER_SECOND,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Where everything is refused, `probe_per_second` still ask whether it is over."""
        self._bound = max(1.0, first_bound)
        # Where something was refused the last time, and whether anything was answered since: what
        # an outage does to the bound says nothing of where it was right.
        self._known_bound = math.inf
        self._is_answered = True
        self._under_way = 0
        # Of these nobody knows yet what the bound of now does to them.
        self._of_older_bound = 0
        self._is_used_up = False
        self._probe_seconds = 1.0 / probe_per_second
        self._probe_after = -math.inf
        self._monotonic = monotonic

    @property
    def bound(self) -> int:
        """How many may be under way."""
        return int(self._bound)

    @property
    def under_way(self) -> int:
        """How many were let through and have not ended."""
        return self._under_way

    def allow(self, count: int = 1) -> int:
        """How many of `count` may be sent now; the others are refused here, as OVERLOADED."""
        allowed = max(0, min(count, int(self._bound) - self._under_way))
        if allowed and self._bound < 2 and self._monotonic() < self._probe_after:
            allowed = 0
        self._is_used_up = self._is_used_up or allowed < count
        self._under_way += allowed
        return allowed

    def accepted(self, count: int = 1) -> None:
        """So many were answered, with whatever result but "not now"."""
        self._end(count)
        self._is_answered = True
        if self._is_used_up:
            quickly = min(count, max(0.0, self._known_bound - self._bound))
            self._bound += quickly + (count - quickly) * GROWTH
        if self._under_way < self._bound / 2:
            self._is_used_up = False

    def shed(self, count: int = 1) -> None:
        """So many were refused as OVERLOADED, or not answered."""
        if not count:
            return
        is_news = not self._of_older_bound
        self._end(count)
        if is_news:  # once a round trip: the others were on their way together with this one
            self._bound = max(1.0, KEPT_SHARE * self._bound)
            if self._is_answered:
                self._known_bound = self._bound
            self._is_answered = False
            self._of_older_bound = self._under_way
        self._probe_after = self._monotonic() + self._probe_seconds

    def gone(self, count: int = 1) -> None:
        """So many were given up by their callers; that says nothing."""
        self._end(count)

    def _end(self, count: int) -> None:
        self._under_way -= count
        self._of_older_bound = max(0, self._of_older_bound - count)
