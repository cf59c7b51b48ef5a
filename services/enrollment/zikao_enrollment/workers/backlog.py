"""Shows as metrics what waits for people: refunds, odd payments, acts of offices."""

from datetime import timedelta

from prometheus_client import Gauge
from zikao_kit.clock import Clock
from zikao_kit.db import Database

from zikao_enrollment.domain.money import Flag
from zikao_enrollment.stores.money import MoneyStore
from zikao_enrollment.stores.odd_payments import OddPaymentStore
from zikao_enrollment.stores.office_actions import OfficeActionStore

BACKLOG_PAUSE_SECONDS = 15.0
# Platforms give money back within minutes.
LONG_WAIT = timedelta(hours=1)
ODD_PAYMENTS_OF = timedelta(days=1)

REFUSED_REFUNDS = Gauge(
    "zikao_enrollment_refused_refunds",
    "Refunds that the platform has refused to make: people must see to them.",
)
WAITING_REFUNDS = Gauge(
    "zikao_enrollment_long_waiting_refunds",
    "Refunds owed for more than an hour, refused or not.",
)
ODD_PAYMENTS = Gauge(
    "zikao_enrollment_odd_payments",
    "Payments of the last 24 hours with which something is wrong, by what.",
    ["flag"],
)
PENDING_ACTS = Gauge(
    "zikao_enrollment_pending_office_acts",
    "Acts of offices that wait for a second officer.",
)


class BacklogWorker:
    """Counts in every process, a few rows by their indexes: all show the same."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock

    async def work(self) -> bool:
        """Count, and show it."""
        now = self._clock.now()
        async with self._db.read() as tx:
            refused, waiting = await MoneyStore(tx).count_owed_refunds(now - LONG_WAIT)
            odd = await OddPaymentStore(tx).count(now - ODD_PAYMENTS_OF)
            pending = await OfficeActionStore(tx).count_all_pending(now)
        REFUSED_REFUNDS.set(refused)
        WAITING_REFUNDS.set(waiting)
        PENDING_ACTS.set(pending)
        for flag in Flag:
            ODD_PAYMENTS.labels(flag).set(odd.get(flag, 0))
        return False
