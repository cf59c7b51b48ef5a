"""The live auditor: checks the invariants again and again, and says loudly where they do not hold.

Several processes may do so at once: one checks, and what it finds shows in the metrics of all.
"""

import math
import time
from datetime import timedelta

import structlog
from prometheus_client import Gauge
from zikao_kit.clock import Clock
from zikao_kit.db import Database

from zikao_enrollment.commands.check_invariant import Check, check_invariant
from zikao_enrollment.domain.invariants import INVARIANTS, cutoffs
from zikao_enrollment.stores.audit import AuditStore

VIOLATIONS = Gauge(
    "zikao_enrollment_invariant_violations", "Where an invariant does not hold.", ["invariant"]
)
AUDIT_AGE = Gauge(
    "zikao_enrollment_audit_age_seconds",
    "Age of the oldest of the invariants' last checks; infinite while one was never checked.",
)

log = structlog.get_logger()


class Auditor:
    """Checks each invariant every `pause`; deadlines go by `clock`, the pause by the database."""

    def __init__(
        self, db: Database, clock: Clock, pause: timedelta, refund_deadline: timedelta
    ) -> None:
        self._db = db
        self._clock = clock
        self._pause = pause
        self._refund_deadline = refund_deadline
        self._oldest_at = -math.inf
        AUDIT_AGE.set_function(lambda: time.monotonic() - self._oldest_at)

    async def work(self) -> bool:
        """Check one invariant if it is due, and show what is known of all."""
        now = self._clock.now()
        async with self._db.transaction() as tx:
            store = AuditStore(tx)
            checked = await check_invariant(store, self._pause, cutoffs(now, self._refund_deadline))
            await self._show(store)
        if checked is not None:
            _tell(checked)
        return False

    async def _show(self, store: AuditStore) -> None:
        last = await store.last(INVARIANTS)
        for invariant, found in last.items():
            VIOLATIONS.labels(invariant).set(found.violations)
        ages = (last[name].age_seconds if name in last else math.inf for name in INVARIANTS)
        self._oldest_at = time.monotonic() - max(ages)


def _tell(checked: Check) -> None:
    if checked.finding.violations:
        log.error(
            "invariant does not hold",
            invariant=checked.invariant,
            violations=checked.finding.violations,
            offenders=checked.finding.offenders,
        )
