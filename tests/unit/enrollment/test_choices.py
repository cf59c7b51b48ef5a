"""Checks of choices and windows."""

from datetime import datetime, timedelta

import pytest
from support.enrollment_sessions import CLOSES_AT, OPENS_AT, small_session
from zikao_enrollment.domain.choices import Choice, choice_problems, window_error
from zikao_enrollment.domain.timetable import Track

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
    """The refusal carries both times."""
    error = window_error(small_session(), Track.SOCIAL, CLOSES_AT)
    assert error is not None
    assert error.metadata == {
        "opens_at": OPENS_AT.isoformat(),
        "closes_at": CLOSES_AT.isoformat(),
    }


def test_a_track_without_a_window_is_not_offered() -> None:
    """There are no times to name, early or not: the refusal names the track."""
    for early in (False, True):
        error = window_error(small_session(), Track.APPLIED, OPENS_AT, early=early)
        assert error is not None
        assert (error.reason, error.metadata) == ("TRACK_NOT_OFFERED", {"track": "应用型专业"})


@pytest.mark.parametrize(
    ("at", "is_early_enough"),
    [(OPENS_AT - TICK, True), (CLOSES_AT - TICK, True), (CLOSES_AT, False)],
)
def test_a_plan_may_be_made_early(at: datetime, is_early_enough: bool) -> None:
    """Before the window opens will do for plans, after its end will not."""
    error = window_error(small_session(), Track.SOCIAL, at, early=True)
    assert (error is None) == is_early_enough
