"""Shows as metrics how arranging stands, and what waits for offices."""

import math
from collections.abc import Mapping

from prometheus_client import Gauge
from zikao_kit.clock import Clock
from zikao_kit.db import Database
from zikao_kit.metrics import ALIKE

from zikao_tickets.domain.states import ArrangementState
from zikao_tickets.stores.offices import office_actions
from zikao_tickets.stores.statistics import count_arrangements, count_unprintable

BACKLOG_PAUSE_SECONDS = 15.0
SHOWN = (
    ArrangementState.PENDING,
    ArrangementState.RUNNING,
    ArrangementState.DONE,
    ArrangementState.APPROVED,
    ArrangementState.FAILED,
    ArrangementState.PUBLISHED,
)

PENDING_ACTS = Gauge(
    "zikao_tickets_pending_office_acts",
    f"Acts of offices that wait for a second officer. {ALIKE}",
)
COUNTIES = Gauge(
    "zikao_tickets_counties",
    "Counties by the state of the arrangement that was started last, and those with one in force"
    f" (published). {ALIKE}",
    ["session", "state"],
)
UNPRINTABLE = Gauge(
    "zikao_tickets_unprintable",
    f"Tickets that cannot be printed, by reason: an office must see to them. {ALIKE}",
    ["session", "reason"],
)


class BacklogWorker:
    """Counts in every process: a few rows by their index, and a row or two of each county."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock
        PENDING_ACTS.set(math.nan)

    async def work(self) -> bool:
        """Count, and show it; what cannot be counted must not look well."""
        pending = math.nan
        counties: Mapping[tuple[str, str], int] = {}
        unprintable: Mapping[tuple[str, str], int] = {}
        try:
            async with self._db.read() as tx:
                acts = await office_actions(tx).count_all_pending(self._clock.now())
                counties, unprintable = await count_arrangements(tx), await count_unprintable(tx)
            pending = acts
        finally:
            PENDING_ACTS.set(pending)
            _show_counties(counties)
            _show_unprintable(unprintable)
        return False


def _show_counties(counties: Mapping[tuple[str, str], int]) -> None:
    """All states of each session that has any; nothing at all where it is not known."""
    COUNTIES.clear()
    for session in {session for session, _ in counties}:
        for state in SHOWN:
            COUNTIES.labels(session, state).set(counties.get((session, state), 0))


def _show_unprintable(tickets: Mapping[tuple[str, str], int]) -> None:
    UNPRINTABLE.clear()
    for of, count in tickets.items():
        UNPRINTABLE.labels(*of).set(count)
