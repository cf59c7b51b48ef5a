"""Applying a session, over its RPC and against those who take seats meanwhile."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from support.clocks import FixedClock
from support.enrollment_database import NOW, enrollment_database, until_somebody_waits
from support.enrollment_people import (
    JINJIANG,
    application,
    apply_session,
    hold,
    open_enrollment,
    submission,
)
from support.enrollment_seating import seat
from support.enrollment_service import Installation
from support.enrollment_sessions import FEE_FEN, small_session
from support.service import new_id
from support.service_databases import MakeDatabase
from zikao.enrollment.v1 import enrollment_service_pb2 as enrollment
from zikao_enrollment.commands.apply_session import apply_session as apply_command
from zikao_enrollment.domain.board import SeatCount
from zikao_enrollment.domain.choices import Choice
from zikao_enrollment.domain.orders import Order
from zikao_enrollment.domain.timetable import Session
from zikao_enrollment.domain.wishes import Submission
from zikao_enrollment.store import Store
from zikao_enrollment.stores.sessions import SessionStore
from zikao_enrollment.views.boards import Boards

SESSION = small_session(seats=2)


@pytest.fixture
async def running(make_database: MakeDatabase, tmp_path: Path) -> AsyncIterator[Installation]:
    """A session with two seats a county and slot, three candidates."""
    async with open_enrollment(make_database, tmp_path, session=SESSION) as found:
        yield found


def without_course(session: Session, code: str) -> Session:
    """The session, one course poorer."""
    return replace(session, courses=tuple(each for each in session.courses if each.code != code))


async def test_applying_twice_changes_nothing(running: Installation) -> None:
    """The second time nothing is different, and a dry run says what would be and does nothing."""
    assert await apply_session(running, SESSION) == []
    dearer = replace(SESSION, fee_fen=FEE_FEN + 100)
    would_be = await apply_session(running, dearer, dry_run=True)
    assert would_be == ["每门课程考试费（分）由3500改为3600"]
    assert (await hold(running, 1)).fee_fen == 2 * FEE_FEN
    assert await apply_session(running, dearer) == would_be
    assert (await hold(running, 2)).fee_fen == 2 * (FEE_FEN + 100)


async def test_a_repeated_apply_is_answered_as_before(running: Installation) -> None:
    """The same request id gets the first answer; with another body it is refused."""
    operator = await running.operator()
    request = application(small_session(seats=3))
    first = await operator.call(request)
    assert first.changes
    assert await operator.call(request) == first
    request.dry_run = True
    assert (await operator.refused(request)).reason == "REQUEST_ID_REUSED"


async def test_capacities_rise_and_fall_no_lower_than_what_is_used(running: Installation) -> None:
    """More seats can be taken at once; fewer than used are refused, naming county and slot."""
    for number in (1, 2):
        await hold(running, number)
    third = await running.candidate(3)
    assert (await third.refused(submission())).reason == "SOLD_OUT"
    await apply_session(running, small_session(seats=3))
    await third.call(submission())
    refused = await (await running.operator()).refused(application(SESSION))
    assert refused.reason == "SESSION_CHANGE_REFUSED"
    assert refused.metadata["detail"] == (
        "区县510104第1场已用考位3个，不能减至2个；区县510104第2场已用考位3个，不能减至2个"
    )
    assert await apply_session(running, small_session(seats=4))


async def test_what_candidates_sit_cannot_be_taken_away(running: Installation) -> None:
    """A course with sittings stays, and so does a county; one without may go."""
    await hold(running, 1, courses=("00001",))
    operator = await running.operator()
    refused = await operator.refused(application(without_course(SESSION, "00001")))
    assert refused.metadata["detail"] == "课程00001已有考生报考，不能取消"
    assert await apply_session(running, without_course(SESSION, "00003")) == [
        "取消课程00003英语（二）"
    ]
    others = tuple(county for county in SESSION.counties if county.code != JINJIANG)
    refused = await operator.refused(application(replace(SESSION, counties=others)))
    assert refused.reason == "SESSION_CHANGE_REFUSED"
    assert JINJIANG in refused.metadata["detail"]


async def test_a_session_that_contradicts_itself_changes_nothing(running: Installation) -> None:
    """Every contradiction is named in one answer; what is there twice is one, too."""
    slots = (SESSION.slots[0], replace(SESSION.slots[1], number=1))
    bad = replace(
        SESSION,
        slots=slots,
        courses=(*SESSION.courses[:2], SESSION.courses[0]),
        windows=SESSION.windows * 2,
        counties=(*SESSION.counties, SESSION.counties[0]),
    )
    refused = await (await running.operator()).refused(application(bad))
    assert refused.reason == "INVALID_REQUEST"
    assert [problem.description for problem in refused.fields] == [
        "第1场重复",
        "课程00001重复",
        "面向社会开考专业报考时段重复",
        "区县510104重复",
    ]
    assert await apply_session(running, SESSION) == []


async def test_what_no_ticket_could_hold_is_refused(running: Installation) -> None:
    """A code that is not ASCII, too many courses, no fee: each is named by its field."""
    bad = replace(SESSION, code="22年1次", max_courses=9, fee_fen=0)
    refused = await (await running.operator()).refused(application(bad))
    assert refused.reason == "INVALID_REQUEST"
    assert {problem.field for problem in refused.fields} == {
        "session.code",
        "session.max_courses",
        "session.fee_fen",
    }


async def test_only_the_operator_applies(running: Installation) -> None:
    """A candidate's token and another service's certificate are both refused."""
    for caller in (await running.candidate(1), await running.caller("tickets")):
        assert (await caller.refused(application(SESSION))).reason == "PERMISSION_DENIED"


async def test_the_timetable_is_what_was_applied(running: Installation) -> None:
    """Slots, courses by code, windows, fee and limit; an unknown session is SESSION_UNKNOWN."""
    portal = await running.caller("portal")
    timetable = await portal.call(enrollment.GetTimetableRequest(session_code="22.1"))
    assert [slot.number for slot in timetable.slots] == [1, 2]
    assert [course.code for course in timetable.courses] == sorted(SESSION.course_by_code)
    assert (timetable.fee_fen, timetable.max_courses) == (FEE_FEN, 2)
    assert len(timetable.windows) == 1
    unknown = await portal.refused(enrollment.GetTimetableRequest(session_code="99.1"))
    assert (unknown.reason, unknown.metadata["session_code"]) == ("SESSION_UNKNOWN", "99.1")
    candidate = await running.candidate(1)
    asked = await candidate.refused(submission(request_id=new_id(), session_code="99.1"))
    assert asked.reason == "SESSION_UNKNOWN"


async def test_apply_and_submit_do_not_wait_for_each_other(make_database: MakeDatabase) -> None:
    """Whoever has the seats can store orders while an apply waits for these seats."""
    async with enrollment_database(make_database, SESSION, 1) as db:

        async def apply() -> list[str]:
            async with db.transaction() as tx:
                more = small_session(seats=3)
                return await apply_command(SessionStore(tx), more, dry_run=False, now=NOW)

        async with db.transaction() as tx:
            store = Store(tx)
            who = UUID(int=1)
            wanted = Submission(uuid4(), who, Choice(("00001",), (JINJIANG,)))
            candidates = await store.candidates.lock([who])
            await SessionStore(tx).lock_ledger(SESSION.code)
            applying = asyncio.create_task(apply())
            await until_somebody_waits(db)
            (order,) = await seat(store, SESSION, candidates, [wanted], NOW)
            assert isinstance(order, Order)
        assert len(await applying) == 2


async def test_two_first_applies_leave_one_session(make_database: MakeDatabase) -> None:
    """Two different files at once: the ledger is that of the one applied last, all of it."""
    async with enrollment_database(make_database, replace(SESSION, code="21.2"), 0) as db:
        files = [SESSION, replace(SESSION, counties=SESSION.counties[:1])]

        async def apply(session: Session) -> None:
            async with db.transaction() as tx:
                await apply_command(SessionStore(tx), session, dry_run=False, now=NOW)

        await asyncio.gather(*map(apply, files))
        boards = Boards(db, FixedClock(NOW))
        await boards.refresh()
        applied, version = boards.current.require("22.1")
        assert version == 2
        assert boards.current.seats["22.1"] == {
            key: SeatCount(seats, 0, 0) for key, seats in applied.capacities().items()
        }
