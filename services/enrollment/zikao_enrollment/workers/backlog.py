"""Shows as metrics what waits for people: refunds, odd payments, acts of offices."""

import math
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from prometheus_client import Gauge
from zikao_kit.clock import Clock
from zikao_kit.db import Database
from zikao_kit.metrics import ALIKE

from zikao_enrollment.domain.money import Flag
from zikao_enrollment.stores.money import MoneyStore
from zikao_enrollment.stores.odd_payments import OddPaymentStore
from zikao_enrollment.stores.offices import office_actions

BACKLOG_PAUSE_SECONDS = 15.0
# Platforms give money back within minutes.
LONG_WAIT = timedelta(hours=1)
ODD_PAYMENTS_OF = timedelta(days=1)

REFUSED_REFUNDS = Gauge(
    "zikao_enrollment_refused_refunds",
    f"Refunds that the platform has refused to make: people must see to them. {ALIKE}",
)
WAITING_REFUNDS = Gauge(
    "zikao_enrollment_long_waiting_refunds",
    f"Refunds owed for more than an hour, refused or not. {ALIKE}",
)
OWED_REFUNDS = Gauge("zikao_enrollment_owed_refunds", f"Refunds that are owed. {ALIKE}")
OLDEST_REFUND = Gauge(
    "zikao_enrollment_oldest_refund_seconds",
    f"For how long the oldest refund has been owed; 0 for none. {ALIKE}",
)
ODD_PAYMENTS = Gauge(
    "zikao_enrollment_odd_payments",
    f"Payments of the last 24 hours with which something is wrong, by what. {ALIKE}",
    ["flag"],
)
PENDING_ACTS = Gauge(
    "zikao_enrollment_pending_office_acts",
    f"Acts of offices that wait for a second officer. {ALIKE}",
)


class Backlog(NamedTuple):
    """What waits; NaN where that is not known."""

    owed: float
    refused: float
    waiting: float
    oldest_seconds: float
    pending: float
    odd: Mapping[Flag, float]


UNKNOWN = Backlog(
    math.nan, math.nan, math.nan, math.nan, math.nan, odd=dict.fromkeys(Flag, math.nan)
)


class BacklogWorker:
    """Counts in every process, a few rows by their indexes."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock
        _show(UNKNOWN)

    async def work(self) -> bool:
        """Count, and show it; what cannot be counted must not look well."""
        found = UNKNOWN
        try:
            found = await self._count(self._clock.now())
        finally:
            _show(found)
        return False

    async def _count(self, now: datetime) -> Backlog:
        async with self._db.read() as tx:
            refunds = await MoneyStore(tx).count_owed_refunds(now - LONG_WAIT)
            pending = await office_actions(tx).count_all_pending(now)
            odd = await OddPaymentStore(tx).count(now - ODD_PAYMENTS_OF)
        oldest = now - refunds.oldest_at if refunds.oldest_at else timedelta()
        return Backlog(
            refunds.owed,
            refunds.refused,
            refunds.waiting,
            max(oldest.total_seconds(), 0.0),
            pending,
            odd,
        )


def _show(found: Backlog) -> None:
    OWED_REFUNDS.set(found.owed)
    OLDEST_REFUND.set(found.oldest_seconds)
    REFUSED_REFUNDS.set(found.refused)
    WAITING_REFUNDS.set(found.waiting)
    PENDING_ACTS.set(found.pending)
    for flag in Flag:
        ODD_PAYMENTS.labels(flag).set(found.odd.get(flag, 0))
