"""How many calls run at once: as many as get more done.

What one more does depends on the others: with few at once a batch is small and costs as much as a
large one, with many each only waits longer. No time that a call takes tells the two apart, and what
one takes in a quiet hour says nothing of a rush. So the bound goes by what is done in a second: now
and then another one is tried for a moment, and kept where it is worth it. Never below what makes
good batches: else a slow database would be given less and less to do at a time.
"""

from __future__ import annotations

import math

# Long enough for a rate, short enough to be soon where it should be.
STEP_SECONDS = 0.5
# So many of them between two trials.
STEPS_BETWEEN = 3
FEWEST_AT_ONCE = 64
# Fewer done in a step are no rate.
FEWEST_DONE = 20
# From one bound to the next.
FACTOR = math.sqrt(2)
# Twice as many at once are worth it for 7 % more done: for the power of this.
WORTH = 0.1
# Of the rate before, in the mean of now.
KEPT_SHARE = 0.5


class ConcurrencyLimit:
    """The bound, between FEWEST_AT_ONCE and `most`; times are of a monotonic clock, in seconds.

    Only calls that work count: to refuse ten thousand is no proof of anything.
    """

    def __init__(self, most: int) -> None:
        self._bounds = _bounds(most)
        # Of the bounds: the one that is kept, and the one of now, which is tried if it is another.
        self._kept = self._level = len(self._bounds) - 1
        # Where the next trial goes.
        self._way = -1
        # What is done in a second with the one that is kept; None while nobody knows.
        self._rate: float | None = None
        self._steps = 0
        self._begun = 0.0
        self._done = self._awaited = 0

    @property
    def limit(self) -> int:
        """How many may run at once."""
        return self._bounds[self._level]

    def done(self, now: float, *, awaited: bool) -> None:
        """One is done; `awaited` says that another one was waiting for its place."""
        passed = now - self._begun
        if passed >= STEP_SECONDS:
            if passed < 2 * STEP_SECONDS and self._is_used():
                self._follow(self._done / passed)
            else:
                self._rest()
                self._rate = None
            self._begun, self._done, self._awaited = now, 0, 0
        self._done += 1
        self._awaited += awaited

    def _is_used(self) -> bool:
        """Whether the bound was what kept more from being done."""
        return self._done >= FEWEST_DONE and 2 * self._awaited > self._done

    def _follow(self, rate: float) -> None:
        if self._rate is None or self._level == self._kept:
            self._rate = rate if self._rate is None else rate + KEPT_SHARE * (self._rate - rate)
            self._steps += 1
            if self._steps < STEPS_BETWEEN:
                return
        elif self._worth(rate, self._level) > self._worth(self._rate, self._kept):
            self._kept, self._rate = self._level, rate
        else:
            self._way = -self._way
            self._rest()
            return
        self._try_next()

    def _try_next(self) -> None:
        """One further on the way; the other way where it ends."""
        if not 0 <= self._kept + self._way < len(self._bounds):
            self._way = -self._way
            self._rest()
        else:
            self._level = self._kept + self._way

    def _rest(self) -> None:
        self._level, self._steps = self._kept, 0

    def _worth(self, rate: float, level: int) -> float:
        return rate / math.pow(self._bounds[level], WORTH)


def _bounds(most: int) -> list[int]:
    """From the fewest to the most, each a factor above the one before."""
    fewest = min(FEWEST_AT_ONCE, most)
    steps = math.ceil(math.log(most / fewest, FACTOR))
    return [round(fewest * (most / fewest) ** (step / steps)) for step in range(steps)] + [most]
