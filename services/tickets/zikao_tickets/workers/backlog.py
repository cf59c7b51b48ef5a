"""Shows as a metric what waits for a second officer."""

import math

from prometheus_client import Gauge
from zikao_kit.clock import Clock
from zikao_kit.db import Database

from zikao_tickets.stores.offices import office_actions

BACKLOG_PAUSE_SECONDS = 15.0

PENDING_ACTS = Gauge(
    "zikao_tickets_pending_office_acts",
    "Acts of offices that wait for a second officer. All replicas show the same, or NaN while they"
    " do not know: use max().",
)


class BacklogWorker:
    """Counts in every process, a few rows by their index."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock
        PENDING_ACTS.set(math.nan)

    async def work(self) -> bool:
        """Count, and show it; what cannot be counted must not look well."""
        pending = math.nan
        try:
            async with self._db.read() as tx:
                pending = await office_actions(tx).count_all_pending(self._clock.now())
        finally:
            PENDING_ACTS.set(pending)
        return False
