"""What brings and shows statements has in common: the province's days, and how much at once."""

from asyncio import Semaphore
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import date
from uuid import UUID
from zoneinfo import ZoneInfo

from zikao_kit.admission import overloaded
from zikao_kit.db import Database

from zikao_enrollment.boards import Boards
from zikao_enrollment.domain.statements import Day, Statement, StatementState
from zikao_enrollment.domain.timetable import Session
from zikao_enrollment.stores.statements import StatementStore

LINES_DELETED_AT_ONCE = 20_000
# A million lines are joined for one sum: the others of a process come again.
MAX_SUMS_AT_ONCE = 2
NOBODYS = UUID(int=0)


class StatementDesk:
    """One a process."""

    def __init__(self, db: Database, boards: Boards, zone: ZoneInfo) -> None:
        self._db = db
        self._boards = boards
        self._sums = Semaphore(MAX_SUMS_AT_ONCE)
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

    async def clear(self, statement: Statement) -> None:
        """Delete the lines of statements that have given way to this one, a few at a time."""
        deleted = LINES_DELETED_AT_ONCE
        while deleted == LINES_DELETED_AT_ONCE:
            async with self._db.transaction() as tx:
                store = StatementStore(tx)
                deleted = await store.delete_lines_of_others(statement, LINES_DELETED_AT_ONCE)

    async def clear_refused(self, statement: Statement) -> None:
        """Delete all lines of a statement that was refused: their money may come in another one."""
        if statement.state is StatementState.REFUSED:
            await self.clear(replace(statement, import_id=NOBODYS))

    @asynccontextmanager
    async def summing(self) -> AsyncIterator[None]:
        """A place to sum up a day; raises OVERLOADED when there is none."""
        if self._sums.locked():
            raise overloaded()
        async with self._sums:
            yield
