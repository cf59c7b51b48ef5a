"""How much of what is wanted a caller sends to a service that has said "too much".

To refuse a call costs a server as much as to answer it, so what is too much has to stay with
those who want it. A throttle lets everything through until the first refusal. From then on it
keeps a little below what is being answered, comes close to it again, and goes beyond in steps
that grow while nothing is refused: slowly first, then so fast that seconds after an outage all is
as before. Once nothing was held back or refused for a window, everything goes through again.

Pure but for the clock, which may be given. One for each service and priority, in one thread.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from itertools import pairwise

WINDOW_SECONDS = 2.0
PROBE_PER_SECOND = 5.0
# A window is so many steps. What can be answered is the best of the last few, two together: a
# service that refuses at the moment answers less meanwhile.
STEPS = 20
STEPS_COUNTED = 8
# Of what can be answered, at a refusal, and how much less if all were refused the step before:
# what waits there has to be worked off. Then what lacks is made up for by halves.
STEP_BACK = 0.95
STEP_BACK_REFUSED = 0.3
STEP_NEARER = 0.5
# Beyond it: the n-th step without a refusal lets through n² times so much more, up to a bound.
GROWTH = 0.002
MOST_GROWTH = 0.5
# What was not sent for so long is not sent on top later.
BURST_SECONDS = 0.01


class Throttle:
    """Lets through what a service can be expected to answer."""

    def __init__(
        self,
        *,
        window_seconds: float = WINDOW_SECONDS,
        probe_per_second: float = PROBE_PER_SECOND,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Never less than `probe_per_second` are let through: else nobody would see its end."""
        self._probe = probe_per_second
        self._monotonic = monotonic
        self._step_seconds = window_seconds / STEPS
        self._per_second = self._answerable = math.inf
        self._tokens = 0.0
        self._filled_at = self._step_began = monotonic()
        self._answered: deque[int] = deque([0, 0], STEPS_COUNTED)
        self._refused = 0
        self._held_back = False
        self._steps_beyond = self._steps_unbounded = 0
        self._refused_share = 0.0

    @property
    def per_second(self) -> float:
        """How many are let through a second; infinite when nothing is held back."""
        return self._per_second

    def allow(self, count: int = 1) -> int:
        """How many of `count` may be sent now; the others are refused here, as OVERLOADED."""
        now = self._advance()
        if self._per_second == math.inf:
            return count
        most = max(1.0, self._per_second * BURST_SECONDS)
        self._tokens = min(most, self._tokens + (now - self._filled_at) * self._per_second)
        self._filled_at = now
        allowed = min(count, int(self._tokens))
        self._tokens -= allowed
        self._held_back = self._held_back or allowed < count
        return allowed

    def accepted(self, count: int = 1) -> None:
        """So many were answered, with whatever result but "not now"."""
        self._advance()
        self._answered[-1] += count

    def shed(self, count: int = 1) -> None:
        """So many were refused as OVERLOADED, or not answered."""
        if not count:
            return
        self._advance()
        if not self._refused:  # once a step: these may all have been on their way together
            self._step_back()
        self._refused += count

    def _advance(self) -> float:
        now = self._monotonic()
        steps = int((now - self._step_began) / self._step_seconds)
        # Who was silent for longer than that begins anew in any case.
        for _ in range(min(steps, 2 * STEPS)):
            self._end_step()
        self._step_began += steps * self._step_seconds
        return now

    def _end_step(self) -> None:
        self._steps_unbounded += 1
        if self._refused or self._held_back:
            self._steps_unbounded = 0
        elif self._steps_unbounded >= STEPS:
            self._per_second = math.inf
        if self._answered[-1] and not self._refused and self._per_second < math.inf:
            self._step_on()
        self._refused_share = self._refused / max(1, self._refused + self._answered[-1])
        self._refused, self._held_back = 0, False
        self._answered.append(0)

    def _step_back(self) -> None:
        best = max(map(sum, pairwise(self._answered)))
        self._answerable = best / (2 * self._step_seconds)
        back = (STEP_BACK - STEP_BACK_REFUSED * self._refused_share) * self._answerable
        self._per_second = max(self._probe, min(self._per_second, back))
        self._steps_beyond = 0

    def _step_on(self) -> None:
        lacking = self._answerable - self._per_second
        if lacking > 0.01 * self._per_second:
            self._per_second += STEP_NEARER * lacking
            return
        self._steps_beyond += 1
        self._per_second *= 1 + min(MOST_GROWTH, GROWTH * self._steps_beyond**2)
