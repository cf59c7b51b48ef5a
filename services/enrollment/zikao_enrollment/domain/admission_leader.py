"""Decides for one room how many are let in now, and whether it still needs to be one.

One process decides at a time. What it knows besides the room's row it learns anew when it begins:
its first reports are where it counts from.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple
from uuid import UUID

from zikao_enrollment.domain.admission_rate import AdmissionRate, Credit, Seen
from zikao_enrollment.domain.waiting import RoomState

# What a leader that was kept from its work may make up for.
MOST_CREDIT_SECONDS = 1.0
# A queue of submissions that stands for so long makes a room of the open door again.
CLOSE_SECONDS = 3.0


class Report(NamedTuple):
    """What one process has done since it started; `came` are those let in by this room."""

    process_id: UUID
    finished: int
    shed: int
    wait_seconds: float
    standing: bool
    came: int
    came_seconds: float


class Limits(NamedTuple):
    """What session and offices say."""

    # At most so many a second; None for as many as can be.
    ceiling: float | None
    # Nobody is let in.
    held: bool
    # For so long nobody may have had to wait until the room is opened.
    quiet_seconds: float


class Queue(NamedTuple):
    """The room as its row says."""

    state: RoomState
    last_number: int
    admitted_until: int


class Step(NamedTuple):
    """What becomes of the room now; `rate` is what a new leader begins with."""

    state: RoomState
    admitted_until: int
    rate: float


class AdmissionLeader:
    """Leads one room; `decide` is asked a few times a second."""

    def __init__(self, rate: float | None) -> None:
        """`rate` is what the row says: None in a room that has just been drawn."""
        self.rate = AdmissionRate(rate)
        self._credit = Credit(MOST_CREDIT_SECONDS)
        self._totals = _Totals()
        self._quiet_since: float | None = None
        self._standing_since: float | None = None

    def decide(self, now: float, queue: Queue, limits: Limits, reports: Iterable[Report]) -> Step:
        """The room's next step at `now`, in seconds of a monotonic clock."""
        rate = self.rate.observe(now, self._totals.seen(reports, queue.admitted_until))
        if limits.ceiling is not None:
            rate = min(rate, limits.ceiling)
        waiting = queue.last_number - queue.admitted_until
        admitted = self._credit.take(now, 0.0 if limits.held else rate, waiting)
        is_quiet = admitted == waiting and not limits.held and not self.rate.is_standing
        state = self._state(now, queue.state, limits, is_quiet=is_quiet)
        until = queue.last_number if state is RoomState.OPEN else queue.admitted_until + admitted
        return Step(state, until, rate)

    def _state(self, now: float, state: RoomState, limits: Limits, *, is_quiet: bool) -> RoomState:
        self._quiet_since = _since(self._quiet_since, now, holds=is_quiet)
        self._standing_since = _since(self._standing_since, now, holds=self.rate.is_standing)
        if state is RoomState.OPEN:
            too_many = _seconds(self._standing_since, now) >= CLOSE_SECONDS
            return RoomState.ADMITTING if too_many or limits.held else RoomState.OPEN
        was_quiet = _seconds(self._quiet_since, now) >= limits.quiet_seconds
        return RoomState.OPEN if was_quiet else state


class _Totals:
    """Sums over processes that come and go: they never fall."""

    def __init__(self) -> None:
        self._last: dict[UUID, Report] = {}
        self._finished = self._shed = self._came = 0
        self._came_seconds = 0.0

    def seen(self, reports: Iterable[Report], admitted: int) -> Seen:
        """What all have done since the first time."""
        current = list(reports)
        for report in current:
            before = self._last.get(report.process_id, report)
            self._finished += report.finished - before.finished
            self._shed += report.shed - before.shed
            self._came += report.came - before.came
            self._came_seconds += report.came_seconds - before.came_seconds
            self._last[report.process_id] = report
        return Seen(
            max(len(current), 1),
            self._finished,
            self._shed,
            max((report.wait_seconds for report in current), default=0.0),
            any(report.standing for report in current),
            admitted,
            self._came,
            self._came_seconds,
        )


def _since(since: float | None, now: float, *, holds: bool) -> float | None:
    """Since when something holds; None when it does not."""
    if not holds:
        return None
    return now if since is None else since


def _seconds(since: float | None, now: float) -> float:
    return 0.0 if since is None else now - since
