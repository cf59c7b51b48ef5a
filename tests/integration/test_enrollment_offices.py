"""Offices change seats and close what is offered, over their RPCs."""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.enrollment_offices import capacities, closing, listing, opening
from support.enrollment_people import (
    JINJIANG,
    QINGYANG,
    apply_session,
    hold,
    open_enrollment,
    pay,
    payment_code,
    plan,
    plan_submission,
    seats,
    submission,
    until_held,
    until_refunded,
    until_state,
)
from support.enrollment_service import Installation
from support.enrollment_sessions import small_session
from support.service import new_id
from support.service_databases import MakeDatabase
from zikao.enrollment.v1 import enrollment_service_pb2 as enrollment
from zikao.enrollment.v1 import office_audit_service_pb2 as audit
from zikao.enrollment.v1 import office_service_pb2 as pb

SESSION = small_session(seats=2)


@pytest.fixture
async def running(make_database: MakeDatabase, tmp_path: Path) -> AsyncIterator[Installation]:
    """A session with two seats a county and slot, six candidates."""
    async with open_enrollment(make_database, tmp_path, session=SESSION, candidates=6) as found:
        yield found


async def refusal(running: Installation, number: int, request: object) -> tuple[str, Any]:
    """Why candidate `number` is refused, and the detail for people."""
    refused = await (await running.candidate(number)).refused(request)
    return refused.reason, refused.metadata.get("detail")


async def capacity_shown(running: Installation, county: str = JINJIANG) -> dict[int, int]:
    """Seats by slot as GetAvailability has them."""
    portal = await running.caller("portal")
    answer = await portal.call(
        enrollment.GetAvailabilityRequest(session_code="22.1", county_prefix=county)
    )
    return {row.slot: row.capacity for row in answer.seats}


async def audited(running: Installation, **filters: Any) -> list[audit.OfficeAuditEntry]:
    """What auditors are told, the oldest first."""
    request = audit.ListOfficeAuditEntriesRequest(**filters)
    entries = list((await (await running.auditor()).call(request)).entries)
    return entries[::-1]


async def test_seats_rise_and_fall_no_lower_than_what_is_used(running: Installation) -> None:
    """New seats can be had at once; below what is used nothing changes, and it is named."""
    for number in (1, 2):
        await hold(running, number)
    assert (await refusal(running, 3, submission()))[0] == "SOLD_OUT"
    county = await running.officer(JINJIANG)
    more = capacities((JINJIANG, 1, 3), (JINJIANG, 2, 4), prefix=JINJIANG)
    answer = await county.call(more)
    assert answer.action.state == pb.OFFICE_ACTION_STATE_DONE
    assert await county.call(more) == answer
    assert await capacity_shown(running) == {1: 3, 2: 4}
    await hold(running, 3)
    city = await running.officer("5101")
    less = capacities((JINJIANG, 1, 2), (QINGYANG, 1, 1), prefix="5101")
    refused = await city.refused(less)
    assert refused.reason == "SESSION_CHANGE_REFUSED"
    assert refused.metadata["detail"] == "区县510104第1场已用考位3个，不能减至2个"
    assert await capacity_shown(running, QINGYANG) == {1: 2, 2: 2}
    await city.call(capacities((JINJIANG, 2, 3), (QINGYANG, 1, 0), prefix="5101"))
    assert await capacity_shown(running, QINGYANG) == {1: 0, 2: 2}
    assert await apply_session(running, small_session(seats=4), dry_run=True) == [
        "区县510104考位由3/3改为4/4",
        "区县510105考位由0/2改为4/4",
    ]


