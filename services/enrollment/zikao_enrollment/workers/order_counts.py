"""Shows as a metric how many orders are in which state."""

import math

from prometheus_client import Gauge
from zikao_kit.db import Database
from zikao_kit.metrics import ALIKE

from zikao_enrollment.domain.order_states import OrderState
from zikao_enrollment.stores.statistics import count_orders
from zikao_enrollment.views.boards import Boards
from zikao_enrollment.views.seat_metrics import SESSIONS_SHOWN

# 300,000 orders are counted in a tenth of a second, by indexes of what is held and of what is
# confirmed, in every process.
ORDER_COUNT_PAUSE_SECONDS = 60.0
SHOWN = tuple(state for state in OrderState if state is not OrderState.RELEASED)

ORDERS = Gauge(
    "zikao_enrollment_orders",
    f"Orders that are not released, by state; of the newest {SESSIONS_SHOWN} sessions. {ALIKE}",
    ["session", "state"],
)


class OrderCountWorker:
    """Counts in every process, seldom."""

    def __init__(self, db: Database, boards: Boards) -> None:
        self._db = db
        self._boards = boards
        self._shown: set[str] = set()

    async def work(self) -> bool:
        """Count, and show it; what cannot be counted must not look well."""
        codes = self._boards.current.newest_sessions(SESSIONS_SHOWN)
        try:
            async with self._db.read() as tx:
                found = await count_orders(tx, codes)
        except BaseException:
            for code in self._shown:
                self._show(code, dict.fromkeys(SHOWN, math.nan))
            raise
        for gone in self._shown.difference(codes):
            for state in SHOWN:
                ORDERS.remove(gone, state)
        self._shown = set(codes)
        for code in codes:
            self._show(code, {state: found.get((code, state), 0) for state in SHOWN})
        return False

    def _show(self, code: str, counts: dict[OrderState, float]) -> None:
        for state, count in counts.items():
            ORDERS.labels(code, state).set(count)
