"""How enrollment goes: the queries of `statistics.sql`."""

from datetime import datetime

from zikao_kit.db import Transaction

from zikao_enrollment.domain.allocation import SeatKey
from zikao_enrollment.domain.statistics import Figures, People, Sittings


class StatisticsStore:
    """Bound to the running transaction."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def count(self, session_code: str, as_of: datetime) -> Figures:
        """Everything of a session; of one moment in a transaction that is REPEATABLE READ."""
        sittings = await self._tx.fetch("count_sittings", session_code)
        people = await self._tx.fetch("count_candidates", session_code)
        capacities = await self._tx.fetch("count_capacities", session_code)
        return Figures.of(
            as_of,
            (Sittings(*row) for row in sittings),
            {row["county_code"]: People(row["candidates"], row["confirmed"]) for row in people},
            {SeatKey(row["county_code"], row["slot"]): row["capacity"] for row in capacities},
        )
