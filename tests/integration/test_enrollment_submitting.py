"""Taking seats over mutual TLS: who may, what is refused and how it is said."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import grpc
import pytest
from support.enrollment_people import (
    JINJIANG,
    QINGYANG,
    apply_session,
    candidate_id,
    hold,
    of_standing,
    open_enrollment,
    orders,
    pay,
    payment_code,
    plan,
    plan_submission,
    save_candidates,
    seats,
    submission,
    until_state,
)
from support.enrollment_service import Installation
from support.enrollment_sessions import CLOSES_AT, FEE_FEN, OPENS_AT, small_session
from support.service import Caller, until
from support.service_databases import MakeDatabase
from zikao.enrollment.v1 import enrollment_service_pb2 as enrollment
from zikao_enrollment.domain.timetable import Policies, Track, Window
from zikao_kit.convert import time_from_pb
from zikao_kit.error_table import problem_of, reason_of, sentence_of
from zikao_kit.errors import DomainError

SEATS = 2
MOMENT = timedelta(milliseconds=500)


@pytest.fixture
async def running(make_database: MakeDatabase, tmp_path: Path) -> AsyncIterator[Installation]:
    """A session with two seats a county and slot, six candidates, registration away."""
    async with open_enrollment(
        make_database, tmp_path, session=small_session(SEATS), candidates=6
    ) as found:
        yield found


async def refusal(running: Installation, number: int, request: object) -> DomainError:
    """What candidate `number` is told."""
    return await (await running.candidate(number)).refused(request)


async def test_a_plan_is_refused_with_every_problem(running: Installation) -> None:
    """Too many courses, unknown ones, a conflict, an unknown county: all in one answer."""
    bad = plan(("00001", "00002", "99999"), (JINJIANG, "990000"))
    refused = await refusal(running, 1, bad)
    assert refused.reason == "INVALID_REQUEST"
    assert [(problem.field, problem.description) for problem in refused.fields] == [
        ("choice.course_codes", "每次最多报考2门课程"),
        ("choice.course_codes", "课程99999本次不开考"),
        ("choice.course_codes", "课程00001、00002考试时间冲突"),
        ("choice.county_codes", "报考区县990000不接受报考"),
    ]


async def test_a_plan_is_refused_with_all_that_is_wrong_with_candidate_window_and_choice(
    running: Installation,
) -> None:
    """Standing, window, slots, limit and what one has in one answer; the reason is the first's."""
    bad = plan(("00001", "00002", "99999"), (JINJIANG, "990000"))
    of_choice = [problem.description for problem in (await refusal(running, 1, bad)).fields]
    order = await hold(running, 1, ("00003",), (QINGYANG,))
    await pay(running, await payment_code(running, 1, order))
    await until_state(running, 1, "CONFIRMED")
    of_addition = [problem.description for problem in (await refusal(running, 1, bad)).fields]
    assert of_addition == [*of_choice, f"您已在青羊区（{QINGYANG}）报考，加报只能在该区县"]
    applied = of_standing(2, "blocked", "证件照不合格")._replace(track=Track.APPLIED)
    await save_candidates(running.dsn, [of_standing(1, "graduated"), applied])
    await running.move_clock(CLOSES_AT)
    closed = "课程报考时间为2022年2月28日09:00至2022年3月2日17:00"
    no_track = "本次考试不接受应用型专业考生报考"
    for number, reason, of_session, of_rest in (
        (1, "NOT_ELIGIBLE", ["您暂不能报考：已毕业", closed], of_addition),
        (2, "NOT_ELIGIBLE", ["您暂不能报考：证件照不合格", no_track], of_choice),
        (3, "ENROLLMENT_CLOSED", [closed], of_choice),
    ):
        refused = await refusal(running, number, bad)
        assert refused.reason == reason
        assert [each.description for each in refused.fields] == [*of_session, *of_rest]
        assert [each.field for each in refused.fields].count("session_code") == len(of_session)
    assert await running.rows("SELECT * FROM enrollment.plan") == []


