"""Seats as metrics: read from the board when somebody looks, so that they cost submissions nothing.

A series for each county and slot would be 732 a session and process. What operators act on is how
many are left of a slot in all, and in how many counties none; offices see their county's seats in
`AvailabilityService` and `StatisticsService`.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from weakref import ref

from prometheus_client import REGISTRY
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from zikao_enrollment.domain.allocation import SeatKey
from zikao_enrollment.domain.board import Board, SeatCount
from zikao_enrollment.views.boards import Boards

# Of more only the newest: sessions stay in the database for years.
SESSIONS_SHOWN = 4
_STATES = ("free", "held", "confirmed")


class SeatMetrics(Collector):
    """Of one process; shows nothing until it follows a board."""

    def __init__(self) -> None:
        self._boards: ref[Boards] | None = None

    def follow(self, boards: Boards) -> None:
        """Show this process's board from now on."""
        self._boards = ref(boards)

    def collect(self) -> Iterator[Metric]:
        """What a scrape reads; a board never changes, there is only a newer one."""
        boards = self._boards() if self._boards else None
        yield from _seats(boards.current if boards else None)
        yield GaugeMetricFamily(
            "zikao_enrollment_board_age_seconds",
            "Age of what the process knows of seats; above 1 it answers UNAVAILABLE who looks.",
            value=boards.age_seconds if boards else math.nan,
        )
        yield GaugeMetricFamily(
            "zikao_enrollment_hold_overdue_seconds",
            "For how long the hold that ended first has not been released; 0 for none.",
            value=boards.overdue_seconds if boards else math.nan,
        )


def _seats(board: Board | None) -> Iterator[Metric]:
    labels = ("session", "slot")
    seats = GaugeMetricFamily(
        "zikao_enrollment_seats",
        "Seats of all counties that are free, held (not paid yet) or confirmed.",
        labels=(*labels, "state"),
    )
    counties = GaugeMetricFamily(
        "zikao_enrollment_counties", "Counties that have seats.", labels=labels
    )
    full = GaugeMetricFamily(
        "zikao_enrollment_full_counties", "Counties that have no free seat left.", labels=labels
    )
    for code in board.newest_sessions(SESSIONS_SHOWN) if board else ():
        rows_by_slot = _by_slot(board.seats.get(code, {}) if board else {})
        for slot, rows in sorted(rows_by_slot.items()):
            of = (code, str(slot))
            sums = (
                sum(row.free for row in rows),
                sum(row.held for row in rows),
                sum(row.confirmed for row in rows),
            )
            for state, value in zip(_STATES, sums, strict=True):
                seats.add_metric((*of, state), value)
            counties.add_metric(of, len(rows))
            full.add_metric(of, sum(row.free <= 0 for row in rows))
    yield from (seats, counties, full)


def _by_slot(rows: Mapping[SeatKey, SeatCount]) -> Mapping[int, list[SeatCount]]:
    found: defaultdict[int, list[SeatCount]] = defaultdict(list)
    for key, count in rows.items():
        found[key.slot].append(count)
    return found


SEATS = SeatMetrics()
REGISTRY.register(SEATS)
