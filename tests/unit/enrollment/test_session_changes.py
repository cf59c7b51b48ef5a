"""What changes when a session is applied again, in sentences, and what may not."""

from dataclasses import replace
from datetime import timedelta

import pytest
from unit.enrollment.sessions import CLOSES_AT, OPENS_AT, small_session
from zikao_enrollment.domain.allocation import SeatKey
from zikao_enrollment.domain.board import SeatCount
from zikao_enrollment.domain.session_changes import (
    MAX_NAMED,
    changes_between,
    require_harmless,
)
from zikao_enrollment.domain.timetable import County, Course, Session, Track, Window
from zikao_kit.errors import DomainError

BEFORE = small_session(seats=2)
LATER = CLOSES_AT + timedelta(hours=1)


def with_course(course: Course) -> Session:
    """The session with one course more or another."""
    return replace(BEFORE, courses={**BEFORE.courses, course.code: course})


def with_county(county: County) -> Session:
    """The session with one county more or another."""
    return replace(BEFORE, counties={**BEFORE.counties, county.code: county})


@pytest.mark.parametrize(
    ("after", "sentence"),
    [
        (replace(BEFORE, name="2022年四月"), "考次名称由2022年4月改为2022年四月"),
        (replace(BEFORE, max_courses=4), "最多报考门数由2改为4"),
        (replace(BEFORE, hold=timedelta(minutes=15)), "占位时长（分钟）由30.0改为15.0"),
        (
            replace(BEFORE, windows={Track.SOCIAL: Window(OPENS_AT, LATER)}),
            "报考时段（social）改为2022-02-28T01:00:00+00:00至2022-03-02T10:00:00+00:00",
        ),
        (replace(BEFORE, windows={}), "报考时段（social）改为无"),
        (replace(BEFORE, slots=BEFORE.slots[:1]), "场次安排有变（共1个场次）"),
        (
            with_course(Course("00009", "普通物理", 1, frozenset(Track))),
            "新增课程00009普通物理",
        ),
        (
            with_course(Course("00001", "大学语文", 2, frozenset(Track))),
            "课程00001的名称、场次或专业类别有变",
        ),
        (with_county(County("510107", "武侯区", (1, 1))), "新增区县510107武侯区"),
        (with_county(County("510104", "锦江区", (2, 3))), "区县510104锦江区考位由2/2改为2/3"),
    ],
)
def test_a_change_is_one_sentence(after: Session, sentence: str) -> None:
    """Each kind of change is named, with what it was and will be."""
    assert changes_between(BEFORE, after) == [sentence]


def test_what_goes_is_named() -> None:
    """Taking a course and a county away says so; the same session says nothing."""
    poorer = replace(
        BEFORE,
        courses={code: BEFORE.courses[code] for code in ("00002", "00003", "00004")},
        counties={"510104": BEFORE.counties["510104"]},
    )
    assert changes_between(BEFORE, poorer) == ["取消课程00001大学语文", "取消区县510105青羊区"]
    assert changes_between(BEFORE, BEFORE) == []


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
        "区县510107第1场已用考位1个，不能减至0个；课程00002已有考生报考，不能由第2场改到第1场；"
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