async def test_what_keeps_a_candidate_from_plans_is_said_as_for_submissions(
    running: Installation,
) -> None:
    """A single problem of standing, track or window: its violation is the answer's sentence."""
    await save_candidates(running.dsn, [of_standing(1, "graduated")])
    await save_candidates(running.dsn, [of_standing(2, "active")._replace(track=Track.APPLIED)])
    offered = plan(("00004",))
    for number, request in ((1, plan()), (2, offered)):
        await _sentence_is_the_violation(running, number, request)
    await running.move_clock(CLOSES_AT)
    await _sentence_is_the_violation(running, 3, plan())


async def _sentence_is_the_violation(running: Installation, number: int, request: object) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await (await running.candidate(number)).call(request)
    (only,) = problem_of(refused.value).fields
    assert only.description == sentence_of(refused.value)


async def test_a_plan_may_add_courses(running: Installation) -> None:
    """Beside what one has: every problem of county, slots, limit and policy, or it is submitted."""
    await hold(running, 1, courses=("00001",))
    bad = await refusal(running, 1, plan(("00002", "00003"), (QINGYANG,)))
    assert [problem.description for problem in bad.fields] == [
        f"您已在锦江区（{JINJIANG}）报考，加报只能在该区县",
        "课程00002与您第1场已报考的课程冲突",
        "每次最多报考2门课程，您已报考1门",
    ]
    person = await running.candidate(1)
    assert (await person.call(plan(("00003",), (QINGYANG, JINJIANG)))).fee_fen == FEE_FEN
    assert (await person.call(plan_submission())).order.county_code == JINJIANG
    once = replace(small_session(SEATS), policies=Policies(single_submission=True))
    await apply_session(running, once)
    (only,) = (await refusal(running, 1, plan(("00003",)))).fields
    assert only.description == "本次考试只能提交一次报考，不能加报课程"


async def test_a_plan_is_saved_before_the_opening_and_not_after_the_end(
    running: Installation,
) -> None:
    """It may be made at any time before the window ends, and a later one takes its place."""
    person = await running.candidate(1)
    assert (await person.refused(plan_submission())).reason == "PLAN_MISSING"
    await running.move_clock(OPENS_AT - timedelta(days=3))
    person = await running.candidate(1)
    assert (await person.call(plan(("00001",)))).fee_fen == FEE_FEN
    assert (await person.call(plan(counties=(QINGYANG, JINJIANG)))).fee_fen == 2 * FEE_FEN
    assert (await person.refused(plan_submission())).reason == "ENROLLMENT_CLOSED"
    await running.move_clock(OPENS_AT)
    person = await running.candidate(1)
    assert (await person.call(plan_submission())).order.county_code == QINGYANG
    again = await person.refused(plan())
    assert {problem.field for problem in again.fields} == {
        "choice.course_codes",
        "choice.county_codes",
    }
    await running.move_clock(CLOSES_AT)
    assert (await refusal(running, 2, plan())).reason == "ENROLLMENT_CLOSED"


async def test_each_track_has_its_window(running: Installation) -> None:
    """Start inclusive, end exclusive, and the refusal says both times, or that there is none."""
    applied = of_standing(2, "active")._replace(track=Track.APPLIED)
    await save_candidates(running.dsn, [applied])
    for request in (submission(), plan()):
        refused = await refusal(running, 2, request)
        assert (refused.reason, refused.metadata) == ("TRACK_NOT_OFFERED", {"track": "应用型专业"})
    opens, closes = CLOSES_AT, CLOSES_AT + timedelta(days=1)
    windows = (
        Window(Track.SOCIAL, OPENS_AT, CLOSES_AT),
        Window(Track.APPLIED, opens, closes),
    )
    await apply_session(running, replace(small_session(SEATS), windows=windows))
    refused = await refusal(running, 2, submission())
    assert (refused.reason, refused.metadata) == (
        "ENROLLMENT_CLOSED",
        {"opens_at": opens.isoformat(), "closes_at": closes.isoformat()},
    )
    await running.move_clock(CLOSES_AT - MOMENT)
    await hold(running, 1)
    await running.move_clock(CLOSES_AT)
    assert (await refusal(running, 3, submission())).reason == "ENROLLMENT_CLOSED"
    await hold(running, 2, courses=("00004",))


