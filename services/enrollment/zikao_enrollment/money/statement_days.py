"""What brings and shows statements has in common: the province's days, and how much at once."""

from asyncio import Semaphore
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import date
from zoneinfo import ZoneInfo

from zikao_kit.admission import OneAtATime, overloaded
from zikao_kit.db import Database

from zikao_enrollment.domain.statements import Day
from zikao_enrollment.domain.timetable import Session
from zikao_enrollment.stores.statements import StatementStore
from zikao_enrollment.views.boards import Boards

LINES_DELETED_AT_ONCE = 20_000
# A million lines are joined for one sum: the others of a process come again.
MAX_SUMS_AT_ONCE = 2


class StatementDays:
    """One a process."""

    def __init__(self, db: Database, boards: Boards, zone: ZoneInfo) -> None:
        self._db = db
        self._boards = boards
        self._sums = Semaphore(MAX_SUMS_AT_ONCE)
        self._summing = OneAtATime()
        self.zone = zone

    @property
    def sessions(self) -> Iterable[Session]:
        """All sessions."""
        return [applied.session for applied in self._boards.current.sessions.values()]

    @property
    def province(self) -> str:
        """The code of the province, 2 digits; empty before the first session."""
        codes = [county.code for session in self.sessions for county in session.counties]
        return min(codes, default="")[:2]

    def day(self, statement_date: date) -> Day:
        """A day of the province's time zone."""
        return Day.of(statement_date, self.zone)

    async def clear(self, statement_date: date) -> None:
        """Delete the day's lines that count for nothing, a few at a time.

        Those of a statement that was refused, or has given way: their money may come in another.
        """
        deleted = LINES_DELETED_AT_ONCE
        while deleted == LINES_DELETED_AT_ONCE:
            async with self._db.transaction() as tx:
                store = StatementStore(tx)
                deleted = await store.delete_idle_lines(statement_date, LINES_DELETED_AT_ONCE)

    @asynccontextmanager
    async def summing(self, officer: str) -> AsyncIterator[None]:
        """A place to sum up a day; raises OVERLOADED when there is none, and for a second one."""
        if self._sums.locked():
            raise overloaded()
        with self._summing.only(officer):
            async with self._sums:
                yield
