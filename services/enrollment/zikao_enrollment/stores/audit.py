"""Checks of the invariants and what they found: the queries of `audit.sql`."""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from zikao_kit.db import Transaction
from zikao_kit.invariants import Finding, counting
from zikao_kit.queries import Queries

from zikao_enrollment.domain.invariants import INVARIANTS
from zikao_enrollment.names import PACKAGE


class Checked(NamedTuple):
    """What the last check of an invariant found, and how long ago it was, by the database."""

    violations: int
    age_seconds: float


class AuditStore:
    """Bound to the running transaction."""

    _counting = counting(Queries.load(PACKAGE), INVARIANTS)

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def begin(self) -> bool:
        """Be the one who checks until the transaction ends; False when somebody is."""
        begun: bool = await self._tx.fetchval("begin_check")
        return begun

    async def next_due(
        self, invariants: Collection[str], pause: timedelta, rest_factor: int
    ) -> str | None:
        """The one not checked for `pause`, once the last check has been `rest_factor` times as
        long ago as it took."""
        due: str | None = await self._tx.fetchval(
            "next_check", list(invariants), pause, rest_factor
        )
        return due

    async def check(self, invariant: str, cutoff: datetime | None) -> Finding:
        """Count where it does not hold; `cutoff` for those about deadlines."""
        given = () if cutoff is None else (cutoff,)
        row = await self._tx.using(self._counting).fetchrow(invariant, *given)
        assert row is not None
        return Finding(row["violations"], tuple(row["offenders"]))

    async def save(self, invariant: str, finding: Finding, took: timedelta) -> None:
        """Store what a check found."""
        await self._tx.execute(
            "save_check", invariant, finding.violations, list(finding.offenders), took
        )

    async def last(self, invariants: Collection[str]) -> Mapping[str, Checked]:
        """The last check of each that was checked at all."""
        rows = await self._tx.fetch("list_checks", list(invariants))
        return {row["invariant"]: Checked(row["violations"], row["age_seconds"]) for row in rows}