async def test_only_active_candidates_enroll(running: Installation) -> None:
    """Every other standing is refused with its reason, plan and submission alike."""
    for standing, reason, detail in (
        ("graduated", "", "已毕业"),
        ("transferred_out", "", "已转出"),
        ("transfer_requested", "", "转考申请办理中"),
        ("blocked", "证件照不合格", "证件照不合格"),
    ):
        await save_candidates(running.dsn, [of_standing(1, standing, reason)])
        for request in (submission(), plan(), plan_submission()):
            refused = await refusal(running, 1, request)
            assert (refused.reason, refused.metadata["detail"]) == ("NOT_ELIGIBLE", detail)


async def test_what_cannot_be_taken_is_said(running: Installation) -> None:
    """Each rule of a choice has its reason, and nothing is taken."""
    for courses, counties, reason in (
        (("00001", "00002"), (JINJIANG,), "SLOT_CONFLICT"),
        (("00001", "00003", "00002"), (JINJIANG,), "TOO_MANY_COURSES"),
        (("00004",), (JINJIANG,), "COURSE_UNAVAILABLE"),
        (("00001",), ("990000",), "COUNTY_UNAVAILABLE"),
        ((), (JINJIANG,), "INVALID_REQUEST"),
        (("00001",), (), "INVALID_REQUEST"),
        (("00001", "00001"), (JINJIANG,), "INVALID_REQUEST"),
    ):
        assert (await refusal(running, 1, submission(courses, counties))).reason == reason
    assert await seats(running) == {(0, 0)}


async def test_sold_out_names_the_full_slots_of_each_county(running: Installation) -> None:
    """All or nothing: one full slot refuses, and the second county of a choice is taken."""
    for number in (1, 2):
        await hold(running, number, courses=("00001",))
    assert (await hold(running, 3, counties=(JINJIANG, QINGYANG))).county_code == QINGYANG
    await hold(running, 4, courses=("00003",), counties=(QINGYANG,))
    person = await running.candidate(5)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await person.call(submission(counties=(QINGYANG, JINJIANG)))
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert problem_of(caught.value).metadata["full"] == "510105:2;510104:1"
    assert sentence_of(caught.value) == "所选区县考位已满：青羊区第2场；锦江区第1场"
    assert await seats(running, QINGYANG) == {(1, 0), (2, 0)}
    assert (await hold(running, 5, courses=("00003",))).county_code == JINJIANG


async def test_courses_are_added_in_the_same_county(running: Installation) -> None:
    """Later courses only where the candidate sits, in another slot, up to the limit."""
    await hold(running, 1, courses=("00001",))
    elsewhere = await refusal(running, 1, submission(("00003",), (QINGYANG,)))
    assert (elsewhere.reason, elsewhere.metadata) == (
        "ALREADY_ENROLLED",
        {"county_code": JINJIANG},
    )
    same_slot = await refusal(running, 1, submission(("00002",)))
    assert same_slot.reason == "ALREADY_ENROLLED"
    added = await hold(running, 1, courses=("00003",), counties=(QINGYANG, JINJIANG))
    assert added.county_code == JINJIANG
    assert await seats(running) == {(1, 0)}
    assert [order.fee_fen for order in await orders(running, 1)] == [FEE_FEN, FEE_FEN]


async def test_the_same_request_takes_seats_once(running: Installation) -> None:
    """Twice at once and again later: the first answer; with another body it is refused."""
    person, request = await running.candidate(1), submission()
    first, second = await asyncio.gather(person.call(request), person.call(request))
    assert first == second == await person.call(request)
    assert await seats(running) == {(1, 0)}
    other = submission(("00001",), request_id=request.request_id)
    assert (await person.refused(other)).reason == "REQUEST_ID_REUSED"
    as_plan = enrollment.SubmitPlanRequest(request_id=request.request_id, session_code="22.1")
    assert (await person.refused(as_plan)).reason == "REQUEST_ID_REUSED"
    theirs = await running.candidate(2)
    answer = await theirs.call(request)
    assert answer.order.candidate_id == candidate_id(2)


