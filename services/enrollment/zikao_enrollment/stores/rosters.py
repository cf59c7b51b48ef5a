"""Who is enrolled: one method a named query of `rosters.sql`."""

from collections.abc import Sequence
from datetime import datetime

from zikao_kit.db import Transaction
from zikao_kit.feed import Cursor

from zikao_enrollment.domain.orders import OrderCourse
from zikao_enrollment.domain.rosters import RosterEntry, RosterFilter, RosterPlace


class RosterStore:
    """Bound to the running transaction."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def beginning(self) -> tuple[datetime, str]:
        """A moment and a place in the feed.

        What was committed before the moment is seen by every later query, what the feed has
        after the place may be not.
        """
        row = await self._tx.fetchrow("begin_roster")
        assert row is not None
        return row["as_of"], str(Cursor(int(row["xmin"]), 0))

    async def list_page(self, place: RosterPlace, limit: int) -> Sequence[RosterEntry]:
        """Confirmed enrollments after a place, by county and candidate."""
        rows = await self._tx.fetch(
            "list_roster", *place.wanted, place.county_code, place.candidate_id, limit
        )
        return [
            RosterEntry(
                row["county_code"],
                row["candidate_id"],
                tuple(map(OrderCourse, row["course_codes"], row["slots"])),
            )
            for row in rows
        ]

    async def count(self, wanted: RosterFilter) -> int:
        """How many candidates there are."""
        counted: int = await self._tx.fetchval("count_roster", *wanted)
        return counted
