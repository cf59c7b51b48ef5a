"""Every way to seats refuses alike: a call, the plan, and both of them over a portal's stream."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest
from support.enrollment_database import candidate
from support.enrollment_money_rows import insert_refused_refund
from support.enrollment_offices import again, capacities, closing, opening
from support.enrollment_people import (
    JINJIANG,
    NOON,
    QINGYANG,
    apply_session,
    change,
    hold,
    of_standing,
    open_enrollment,
    plan,
    plan_submission,
    save_candidates,
    submission,
)
from support.enrollment_portals import PortalStream, for_candidate, portal_stream, reasons
from support.enrollment_service import Installation, installation
from support.enrollment_sessions import CLOSES_AT, small_session
from support.service import new_id
from support.service_databases import MakeDatabase
from zikao.enrollment.v1 import enrollment_service_pb2 as enrollment
from zikao_enrollment.domain.choices import Choice, Plan
from zikao_enrollment.domain.orders import Candidate
from zikao_enrollment.domain.timetable import Policies, Session, Track
from zikao_enrollment.names import PACKAGE
from zikao_enrollment.store import Store
from zikao_kit.config import DatabaseConfig
from zikao_kit.db import Database
from zikao_kit.office_actions import MAX_PENDING
from zikao_kit.queries import Queries

CANDIDATES = 12
ONE, OTHER = ("00001",), ("00003",)
STRANGE_COURSE, STRANGE_COUNTY = ("99999",), ("519999",)
# Candidate, courses, counties.
Wish = tuple[int, tuple[str, ...], tuple[str, ...]]
WISHES: dict[str, Wish] = {
    "NOT_ELIGIBLE": (1, ONE, (JINJIANG,)),
    "TRACK_NOT_OFFERED": (2, ONE, (JINJIANG,)),
    "COURSE_UNAVAILABLE": (3, STRANGE_COURSE, (JINJIANG,)),
    "SLOT_CONFLICT": (4, ("00001", "00002"), (JINJIANG,)),
    "COUNTY_UNAVAILABLE": (5, ONE, STRANGE_COUNTY),
    "SOLD_OUT": (6, ONE, (QINGYANG,)),
    "ALREADY_ENROLLED": (7, ONE, (JINJIANG,)),
    "TOO_MANY_COURSES": (8, OTHER, (JINJIANG,)),
}
ENROLLED = (7, 8)


def session_of(seats: int = 10, **changes: object) -> Session:
    """No seats in Qingyang."""
    session = small_session(seats)
    counties = tuple(
        replace(each, seats=(0, 0)) if each.code == QINGYANG else each for each in session.counties
    )
    return replace(session, counties=counties, **changes)  # type: ignore[arg-type]


def of_applied_track(number: int) -> Candidate:
    """A candidate of the track that has no window."""
    return candidate(number)._replace(track=Track.APPLIED)


@pytest.fixture
async def running(make_database: MakeDatabase, tmp_path: Path) -> AsyncIterator[Installation]:
    """One county with seats."""
    async with open_enrollment(
        make_database, tmp_path, session=session_of(), candidates=CANDIDATES
    ) as found:
        yield found


async def store_plan(running: Installation, wish: Wish) -> None:
    """A plan that was sound when it was saved."""
    number, courses, counties = wish
    config = DatabaseConfig(dsn=running.dsn)
    async with (
        await Database.connect(config, Queries.load(PACKAGE)) as db,
        db.transaction() as tx,
    ):
        saved = Plan(Choice(courses, counties), may_move=False)
        await Store(tx).candidates.save_plan("22.1", UUID(int=number), saved, NOON)


async def refused(running: Installation, stream: PortalStream, wish: Wish) -> list[str]:
    """Why each of the four ways is none."""
    await store_plan(running, wish)
    number, courses, counties = wish
    person = await running.candidate(number)
    both = submission(courses, counties), plan_submission()
    told = [(await person.refused(request)).reason for request in both]
    both = submission(courses, counties), plan_submission()
    results = await stream.ask(*(for_candidate(running, number, request) for request in both))
    return told + reasons(results)


async def test_all_ways_to_seats_refuse_for_the_same_reason(running: Installation) -> None:
    """Whatever is wrong with the candidate, the choice, the seats, or the time."""
    for number in ENROLLED:
        await hold(running, number, ONE)
    await save_candidates(running.dsn, [of_standing(1, "graduated"), of_applied_track(2)])
    async with portal_stream(running) as stream:
        for reason, wish in WISHES.items():
            if reason == "TOO_MANY_COURSES":
                await apply_session(running, session_of(max_courses=1))
            assert await refused(running, stream, wish) == [reason] * 4
        only_once = session_of(policies=Policies(single_submission=True))
        await apply_session(running, only_once)
        assert (
            await refused(running, stream, (8, OTHER, (JINJIANG,))) == ["SUBMISSION_ONLY_ONCE"] * 4
        )
        await _nothing_is_there(running, stream)
        await running.move_clock(CLOSES_AT)
        assert await refused(running, stream, (9, ONE, (JINJIANG,))) == ["ENROLLMENT_CLOSED"] * 4


async def _nothing_is_there(running: Installation, stream: PortalStream) -> None:
    """No plan, no such session."""
    person = await running.candidate(10)
    assert (await person.refused(plan_submission())).reason == "PLAN_MISSING"
    told = await stream.ask(for_candidate(running, 10, plan_submission()))
    assert reasons(told) == ["PLAN_MISSING"]
    elsewhere = (
        submission(session_code="99.1"),
        enrollment.SubmitPlanRequest(request_id=new_id(), session_code="99.1"),
    )
    for request in elsewhere:
        assert (await person.refused(request)).reason == "SESSION_UNKNOWN"
        told = await stream.ask(for_candidate(running, 10, request))
        assert reasons(told) == ["SESSION_UNKNOWN"]


async def test_who_may_not_enroll_plans_and_changes_nothing(running: Installation) -> None:
    """A plan and a change are refused as seats are: who was let in before may be nobody now."""
    orders = {number: await hold(running, number, ONE) for number in (1, 2)}
    await save_candidates(running.dsn, [of_standing(1, "graduated"), of_applied_track(2)])
    for number, reason in ((1, "NOT_ELIGIBLE"), (2, "TRACK_NOT_OFFERED")):
        person = await running.candidate(number)
        for request in (plan(ONE), change(orders[number], OTHER)):
            assert (await person.refused(request)).reason == reason
    person = await running.candidate(3)
    unknown = plan()
    unknown.session_code = "99.1"
    assert (await person.refused(unknown)).reason == "SESSION_UNKNOWN"


async def test_an_officers_pending_acts_are_counted_whatever_they_are(
    running: Installation,
) -> None:
    """One more of any kind is refused, whichever kind the others are of."""
    await apply_session(running, session_of(policies=Policies(dual_control=True)))
    order = await hold(running, 1)
    refund_id = await insert_refused_refund(running.dsn, order.order_id, running.now())
    officer = await running.officer(JINJIANG)
    await officer.call(closing(JINJIANG))
    await running.rows(
        "INSERT INTO enrollment.office_action (action_id, session_code, county_prefix, act, state,"
        " proposed_by, proposed_at, expires_at) SELECT gen_random_uuid(), session_code,"
        " county_prefix, act, state, proposed_by, proposed_at, expires_at"
        " FROM enrollment.office_action, generate_series(2, $1)",
        MAX_PENDING,
    )
    assert (await officer.refused(again(refund_id))).reason == "TOO_MANY_PENDING_ACTIONS"
    for request in (
        capacities((JINJIANG, 1, 9), prefix=JINJIANG),
        closing(JINJIANG),
        opening(JINJIANG),
    ):
        assert (await officer.refused(request)).reason == "TOO_MANY_PENDING_ACTIONS"
        request.session_code = "99.1"
        assert (await officer.refused(request)).reason == "SESSION_UNKNOWN"


async def test_without_a_session_no_refund_is_asked_for_again(
    make_database: MakeDatabase, tmp_path: Path
) -> None:
    """Money of no order came before the first session: whose rules hold, nobody can say."""
    async with installation(await make_database("enrollment"), tmp_path, NOON) as running:
        refund_id = await insert_refused_refund(running.dsn, None, NOON)
        province = await running.officer("51")
        assert (await province.refused(again(refund_id))).reason == "SESSION_UNKNOWN"
