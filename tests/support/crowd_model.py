"""A model of people who were let in and a service of bounded capacity, in steps of 10 ms."""

from __future__ import annotations

import heapq
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from zikao_enrollment.domain.admission_rate import AdmissionRate, Credit, Seen

STEP_SECONDS = 0.01
TICK_SECONDS = 0.25
# What is seen of the service is so old.
REPORT_SECONDS = 0.25
# A queue is called standing above this wait; nobody waits longer than a second.
STANDING_SECONDS = 0.02
PATIENCE_SECONDS = 1.0


class Second(NamedTuple):
    """One second of a run."""

    rate: float
    admitted: int
    finished: int
    longest_wait: float


@dataclass
class CrowdModel:
    """Everybody waits; who is let in comes after `delay(random)` seconds, or never."""

    capacity: Callable[[float], float]
    delay: Callable[[random.Random], float] = lambda rng: rng.uniform(0.05, 0.5)
    share: float = 1.0
    # Submissions a second by those who need no pass.
    others: float = 0.0
    processes: int = 1
    rate: AdmissionRate = field(default_factory=AdmissionRate)
    seconds: list[Second] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Begin with nobody let in."""
        self._random = random.Random(7)
        self._credit = Credit(1.0)
        self._coming: list[tuple[float, float]] = []
        self._seen: deque[tuple[float, Seen]] = deque()
        self._queue = self._finished = self._shed = self._came_seconds = 0.0
        self._admitted = self._came = 0

    def run(self, seconds: int) -> list[Second]:
        """Go on for so long; returns all seconds since the beginning."""
        for _ in range(seconds):
            self._run_second(float(len(self.seconds)))
        return self.seconds

    def _run_second(self, begin: float) -> None:
        longest, finished, admitted = 0.0, self._finished, self._admitted
        for step in range(round(1 / STEP_SECONDS)):
            now = begin + step * STEP_SECONDS
            wait = self._serve(now)
            longest = max(longest, wait)
            if step % round(TICK_SECONDS / STEP_SECONDS) == 0:
                self._let_in(now)
        self.seconds.append(
            Second(
                self.rate.rate,
                self._admitted - admitted,
                round(self._finished - finished),
                longest,
            )
        )

    def _serve(self, now: float) -> float:
        while self._coming and self._coming[0][0] <= now:
            took = heapq.heappop(self._coming)[1]
            self._queue += 1
            if took >= 0:  # not again
                self._came += 1
                self._came_seconds += took
        capacity = self.capacity(now)
        self._queue += self.others * STEP_SECONDS
        done = min(self._queue, capacity * STEP_SECONDS)
        self._queue -= done
        self._finished += done
        wait = self._queue / max(capacity, 1.0)
        if wait > PATIENCE_SECONDS:
            wait = self._send_away(now, capacity)
        seen = Seen(
            self.processes,
            int(self._finished),
            int(self._shed),
            wait,
            wait > STANDING_SECONDS,
            self._admitted,
            self._came,
            self._came_seconds,
        )
        self._seen.append((now, seen))
        return wait

    def _send_away(self, now: float, capacity: float) -> float:
        too_many = int(self._queue - max(capacity, 1.0) * PATIENCE_SECONDS)
        self._queue -= too_many
        self._shed += too_many
        for _ in range(too_many):
            heapq.heappush(self._coming, (now + self._random.uniform(1, 3), -1.0))
        return PATIENCE_SECONDS

    def _let_in(self, now: float) -> None:
        while len(self._seen) > 1 and self._seen[1][0] <= now - REPORT_SECONDS:
            self._seen.popleft()
        seen = self._seen[0][1]._replace(admitted=self._admitted)
        count = self._credit.take(now, self.rate.observe(now, seen), 10**9)
        self._admitted += count
        for _ in range(count):
            if self._random.random() < self.share:
                took = self.delay(self._random)
                heapq.heappush(self._coming, (now + took, took))
