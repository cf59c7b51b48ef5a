"""Checks one invariant on the running system, the one whose turn it is."""

import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from zikao_kit.invariants import Finding

from zikao_enrollment.domain.invariants import INVARIANTS
from zikao_enrollment.stores.audit import AuditStore

# All processes together keep at most a fifth of one of the database's processors busy.
REST_FACTOR = 4


class Check(NamedTuple):
    """An invariant and what was found."""

    invariant: str
    finding: Finding


async def check_invariant(
    store: AuditStore, pause: timedelta, cutoffs: Mapping[str, datetime]
) -> Check | None:
    """Check one that was not checked for `pause`; None when none is due, or another checks.

    It writes only after it has read: a transaction id taken earlier would hold the feed back for
    as long as the check takes. Rows are not locked at all.
    """
    if not await store.begin():
        return None
    invariant = await store.next_due(INVARIANTS, pause, REST_FACTOR)
    if invariant is None:
        return None
    begun = time.perf_counter()
    finding = await store.check(invariant, cutoffs.get(invariant))
    await store.save(invariant, finding, timedelta(seconds=time.perf_counter() - begun))
    return Check(invariant, finding)
