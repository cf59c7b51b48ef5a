"""What changes when a session is applied again, in sentences, and what may not."""

from dataclasses import replace
from datetime import timedelta

import pytest
from support.enrollment_sessions import CLOSES_AT, OPENS_AT, small_session
from zikao_enrollment.domain.allocation import SeatKey
from zikao_enrollment.domain.board import SeatCount
from zikao_enrollment.domain.session_changes import (
    MAX_NAMED,
    changes_between,
    require_harmless,
)
from zikao_enrollment.domain.timetable import (
    County,
    Course,
    Policies,
    Session,
    Track,
    WaitingRoom,
    Window,
)
from zikao_kit.errors import DomainError

BEFORE = small_session(seats=2)
LATER = CLOSES_AT + timedelta(hours=1)
ROOM = WaitingRoom(timedelta(minutes=30), timedelta(minutes=10), 800, timedelta(minutes=1))
EVENING = BEFORE.slots[1].ends_at + timedelta(hours=1)


def with_course(course: Course) -> Session:
    """The session with one course more or another."""
    others = tuple(each for each in BEFORE.courses if each.code != course.code)
    return replace(BEFORE, courses=(*others, course))


def with_county(county: County) -> Session:
    """The session with one county more or another."""
    others = tuple(each for each in BEFORE.counties if each.code != county.code)
    return replace(BEFORE, counties=(*others, county))


@pytest.mark.parametrize(
    ("after", "sentence"),
    [
        (replace(BEFORE, name="2022年四月"), "考次名称由2022年4月改为2022年四月"),
        (replace(BEFORE, max_courses=4), "最多报考门数由2改为4"),
        (replace(BEFORE, policies=Policies(single_submission=True)), "一次报考由否改为是"),
        (replace(BEFORE, policies=Policies(dual_control=True)), "双人复核由否改为是"),
        (replace(BEFORE, hold=timedelta(minutes=15)), "占位时长（分钟）由30改为15"),
        (replace(BEFORE, hold=timedelta(minutes=30.001)), "占位时长（分钟）由30改为30.001"),
        (
            replace(BEFORE, windows=(Window(Track.SOCIAL, OPENS_AT, LATER),)),
            "面向社会开考专业报考时段由2022-02-28T01:00:00+00:00至2022-03-02T09:00:00+00:00"
            "改为2022-02-28T01:00:00+00:00至2022-03-02T10:00:00+00:00",
        ),
        (
            replace(BEFORE, windows=(*BEFORE.windows, Window(Track.APPLIED, OPENS_AT, LATER))),
            "新增应用型专业报考时段（2022-02-28T01:00:00+00:00至2022-03-02T10:00:00+00:00）",
        ),
        (
            replace(BEFORE, windows=(replace(BEFORE.windows[0], waiting_room=ROOM),)),
            "面向社会开考专业候场室由不设改为提前30分钟开放、通行证10分钟有效、"
            "每秒至多放行800人、空闲1分钟后撤除",
        ),
        (
            replace(BEFORE, windows=()),
            "取消面向社会开考专业报考时段（2022-02-28T01:00:00+00:00至2022-03-02T09:00:00+00:00）",
        ),
        (
            replace(BEFORE, slots=(BEFORE.slots[0], replace(BEFORE.slots[1], ends_at=EVENING))),
            "第2场时间由2022-04-16T13:00:00+00:00至2022-04-16T15:00:00+00:00"
            "改为2022-04-16T13:00:00+00:00至2022-04-16T16:00:00+00:00",
        ),
        (
            with_course(Course("00009", "普通物理", 1, frozenset(Track))),
            "新增课程00009普通物理",
        ),
        (
            with_course(Course("00001", "大学语文", 2, frozenset(Track))),
            "课程00001场次由1改为2",
        ),
        (
            with_course(Course("00001", "语文", 1, frozenset(Track))),
            "课程00001名称由大学语文改为语文",
        ),
        (
            with_course(Course("00001", "大学语文", 1, frozenset({Track.APPLIED}))),
            "课程00001专业类别由面向社会开考专业、应用型专业改为应用型专业",
        ),
        (with_county(County("510107", "武侯区", (1, 1))), "新增区县510107武侯区"),
        (with_county(County("510104", "锦江区", (2, 3))), "区县510104考位由2/2改为2/3"),
        (with_county(County("510104", "锦江", (2, 2))), "区县510104名称由锦江区改为锦江"),
    ],
)
def test_a_change_is_one_sentence(after: Session, sentence: str) -> None:
    """Each kind of change is named, with what it was and will be."""
    assert changes_between(BEFORE, after) == [sentence]


def test_what_goes_is_named() -> None:
    """Taking a course and a county away says so; the same session says nothing."""
    poorer = replace(
        BEFORE,
        slots=BEFORE.slots[:1],
        courses=BEFORE.courses[1:],
        counties=(County("510104", "锦江区", (2,)),),
    )
    assert changes_between(BEFORE, poorer) == [
        "取消第2场（2022-04-16T13:00:00+00:00至2022-04-16T15:00:00+00:00）",
        "取消课程00001大学语文",
        "区县510104考位由2/2改为2",
        "取消区县510105青羊区",
    ]
    assert changes_between(BEFORE, BEFORE) == []


def test_the_order_of_a_file_means_nothing_but_seats_follow_their_slots() -> None:
    """Lines in another order change nothing; slots in another order move the seats."""
    before = with_county(County("510104", "锦江区", (2, 3)))
    turned = replace(before, slots=before.slots[::-1], courses=before.courses[::-1])
    swapped = replace(
        turned, counties=tuple(replace(each, seats=each.seats[::-1]) for each in turned.counties)
    )
    assert changes_between(before, swapped) == []
    assert changes_between(before, turned) == ["区县510104考位由2/3改为3/2"]


def test_a_new_session_is_one_sentence() -> None:
    """The first apply counts what there is."""
    assert changes_between(None, BEFORE) == ["新增考次22.1：场次2个、课程4门、区县2个、考位8个"]


def test_what_is_used_must_stay() -> None:
    """Seats and courses in use are named one by one, up to a number, and then counted."""
    seats = {SeatKey("510104", slot): SeatCount(9, 1, 2) for slot in (1, 2)}
    seats[SeatKey("510107", 1)] = SeatCount(9, 0, 1)
    uses = {("00001", 1), ("00002", 2), ("00009", 1), ("00003", 2)}
    with pytest.raises(DomainError) as refused:
        require_harmless(BEFORE, seats, uses)
    assert refused.value.reason == "SESSION_CHANGE_REFUSED"
    assert refused.value.metadata["detail"] == (
        "区县510104第1场已用考位3个，不能减至2个；区县510104第2场已用考位3个，不能减至2个；"
        "区县510107第1场已用考位1个，不能减至0个；课程00002已有考生报考，不能由第2场改为第1场；"
        "课程00009已有考生报考，不能取消"
    )
    assert MAX_NAMED == 5
    with pytest.raises(DomainError) as refused:
        require_harmless(BEFORE, seats, {*uses, ("00008", 1)})
    assert refused.value.metadata["detail"].endswith("等共6项")


def test_what_nobody_uses_may_go() -> None:
    """A ledger row without use, and exactly as many seats as are used, are no loss."""
    seats = {SeatKey("510104", 1): SeatCount(9, 1, 1), SeatKey("510107", 1): SeatCount(9, 0, 0)}
    require_harmless(BEFORE, seats, {("00001", 1)})
