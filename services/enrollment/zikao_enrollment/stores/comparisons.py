"""Statements beside our own money: one method a named query of `comparing.sql`."""

from datetime import date, datetime
from uuid import UUID

from zikao_kit.db import Record, Transaction

from zikao_enrollment.domain.differences import SYSTEM, Area, ComparedMoney, CountyTotals
from zikao_enrollment.domain.statements import Day, Money, Statement, Totals


class ComparisonStore:
    """Bound to the running transaction."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def compare_lines(self, statement: Statement, last_line: int, now: datetime) -> Totals:
        """Compare the lines behind `compared_line` up to one; return what was matched."""
        row = await self._tx.fetchrow("compare_lines", *_lines(statement, last_line), now)
        assert row is not None
        return Totals(**row)

    async def list_stated_refunds(
        self, statement: Statement, last_line: int
    ) -> dict[UUID, datetime]:
        """When refunds that we think are owed were made, by those lines of the platform's own."""
        rows = await self._tx.fetch("list_stated_refunds", *_lines(statement, last_line))
        return {row["refund_id"]: row["moved_at"] for row in rows}

    async def find_missing_payments(
        self, begins_at: datetime, ends_at: datetime, zone: str, now: datetime
    ) -> None:
        """Find our payments of a time that no statement has."""
        await self._tx.execute("find_missing_payments", begins_at, ends_at, zone, now, SYSTEM)

    async def find_missing_refunds(
        self, begins_at: datetime, ends_at: datetime, zone: str, now: datetime
    ) -> None:
        """Find our refunds of a time that no statement has."""
        await self._tx.execute("find_missing_refunds", begins_at, ends_at, zone, now, SYSTEM)

    async def sum_day(self, day: Day, area: Area) -> list[CountyTotals]:
        """The money of a day, by county."""
        rows = await self._tx.fetch(
            "sum_day", day.on, day.begins_at, day.ends_at, area.prefix, area.has_countyless
        )
        return [CountyTotals(**row) for row in rows]

    async def list_lines(
        self, statement_date: date, after_line: int, last_line: int, area: Area
    ) -> list[ComparedMoney]:
        """Lines of the day's statement behind one up to another, our money beside them."""
        rows = await self._tx.fetch(
            "list_compared_lines",
            statement_date,
            after_line,
            last_line,
            area.prefix,
            area.has_countyless,
        )
        return [_compared(row) for row in rows]

    async def list_unlisted(
        self, day: Day, after: ComparedMoney | None, area: Area, limit: int
    ) -> list[ComparedMoney]:
        """Our money of the day that no statement has, behind some, in the order of time."""
        rows = await self._tx.fetch(
            "list_unlisted",
            day.begins_at,
            day.ends_at,
            area.prefix,
            area.has_countyless,
            after.moved_at if after else None,
            after.subject_id if after else None,
            limit,
        )
        return [_compared(row) for row in rows]


def _lines(statement: Statement, last_line: int) -> tuple[date, UUID, int, int]:
    """Those behind the place reached, up to one."""
    return statement.statement_date, statement.import_id, statement.compared_line, last_line


def _compared(row: Record) -> ComparedMoney:
    values = dict(row)
    return ComparedMoney(Money(values.pop("money")), **values)
