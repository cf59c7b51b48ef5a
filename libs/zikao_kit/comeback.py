"""When those who were sent away are to come again: such that few do at a time.

The pause follows what is sent away (AIMD, turned round): while more than a tenth of what is done is
refused it grows, else it shrinks. Each gets it with a jitter of its own: else they would come
together, as they were sent away together.
"""

from __future__ import annotations

import random
from datetime import timedelta

from zikao_kit.errors import OVERLOADED, DomainError

SHORTEST_SECONDS = 0.5
LONGEST_SECONDS = 10.0
STEP_SECONDS = 1.0
TOLERATED_SHARE = 0.1
UP, DOWN = 1.5, 0.8
# Of slow things with a door of their own, which know no load.
RETRY_AFTER_SECONDS = 2.0


class Comeback:
    """The pause of now for one priority: who looks may be refused while who submits is not.

    Times are those of a monotonic clock, in seconds.
    """

    def __init__(self, longest_seconds: float = LONGEST_SECONDS) -> None:
        self._longest = longest_seconds
        self.pause_seconds = SHORTEST_SECONDS
        self._step_ends = 0.0
        self._done = 0
        self._sent_away = 0

    def done(self, count: int = 1) -> None:
        """So many were answered."""
        self._done += count

    def sent_away(self, now: float) -> DomainError:
        """The refusal of one."""
        if now >= self._step_ends:
            grows = self._sent_away > TOLERATED_SHARE * self._done
            wanted = self.pause_seconds * (UP if grows else DOWN)
            # Those of the last refusals of a rush are not told what was right in its midst.
            idle_steps = int((now - self._step_ends) / STEP_SECONDS)
            wanted *= DOWN ** min(idle_steps, 20)
            self.pause_seconds = min(self._longest, max(SHORTEST_SECONDS, wanted))
            self._step_ends = now + STEP_SECONDS
            self._done = self._sent_away = 0
        self._sent_away += 1
        return overloaded(self.pause_seconds)


def jittered(seconds: float) -> timedelta:
    """From half to one and a half times as long."""
    return timedelta(seconds=seconds * random.uniform(0.5, 1.5))  # noqa: S311 - no secret


def overloaded(pause_seconds: float = RETRY_AFTER_SECONDS) -> DomainError:
    """Return the refusal, with a jittered time to come again so that they do not come together."""
    return DomainError(OVERLOADED, retry_after=jittered(pause_seconds))