async def test_sixty_for_thirty_seats(make_database: MakeDatabase, tmp_path: Path) -> None:
    """Sixty candidates at once over the wire: thirty have seats, thirty learn that it is full."""
    async with open_enrollment(
        make_database, tmp_path, session=small_session(seats=30), candidates=60
    ) as running:
        people = [await running.candidate(number) for number in range(1, 61)]
        answers = await asyncio.gather(
            *(person.call(submission()) for person in people), return_exceptions=True
        )
        reasons = Counter(
            reason_of(answer) if isinstance(answer, grpc.aio.AioRpcError) else "held"
            for answer in answers
        )
        assert reasons == {"held": 30, "SOLD_OUT": 30}
        assert await seats(running) == {(30, 0)}


async def test_availability_follows(running: Installation) -> None:
    """What was taken is seen, with the moment of looking and the next release."""
    portal = await running.caller("portal")
    request = enrollment.GetAvailabilityRequest(session_code="22.1", county_prefix="5101")
    before = await portal.call(request)
    assert not before.HasField("next_release_at")
    order = await hold(running, 1)

    async def seen() -> enrollment.GetAvailabilityResponse | None:
        found = await portal.call(request)
        return found if found.HasField("next_release_at") else None

    answer: enrollment.GetAvailabilityResponse = await until(seen)
    counts = [
        (s.county_code, s.slot, s.capacity, s.held, s.confirmed, s.free) for s in answer.seats
    ]
    assert counts == [
        (JINJIANG, 1, SEATS, 1, 0, SEATS - 1),
        (JINJIANG, 2, SEATS, 1, 0, SEATS - 1),
        (QINGYANG, 1, SEATS, 0, 0, SEATS),
        (QINGYANG, 2, SEATS, 0, 0, SEATS),
    ]
    assert time_from_pb(before.as_of) < time_from_pb(answer.as_of) <= running.now()
    assert answer.next_release_at == order.held_until
    for session_code, prefix, reason in (
        ("99.1", "", "SESSION_UNKNOWN"),
        ("22.1", "510", "INVALID_REQUEST"),
    ):
        wrong = enrollment.GetAvailabilityRequest(session_code=session_code, county_prefix=prefix)
        assert (await portal.refused(wrong)).reason == reason


async def test_orders_come_in_pages(running: Installation) -> None:
    """The newest first, page by page, each once; a made-up token is refused."""
    await hold(running, 1, courses=("00001",))
    await hold(running, 1, courses=("00003",))
    await hold(running, 2)
    person = await running.candidate(1)
    first = await person.call(enrollment.ListOrdersRequest(session_code="22.1", page_size=1))
    again = enrollment.ListOrdersRequest(
        session_code="22.1", page_size=1, page_token=first.next_page_token
    )
    second = await person.call(again)
    courses = [page.orders[0].courses[0].course_code for page in (first, second)]
    assert courses == ["00003", "00001"]
    assert second.next_page_token == ""
    assert list(await orders(running, 1)) == [*first.orders, *second.orders]
    bad = enrollment.ListOrdersRequest(session_code="22.1", page_token="garbage")
    assert (await person.refused(bad)).reason == "INVALID_REQUEST"


async def test_who_may_not_call_is_refused(running: Installation) -> None:
    """No deadline, no token, an expired token, an officer's token: each with its reason."""
    person = await running.candidate(1)
    assert (await person.refused(submission(), timeout=None)).reason == "DEADLINE_REQUIRED"

    async def with_token(token: str) -> Caller:
        return await running.caller("portal", token=token)

    expired = running.token(candidate_id(1), age=timedelta(hours=1))
    officer = running.token(candidate_id(1), role="county_officer")
    for token, reason in (
        ("", "TOKEN_INVALID"),
        (expired, "TOKEN_EXPIRED"),
        (officer, "PERMISSION_DENIED"),
    ):
        assert (await (await with_token(token)).refused(submission())).reason == reason
    nameless = submission(request_id="7")
    assert (await person.refused(nameless)).reason == "INVALID_REQUEST"
    assert await seats(running) == {(0, 0)}
