"""Who waits in line, and whether the line stands.

A line that empties now and then evens out a burst. One that never does makes everybody late and
nobody sooner: that is CoDel's question (RFC 8289), and the answer of those who sent them.
"""

from __future__ import annotations

import asyncio
import math
from collections import OrderedDict, defaultdict

Waiter = asyncio.Future[bool]

# As many may wait as make a good batch: their answers leave together, and so do their callers' next
# calls come. What that is in time depends on the machine, and on what calls are about; on a quick
# one more waiting gets no more done, and nowhere is it to be noticed.
GOOD_LINE = 24
LEAST_TARGET_SECONDS, MOST_TARGET_SECONDS = 0.007, 0.025
# So long it is looked at before a line counts as standing: longer than a commit or a hiccup.
INTERVAL_SECONDS = 0.1
MEMORY_INTERVALS = 16
# Fewer late ones in an interval are no line if it is only their callers who say that they are: a
# handful that comes at once to a service that has nothing else to do is a burst.
FEWEST_TOLD = GOOD_LINE


class Standing:
    """Whether most wait too long; times are those of a monotonic clock, in seconds.

    Most, where CoDel says all: calls wait in several lines that nobody sees, one a listener.
    What nobody saw is what a caller says, who may have lines of its own: most callers have to
    agree, each with most of its calls.
    """

    def __init__(self, interval_seconds: float = INTERVAL_SECONDS) -> None:
        # What may be waited, as many as came in the last full interval.
        self.target_seconds = MOST_TARGET_SECONDS
        self._interval = interval_seconds
        self._began = 0.0
        self._in_time = self._late = 0
        self._is_seen = False
        # By caller, how many more were late than in time.
        self._told: defaultdict[str, int] = defaultdict(int)
        self._waited = self._wait = 0.0
        self._is_standing = False
        self._refused = 0
        self._next_refusal = 0.0

    def observe(self, waited_seconds: float, now: float, teller: str | None = None) -> None:
        """Somebody has waited so long, and is let in or sent away now.

        `teller` is the caller who says so; None where it waited here.
        """
        self._roll(now)
        self._waited += waited_seconds
        is_late = waited_seconds > self.target_seconds
        if is_late:
            self._late += 1
        else:
            self._in_time += 1
        if teller is not None:
            self._told[teller] += 1 if is_late else -1
        elif is_late:
            self._is_seen = True

    def is_standing(self, now: float) -> bool:
        """Whether most of those of the last full interval have waited too long."""
        self._roll(now)
        return self._is_standing

    def wait_seconds(self, now: float) -> float:
        """What those of the last full interval have waited, on the average; 0 of none."""
        self._roll(now)
        return self._wait

    def is_turn(self, waited_seconds: float, now: float) -> bool:
        """Whether somebody who has waited so long is to be sent away, for callers to hear of it.

        Callers that keep to the contract send less after one refusal. So it is few, and more and
        more as long as the line stands (CoDel's control law).
        """
        is_late = waited_seconds > self.target_seconds and now >= self._next_refusal
        if not is_late or not self.is_standing(now):
            return False
        self._refused += 1
        self._next_refusal = now + self._interval / math.sqrt(self._refused)
        return True

    def _roll(self, now: float) -> None:
        passed = now - self._began
        if passed < self._interval:
            return
        was_standing = self._is_standing
        # Longer ago than an interval is no news.
        count = self._in_time + self._late if passed < 2 * self._interval else 0
        self._is_standing = count > 0 and self._late > self._in_time and self._is_credible()
        self._wait = self._waited / count if count else 0.0
        self.target_seconds = target_of(count / passed)
        if self._is_standing and not was_standing:
            # What was needed a moment ago will be needed again (RFC 8289, section 5.4).
            is_same_rush = now - self._next_refusal < MEMORY_INTERVALS * self._interval
            self._refused = max(0, self._refused - 2) if is_same_rush else 0
        self._began, self._in_time, self._late, self._waited = now, 0, 0, 0.0
        self._is_seen = False
        self._told.clear()

    def _is_credible(self) -> bool:
        """Whether who says that most are late need not be one who speaks of itself."""
        agreeing = sum(balance > 0 for balance in self._told.values())
        told = self._late >= FEWEST_TOLD and 2 * agreeing > len(self._told)
        return self._is_seen or told


def target_of(per_second: float) -> float:
    """How long GOOD_LINE take at a rate, in seconds, within bounds."""
    worth = GOOD_LINE / per_second if per_second else MOST_TARGET_SECONDS
    return min(MOST_TARGET_SECONDS, max(LEAST_TARGET_SECONDS, worth))


class Queue:
    """Who waits at one priority, in order of arrival."""

    def __init__(self, *, last_first: bool) -> None:
        """`last_first`: those who came last are let in first while the line stands.

        They are the ones who still wait for it. Where the order is a matter of fairness, it is
        kept.
        """
        self.waiters: OrderedDict[Waiter, None] = OrderedDict()
        self.standing = Standing()
        self._last_first = last_first

    def join(self, waiter: Waiter) -> None:
        """Stand in line."""
        self.waiters[waiter] = None

    def part(self, waiter: Waiter) -> None:
        """Leave the line."""
        del self.waiters[waiter]

    def next(self, now: float) -> Waiter:
        """Whose turn it is."""
        if self._last_first and self.standing.is_standing(now):
            return self.last()
        return next(iter(self.waiters))

    def last(self) -> Waiter:
        """Who came last."""
        return next(reversed(self.waiters))
