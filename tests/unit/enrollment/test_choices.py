"""Checks of choices, windows and sessions."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from unit.enrollment.sessions import CLOSES_AT, OPENS_AT, small_session
from zikao_enrollment.domain.choices import Choice, choice_problems, window_error
from zikao_enrollment.domain.timetable import County, Course, Track, Window, session_problems

TICK = timedelta(microseconds=1)


def reasons(track: Track, courses: str, counties: str) -> list[str]:
    """The reasons of all problems of a choice written as words."""
    choice = Choice(tuple(courses.split()), tuple(counties.split()))
    return [problem.error.reason for problem in choice_problems(small_session(), track, choice)]


def test_a_good_choice_has_no_problem() -> None:
    """Courses of the track in different slots and known counties pass."""
    assert reasons(Track.SOCIAL, "00001 00003", "510104 510105") == []


def test_every_problem_is_named_at_once() -> None:
    """Too many, unknown, of another track, in conflict, in an unknown county: all are listed."""
    assert reasons(Track.SOCIAL, "00001 00002 00004 99999", "510104 990000") == [
        "TOO_MANY_COURSES",
        "COURSE_UNAVAILABLE",
        "COURSE_UNAVAILABLE",
        "SLOT_CONFLICT",
        "COUNTY_UNAVAILABLE",
    ]


def test_a_course_taken_twice_is_a_conflict() -> None:
    """The same course twice would sit twice in its slot."""
    assert reasons(Track.SOCIAL, "00001 00001", "510104") == ["SLOT_CONFLICT"]


@pytest.mark.parametrize(
    ("at", "is_open"),
    [
        (OPENS_AT - TICK, False),
        (OPENS_AT, True),
        (CLOSES_AT - TICK, True),
        (CLOSES_AT, False),
    ],
)
def test_window_start_inclusive_end_exclusive(at: datetime, is_open: bool) -> None:
    """The first moment is in the window, the last is not."""
    assert (window_error(small_session(), Track.SOCIAL, at) is None) == is_open


def test_a_closed_window_says_its_times() -> None:
    """The refusal carries both times; a track without a window is closed."""
    error = window_error(small_session(), Track.SOCIAL, CLOSES_AT)
    assert error is not None
    assert error.metadata == {
        "opens_at": OPENS_AT.isoformat(),
        "closes_at": CLOSES_AT.isoformat(),
    }
    assert window_error(small_session(), Track.APPLIED, OPENS_AT) is not None


def test_a_session_that_contradicts_itself_is_refused_with_every_problem() -> None:
    """A repeated slot, a reversed window, a course and a county that do not fit: all named."""
    good = small_session()
    bad = replace(
        good,
        slots=(*good.slots, good.slots[0]),
        windows={Track.SOCIAL: Window(CLOSES_AT, OPENS_AT)},
        courses={"00009": Course("00009", "物理", 7, frozenset(Track))},
        counties={"510104": County("510104", "锦江区", (1,))},
    )
    assert session_problems(good) == []
    assert [problem.field for problem in session_problems(bad)] == [
        "session.slots",
        "session.windows",
        "session.courses",
        "session.counties",
    ]


def test_capacities_by_county_and_slot() -> None:
    """Seats are given in the order of the slots."""
    assert small_session(seats=5).capacities()["510105", 2] == 5
