"""The seat ledger and who sits where: one method a named query of `seats.sql`."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from uuid import UUID

from zikao_kit.columns import columns
from zikao_kit.db import Transaction

from zikao_enrollment.domain.allocation import Holding, SeatChange, SeatKey
from zikao_enrollment.domain.orders import OrderCourse
from zikao_enrollment.stores.slot_sets import slots_in


class SeatStore:
    """Bound to the running transaction."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def list_holdings(
        self, session_code: str, candidate_ids: Iterable[UUID]
    ) -> dict[UUID, Holding]:
        """What candidates have in the session, held or confirmed."""
        rows = await self._tx.fetch("list_holdings", session_code, list(candidate_ids))
        return {
            row["candidate_id"]: Holding(row["county_code"], slots_in(row["slot_set"]))
            for row in rows
        }

    async def lock(self, session_code: str, keys: Iterable[SeatKey]) -> dict[SeatKey, int]:
        """Free seats of the rows, which stay locked until the transaction ends."""
        rows = await self._tx.fetch("lock_seats", session_code, *columns(keys, 2))
        return {SeatKey(row["county_code"], row["slot"]): row["free"] for row in rows}

    async def take(self, session_code: str, held: Mapping[SeatKey, int]) -> dict[SeatKey, int]:
        """Let so many more seats be held; the free seats of the rows before, which are locked.

        Of a row with fewer none is taken.
        """
        taken = columns(((*key, count) for key, count in held.items()), 3)
        rows = await self._tx.fetch("take_seats", session_code, *taken)
        return {SeatKey(row["county_code"], row["slot"]): row["free"] for row in rows}

    async def change(self, session_code: str, changes: Mapping[SeatKey, SeatChange]) -> None:
        """Change ledger rows that `lock` has locked."""
        rows = ((*key, *change) for key, change in changes.items())
        await self._tx.execute("change_seats", session_code, *columns(rows, 4))

    async def bind(self, session_code: str, candidate_ids: Iterable[UUID]) -> None:
        """Let locked candidates have what their orders say now: nothing, or seats in one county."""
        await self._tx.execute("bind_candidates", session_code, list(candidate_ids))

    async def list_confirmed_courses(
        self, session_code: str, candidate_ids: Iterable[UUID]
    ) -> dict[UUID, list[OrderCourse]]:
        """Every confirmed course of candidates who have some, by candidate and slot."""
        rows = await self._tx.fetch("list_confirmed_courses", session_code, list(candidate_ids))
        courses: defaultdict[UUID, list[OrderCourse]] = defaultdict(list)
        for row in rows:
            courses[row["candidate_id"]].append(OrderCourse(row["course_code"], row["slot"]))
        return dict(courses)