async def test_every_bad_row_of_a_change_is_named(running: Installation) -> None:
    """Outside of the prefix, unknown, twice: all in one answer, and nothing is changed."""
    city = await running.officer("5101")
    bad = capacities(
        (JINJIANG, 1, 9), (JINJIANG, 1, 8), (JINJIANG, 3, 1), ("510722", 1, 1), prefix="5101"
    )
    refused = await city.refused(bad)
    assert [(each.field, each.description) for each in refused.fields] == [
        ("capacities.seats[1]", "区县510104第1场重复"),
        ("capacities.seats[2]", "本次考试没有区县510104第3场"),
        ("capacities.seats[3]", "区县510722第1场不在所填区域内"),
    ]
    unknown = capacities((JINJIANG, 1, 9))
    unknown.session_code = "99.1"
    province = await running.officer("51")
    assert (await province.refused(unknown)).reason == "SESSION_UNKNOWN"
    assert await capacity_shown(running) == {1: 2, 2: 2}
    assert await audited(running, county_prefix="5101") == []


async def test_a_closed_county_takes_nobody_new(running: Installation) -> None:
    """With its reason; what is held there stays and can be paid; the next liked county counts."""
    order = await hold(running, 1)
    code = await payment_code(running, 1, order)
    saved = plan(counties=(JINJIANG, QINGYANG))
    await (await running.candidate(2)).call(saved)
    county = await running.officer(JINJIANG)
    await county.call(closing(JINJIANG))
    assert await refusal(running, 3, submission()) == ("COUNTY_UNAVAILABLE", "考点维修")
    refused = await (await running.candidate(3)).refused(plan(counties=(QINGYANG, JINJIANG)))
    assert [each.description for each in refused.fields] == ["报考区县510104不接受报考：考点维修"]
    moved = await (await running.candidate(2)).call(plan_submission())
    assert moved.order.county_code == QINGYANG
    await pay(running, code)
    await until_state(running, 1, "CONFIRMED")
    timetable = await (await running.caller("portal")).call(
        enrollment.GetTimetableRequest(session_code="22.1")
    )
    assert [(each.county_prefix, each.course_code) for each in timetable.closings] == [
        (JINJIANG, "")
    ]
    await county.call(opening(JINJIANG))
    await hold(running, 3)


async def test_a_course_is_closed_here_or_everywhere(running: Installation) -> None:
    """In one county the others still have it; in the province it is nowhere to be had."""
    county, province = await running.officer(JINJIANG), await running.officer("51")
    await county.call(closing(JINJIANG, "00001"))
    assert await refusal(running, 1, submission()) == ("COURSE_UNAVAILABLE", "考点维修")
    both = submission(counties=(JINJIANG, QINGYANG))
    assert (await (await running.candidate(1)).call(both)).order.county_code == QINGYANG
    await hold(running, 2, courses=("00003",))
    await province.call(closing("51", "00003", reason="教材调整"))
    assert await refusal(running, 3, submission(("00003",), (QINGYANG,))) == (
        "COURSE_UNAVAILABLE",
        "教材调整",
    )
    await province.call(closing("51", "00003", reason="教材更换"))
    assert (await refusal(running, 3, submission(("00003",))))[1] == "教材更换"
    refused = await county.refused(opening(JINJIANG, "00003"))
    assert [each.description for each in refused.fields] == ["课程00003没有在该区域关闭"]
    bad = await province.refused(closing("5107", "99999"))
    assert [each.field for each in bad.fields] == ["county_prefix", "course_code"]
    personal = await province.refused(closing("51", reason="请联系13800000000"))
    assert [each.field for each in personal.fields] == ["reason"]


async def test_a_late_payment_gets_no_seat_where_it_is_closed(running: Installation) -> None:
    """The order was released, the county closed: the money goes back."""
    order = await hold(running, 1)
    code = await payment_code(running, 1, order)
    await running.move_clock(running.now() + SESSION.hold)
    await until_state(running, 1, "RELEASED")
    await (await running.officer("51")).call(closing("51", "00003"))
    await pay(running, code, after_close=True)
    await until_refunded(running, 1, order.fee_fen)
    rows = await running.rows("SELECT flag FROM enrollment.payment")
    assert [row["flag"] for row in rows] == ["late"]
    assert await seats(running) == {(0, 0)}


