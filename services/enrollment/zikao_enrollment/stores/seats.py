"""The seat ledger and who sits where: one method a named query of `seats.sql`."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

from zikao_kit.columns import columns
from zikao_kit.db import Transaction

from zikao_enrollment.domain.allocation import Holding, SeatChange, SeatKey
from zikao_enrollment.domain.orders import Order, OrderCourse


class SeatStore:
    """Bound to the running transaction."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def list_holdings(
        self, session_code: str, candidate_ids: Iterable[UUID]
    ) -> dict[str, Holding]:
        """What candidates have in the session, held or confirmed, by candidate id as text."""
        rows = await self._tx.fetch("list_holdings", session_code, list(candidate_ids))
        return {
            str(row["candidate_id"]): Holding(row["county_code"], frozenset(row["slots"]))
            for row in rows
        }

    async def lock(self, session_code: str, keys: Iterable[SeatKey]) -> dict[SeatKey, int]:
        """Free seats of the rows, which stay locked until the transaction ends."""
        rows = await self._tx.fetch("lock_seats", session_code, *columns(keys, 2))
        return {SeatKey(row["county_code"], row["slot"]): row["free"] for row in rows}

    async def change(self, session_code: str, changes: Mapping[SeatKey, SeatChange]) -> None:
        """Change ledger rows that `lock` has locked."""
        rows = ((*key, *change) for key, change in changes.items())
        await self._tx.execute("change_seats", session_code, *columns(rows, 4))

    async def insert_enrollments(self, session_code: str, orders: Iterable[Order]) -> None:
        """Bind candidates who have no county yet to that of their order."""
        rows = ((order.candidate_id, order.county_code) for order in orders)
        await self._tx.execute("insert_enrollments", session_code, *columns(rows, 2))

    async def insert_sittings(self, session_code: str, orders: Iterable[Order]) -> None:
        """Seat the candidates of orders in the orders' counties."""
        rows = (
            (
                order.candidate_id,
                course.slot,
                order.order_id,
                course.course_code,
                order.county_code,
            )
            for order in orders
            for course in order.courses
        )
        await self._tx.execute("insert_sittings", session_code, *columns(rows, 5))

    async def delete_sittings(self, order_ids: Iterable[UUID]) -> None:
        """Give up the sittings of orders."""
        await self._tx.execute("delete_sittings", list(order_ids))

    async def delete_empty_enrollments(
        self, session_code: str, candidate_ids: Sequence[UUID]
    ) -> None:
        """Give up the county of candidates who have no sitting any more."""
        await self._tx.execute("delete_empty_enrollments", session_code, candidate_ids)

    async def list_confirmed_courses(
        self, session_code: str, candidate_ids: Iterable[UUID]
    ) -> dict[UUID, list[OrderCourse]]:
        """Every confirmed course of candidates who have some, by candidate and slot."""
        rows = await self._tx.fetch("list_confirmed_courses", session_code, list(candidate_ids))
        courses: defaultdict[UUID, list[OrderCourse]] = defaultdict(list)
        for row in rows:
            courses[row["candidate_id"]].append(OrderCourse(row["course_code"], row["slot"]))
        return dict(courses)
