"""What everybody looks at is built once, and again when it has changed."""

from dataclasses import replace

import pytest
from support.clocks import FixedClock
from support.enrollment_database import NOW, enrollment_database
from support.enrollment_sessions import FEE_FEN, small_session
from support.serialized_answers import read
from support.service_databases import MakeDatabase
from zikao.enrollment.v1.enrollment_service_pb2 import (
    GetAvailabilityResponse,
    GetTimetableResponse,
)
from zikao_enrollment.commands.apply_session import apply_session
from zikao_enrollment.domain.timetable import Session
from zikao_enrollment.stores.sessions import SessionStore
from zikao_enrollment.views.boards import Boards
from zikao_enrollment.views.showcase import Showcase
from zikao_kit.db import Database
from zikao_kit.errors import DomainError

SESSION = small_session(seats=2)


async def apply(database: Database, session: Session) -> None:
    """Apply a session."""
    async with database.transaction() as transaction:
        await apply_session(SessionStore(transaction), session, dry_run=False, now=NOW)


async def test_answers_are_built_once_and_follow_the_board(make_database: MakeDatabase) -> None:
    """The same answer to all who ask; a new one when seats were read again, or the fee is new."""
    async with enrollment_database(make_database, SESSION, 0) as database:
        boards = Boards(database, FixedClock(NOW))
        await boards.refresh()
        showcase = Showcase(boards)
        seats, timetable = showcase.availability("22.1", ""), showcase.timetable("22.1")
        county = showcase.availability("22.1", "510104")
        assert [len(read(each, GetAvailabilityResponse).seats) for each in (seats, county)] == [
            4,
            2,
        ]
        assert showcase.availability("22.1", "") is seats
        await boards.refresh()
        assert showcase.availability("22.1", "") is not seats
        assert showcase.timetable("22.1") is timetable
        await apply(database, replace(small_session(seats=5), fee_fen=FEE_FEN + 1))
        await boards.refresh()
        seats = showcase.availability("22.1", "")
        assert {row.free for row in read(seats, GetAvailabilityResponse).seats} == {5}
        assert read(showcase.timetable("22.1"), GetTimetableResponse).fee_fen == FEE_FEN + 1
        for unknown in (showcase.timetable, lambda code: showcase.availability(code, "")):
            with pytest.raises(DomainError, match="SESSION_UNKNOWN"):
                unknown("99.1")
