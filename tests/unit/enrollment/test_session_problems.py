"""What a session file may not say."""

from dataclasses import replace

from support.enrollment_sessions import CLOSES_AT, OPENS_AT, small_session
from zikao_enrollment.converts.sessions import session_from_json, session_to_json
from zikao_enrollment.domain.session_problems import session_problems
from zikao_enrollment.domain.timetable import County, Course, Track, Window

GOOD = small_session()


def test_a_session_that_contradicts_itself_is_refused_with_every_problem() -> None:
    """A reversed slot and window, a course and a county that do not fit: all are named."""
    first = GOOD.slots[0]
    bad = replace(
        GOOD,
        slots=(replace(first, starts_at=first.ends_at), *GOOD.slots[1:]),
        windows=(Window(Track.SOCIAL, CLOSES_AT, OPENS_AT),),
        courses=(Course("00009", "物理", 7, frozenset(Track)),),
        counties=(County("510104", "锦江区", (1,)),),
    )
    assert session_problems(GOOD) == []
    assert [(problem.field, problem.description) for problem in session_problems(bad)] == [
        ("session.slots", "第1场结束时间须晚于开始时间"),
        ("session.courses", "课程00009的第7场不存在"),
        ("session.windows", "面向社会开考专业报考结束时间须晚于开始时间"),
        ("session.counties", "区县510104的考位数与场次数不一致"),
    ]


def test_what_is_there_twice_is_named_once() -> None:
    """Two lines for one slot, course, track or county: nobody could say which one counts."""
    bad = replace(
        GOOD,
        slots=(*GOOD.slots, GOOD.slots[1]),
        courses=GOOD.courses * 3,
        windows=GOOD.windows * 2,
        counties=tuple(replace(county, seats=(1, 1, 1)) for county in GOOD.counties[:1] * 2),
    )
    assert [problem.description for problem in session_problems(bad)] == [
        "第2场重复",
        *(f"课程{course.code}重复" for course in GOOD.courses),
        "面向社会开考专业报考时段重复",
        "区县510104重复",
    ]


def test_a_session_is_stored_as_it_was_applied() -> None:
    """Nothing is lost on the way, and what a newer version has added is passed over."""
    body = session_to_json(GOOD)
    assert session_from_json(body) == GOOD
    assert session_from_json(body.replace("{", '{"addedLater":7,', 1)) == GOOD


def test_capacities_by_county_and_slot() -> None:
    """Seats are given in the order of the slots."""
    assert small_session(seats=5).capacities()["510105", 2] == 5