async def test_what_was_done_is_listed_and_audited(running: Installation) -> None:
    """Who, when, before and after, by area and page by page; nobody changes an entry."""
    officer = new_id()
    county = await running.officer(JINJIANG, officer)
    await county.call(capacities((JINJIANG, 1, 5), (JINJIANG, 2, 2), prefix=JINJIANG))
    await county.call(closing(JINJIANG, "00001"))
    await (await running.officer(QINGYANG)).call(closing(QINGYANG))
    await county.call(opening(JINJIANG, "00001"))
    entries = await audited(running, county_prefix="510104")
    assert [(each.actor, each.role, each.action) for each in entries] == [
        (officer, "county_officer", name)
        for name in ("change_capacities", "close_enrollment", "open_enrollment")
    ]
    assert json.loads(entries[0].before_json) == {"510104:1": 2}
    assert json.loads(entries[0].after_json)["510104:1"] == 5
    assert json.loads(entries[1].after_json)["reason"] == "考点维修"
    first = await (await running.auditor()).call(
        audit.ListOfficeAuditEntriesRequest(page_size=3, session_code="22.1")
    )
    assert len(first.entries) == 3
    rest = await audited(running, page_token=first.next_page_token)
    assert [each.action for each in rest] == ["apply_session", "change_capacities"]
    assert (rest[0].actor, rest[0].county_prefix) == ("operator", "51")
    assert rest[1] == entries[0]
    by_officer = await audited(running, actor=officer, action="close_enrollment")
    assert by_officer == [entries[1]]
    too_long = audit.ListOfficeAuditEntriesRequest(page_size=101)
    bad = await (await running.auditor()).refused(too_long)
    assert [each.field for each in bad.fields] == ["page_size"]
    foreign = await running.auditor("5107")
    wrong = audit.ListOfficeAuditEntriesRequest(county_prefix=JINJIANG)
    assert (await foreign.refused(wrong)).reason == "OUT_OF_SCOPE"
    shown = (await county.call(listing(JINJIANG, page_size=2))).actions
    assert [each.act.WhichOneof("act") for each in shown] == ["open_enrollment", "close_enrollment"]
    with pytest.raises(Exception, match="append-only"):
        await running.rows("DELETE FROM enrollment.office_audit")


async def test_applying_the_file_keeps_what_is_closed(running: Installation) -> None:
    """Closings are no part of the file: applying it opens nothing."""
    await (await running.officer(JINJIANG)).call(closing(JINJIANG))
    assert await apply_session(running, replace(SESSION, name="2022年4月（一）"))
    assert (await refusal(running, 1, submission()))[0] == "COUNTY_UNAVAILABLE"


async def test_every_process_obeys_at_once(running: Installation) -> None:
    """What one process has answered binds the other's next submission; new seats are soon seen."""
    for number in (1, 2):
        await hold(running, number)
    async with AsyncExitStack() as stack:
        other = Installation(running.dsn, running.folder, stack)
        stack.push_async_callback(other.enrollment.stop)
        other.enrollment.start()
        await other.until_serving(other.enrollment)
        assert (await refusal(other, 3, submission()))[0] == "SOLD_OUT"
        here, there = await running.officer("51"), await other.officer("51")
        await here.call(capacities((JINJIANG, 1, 3), (JINJIANG, 2, 3)))
        assert (await until_held(other, 3)).county_code == JINJIANG
        await here.call(closing(QINGYANG))
        assert await refusal(other, 4, submission(counties=(QINGYANG,))) == (
            "COUNTY_UNAVAILABLE",
            "考点维修",
        )
        await there.call(opening(QINGYANG))
        await hold(running, 4, counties=(QINGYANG,))
        refused = await there.refused(capacities((JINJIANG, 1, 2)))
        assert refused.reason == "SESSION_CHANGE_REFUSED"
