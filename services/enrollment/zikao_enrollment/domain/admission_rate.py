"""How many of those who wait are let in a second: as many as the service really finishes.

The service is not asked what it can do, it shows it. While no queue stands the rate grows: fast at
the beginning, later little about where a queue stood the last time and faster beyond it (as TCP
CUBIC feels its way on a path of unknown capacity). When a queue stands, the rate falls below what
is finished just then, until the queue has gone.

Two things keep the growth honest: people need time from their pass to their first submission, and
some never come. Both are measured (`Seen.came`, `Seen.came_seconds`), and the rate never exceeds a
multiple of what was finished lately, divided by the share of those let in who come.

All times are seconds of a monotonic clock, which is passed in.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import deque
from operator import attrgetter
from typing import NamedTuple

# The slowest process that is allowed finishes several times this.
START_PER_PROCESS = 400.0
# Never standing still: who comes through shows whether things are better.
LEAST_PER_PROCESS = 1.0
# From a rate to what is seen of it, without the time that people take to come. Growth goes by
# the sum: who comes later shows later that they are too many.
LOOP_SECONDS = 0.7
STARTUP_FACTOR = 2.5
MOST_OF_FINISHED = 3.0
# Growth in the square of the time since a queue stood: 5 % more after 2 of its units, twice as
# much after 4.
CUBIC_GROWTH = 0.02
# Nearly what is called a queue: there the rate is right.
ENOUGH_WAIT_SECONDS = 0.006
# Below what is finished while a queue stands; at the beginning as many again are on their way.
DRAIN_SHARE = 0.85
FIRST_DRAIN_SHARE = 0.6
# Where it goes on when the queue has gone.
RESUME_SHARE = 0.95
# A queue that stands still after so long, and twice the time that people take to come, was not
# made by those who were on their way: the service has become slower, or others bring it work.
DRAIN_SECONDS = 1.5
# More than this of what was asked for is sent away, over so long: the same as a queue that stands.
SHED_SHARE = 0.02
SHED_SECONDS = 0.3
# A single one had a deadline of its own, or bad luck.
FEWEST_SHED = 3
# Rates are taken over so long; the best of the last ones counts for the growth.
RATE_SECONDS = 1.0
LATELY_SECONDS = 3.0
# The share of those who come is taken over so long.
SHARE_SECONDS = 5.0
LEAST_SHARE = 0.1
# So few say nothing of all: neither how many come, nor what the service can finish.
FEWEST_TO_JUDGE = 50
# Later than this after they were let in, people are not waited for.
LONGEST_COMING_SECONDS = 30.0


class Seen(NamedTuple):
    """What all processes together show at one moment; the counts only grow."""

    processes: int
    # Submissions that were served; to refuse a bad token is none.
    finished: int
    # Submissions sent away, to come again.
    shed: int
    # How long calls wait for their turn of late, where that is longest.
    wait_seconds: float
    # Whether some process has a queue that does not pass.
    standing: bool
    # All who were let in.
    admitted: int
    # Those of them who have submitted for the first time.
    came: int
    # Sum of the time that these took to come.
    came_seconds: float


class Credit:
    """Whole people out of a rate: what is left of one is kept, not more than `most_seconds`."""

    def __init__(self, most_seconds: float) -> None:
        self._most_seconds = most_seconds
        self._at: float | None = None
        self._left = 0.0

    def take(self, now: float, rate: float, waiting: int) -> int:
        """How many of `waiting` may be let in at `now`, at `rate` a second since the last time.

        Nothing is saved up while fewer wait than might come: they would all come at once later.
        """
        elapsed = 0.0 if self._at is None else min(now - self._at, self._most_seconds)
        self._at = now
        self._left += rate * elapsed
        count = min(math.floor(self._left), waiting)
        self._left = min(self._left - count, 1.0)
        return count


class AdmissionRate:
    """The rate of one waiting room, from what is observed a few times a second."""

    def __init__(self, rate: float | None = None) -> None:
        """`rate` is what another process had found; None in a room that has just opened."""
        self.rate = rate or 0.0
        self.share = 1.0
        # Where the rate goes on after a queue; None until one has stood.
        self._knee = rate
        # The rate under which the queue came to stand; more than that is not known to be good.
        self._limit = 0.0
        self._took = 0.0
        self._standing_since: float | None = None
        self._calm_since: float | None = None
        self._history: deque[_Moment] = deque()
        self._finished_lately: deque[tuple[float, float]] = deque()

    @property
    def is_standing(self) -> bool:
        """Whether a queue stood when it was last observed."""
        return self._standing_since is not None

    def observe(self, now: float, seen: Seen) -> float:
        """Take in what is seen at `now`, and return the rate from now on."""
        last = self._history[-1] if self._history else self._begin(now, seen)
        self._remember(_Moment(now, seen))
        finished = self._finished_a_second()
        if seen.standing or self._sheds(now, seen):
            if not finished or seen.came < FEWEST_TO_JUDGE:
                self._hold(now, START_PER_PROCESS * seen.processes)
            else:
                self._fall(now, finished, LEAST_PER_PROCESS * seen.processes)
        else:
            self._see_who_came()
            self._grow(now, seen, min(now - last.at, RATE_SECONDS))
        return self.rate

    def _begin(self, now: float, seen: Seen) -> _Moment:
        # What another process has found counts until there is something of our own.
        self._finished_lately.append((now, self.rate))
        return _Moment(now, seen)

    def _hold(self, now: float, start: float) -> None:
        """Keep the rate while what is finished does not tell what can be.

        The first ones are still on their way, or the service stands still, and would at another
        rate: it is judged when it goes on.
        """
        self.rate = self.rate or start
        self._standing_since, self._calm_since = now, None

    def _fall(self, now: float, finished: float, least: float) -> None:
        since, may = self._standing_since, finished / self.share
        if since is None or now - since > DRAIN_SECONDS + 2 * self._took:
            share = FIRST_DRAIN_SHARE if self._knee is None else DRAIN_SHARE
            self._limit, self._knee = self.rate, 0.0
            self.rate = max(least, share * min(self.rate, may))
            self._standing_since, self._calm_since = now, None
        # While a queue stands, what is finished is all that can be.
        self._knee = max(self._knee or 0.0, min(self._limit, may))

    def _grow(self, now: float, seen: Seen, elapsed: float) -> None:
        start = START_PER_PROCESS * seen.processes
        pace = 1 / (LOOP_SECONDS + self._took)
        self._calm_since = calm_since = now if self._calm_since is None else self._calm_since
        if self._standing_since is not None:
            self._standing_since = None
            self.rate = max(self.rate, RESUME_SHARE * (self._knee or 0.0))
        elif self._knee is None:
            self.rate = max(start, self.rate * STARTUP_FACTOR ** (pace * elapsed))
        elif self.rate < self._limit / MOST_OF_FINISHED:
            # Less than what had been finished then: too few were on their way to tell more.
            self.rate *= STARTUP_FACTOR ** (pace * elapsed)
        elif seen.wait_seconds < ENOUGH_WAIT_SECONDS:
            growth = 1 + CUBIC_GROWTH * (pace * (now - calm_since)) ** 2
            self.rate *= min(growth, STARTUP_FACTOR) ** (pace * elapsed)
        best = max(rate for _, rate in self._finished_lately)
        self.rate = min(self.rate, max(start, MOST_OF_FINISHED * best / self.share))

    def _remember(self, moment: _Moment) -> None:
        self._history.append(moment)
        longest = LONGEST_COMING_SECONDS + SHARE_SECONDS
        while len(self._history) > 1 and self._history[1].at <= moment.at - longest:
            self._history.popleft()

    def _finished_a_second(self) -> float:
        now, current = self._history[-1]
        before = self._seen_at(now - RATE_SECONDS)
        elapsed = now - before.at
        rate = (current.finished - before.seen.finished) / elapsed if elapsed else 0.0
        self._finished_lately.append((now, rate))
        while self._finished_lately[0][0] < now - LATELY_SECONDS:
            self._finished_lately.popleft()
        return rate

    def _sheds(self, now: float, seen: Seen) -> bool:
        before = self._seen_at(now - SHED_SECONDS).seen
        shed, finished = seen.shed - before.shed, seen.finished - before.finished
        return shed >= FEWEST_SHED and shed > SHED_SHARE * (shed + finished)

    def _see_who_came(self) -> None:
        """Compare those who came lately with those who were let in as long before as they took.

        Not while a queue stands: who does not get through it has come all the same.
        """
        now, current = self._history[-1]
        before = self._seen_at(now - SHARE_SECONDS).seen
        came = current.came - before.came
        if came < FEWEST_TO_JUDGE:
            return
        took = (current.came_seconds - before.came_seconds) / came
        self._took = took = min(took, LONGEST_COMING_SECONDS)
        until, since = self._seen_at(now - took), self._seen_at(now - took - SHARE_SECONDS)
        let_in = until.seen.admitted - since.seen.admitted
        if let_in >= FEWEST_TO_JUDGE:
            self.share = min(max(came / let_in, LEAST_SHARE), 1.0)

    def _seen_at(self, when: float) -> _Moment:
        """What was seen last up to `when`, or first."""
        index = bisect_right(self._history, when, key=attrgetter("at"))
        return self._history[max(index - 1, 0)]


class _Moment(NamedTuple):
    at: float
    seen: Seen
