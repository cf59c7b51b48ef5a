"""Shows as metrics what waits for officers."""

import math
from datetime import timedelta

from prometheus_client import Gauge
from zikao_kit.metrics import ALIKE

from zikao_registration.parts import Parts
from zikao_registration.stores.reviews import measure_backlog

BACKLOG_PAUSE_SECONDS = 15.0

APPLICATIONS = Gauge(
    "zikao_registration_pending_reviews", f"Applications that wait for an office. {ALIKE}"
)
OLDEST = Gauge(
    "zikao_registration_oldest_review_seconds",
    f"For how long the oldest application has waited; 0 for none. {ALIKE}",
)
PROFILE_CHANGES = Gauge(
    "zikao_registration_pending_profile_changes",
    f"Profile changes that wait for an office. {ALIKE}",
)


class BacklogWorker:
    """Counts in every process, by indexes of what waits."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        _show(math.nan, math.nan, math.nan)

    async def work(self) -> bool:
        """Count, and show it; what cannot be counted must not look well."""
        found = math.nan, math.nan, math.nan
        try:
            now = self._parts.clock.now()
            async with self._parts.db.read() as tx:
                backlog = await measure_backlog(tx)
            oldest = now - backlog.oldest_at if backlog.oldest_at else timedelta()
            seconds = max(oldest.total_seconds(), 0.0)
            found = backlog.applications, seconds, backlog.profile_changes
        finally:
            _show(*found)
        return False


def _show(applications: float, oldest_seconds: float, profile_changes: float) -> None:
    APPLICATIONS.set(applications)
    OLDEST.set(oldest_seconds)
    PROFILE_CHANGES.set(profile_changes)
