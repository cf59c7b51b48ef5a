"""Enrollment's invariants, counted as the auditor does."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
from zikao_enrollment.domain.invariants import INVARIANTS, cutoffs
from zikao_enrollment.names import PACKAGE
from zikao_kit.invariants import Finding, counting
from zikao_kit.queries import Queries

REFUND_DEADLINE = timedelta(hours=24)
_QUERIES = counting(Queries.load(PACKAGE), INVARIANTS)


async def findings(connection: Any, now: datetime) -> Mapping[str, Finding]:
    """What each invariant that does not hold at `now` finds, over an asyncpg connection."""
    overdue = cutoffs(now, REFUND_DEADLINE)
    found = {}
    for name in INVARIANTS:
        given = [overdue[name]] if name in overdue else []
        row = await connection.fetchrow(_QUERIES[name], *given)
        if row["violations"]:
            found[name] = Finding(row["violations"], tuple(row["offenders"]))
    return found


async def violations(dsn: str) -> Mapping[str, int]:
    """How often each invariant is broken that has no deadline; those that hold are left out."""
    connection = await asyncpg.connect(dsn)
    try:
        found = await findings(connection, datetime.min.replace(tzinfo=UTC) + 2 * REFUND_DEADLINE)
    finally:
        await connection.close()
    return {name: finding.violations for name, finding in found.items()}
