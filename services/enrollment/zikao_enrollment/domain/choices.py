"""Checks of what a candidate chose: every problem at once (DOMAIN section 4)."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

from zikao_kit.errors import DomainError, FieldProblem

from zikao_enrollment.domain.allocation import Claim, Holding
from zikao_enrollment.domain.closings import closing_error
from zikao_enrollment.domain.timetable import TRACK_NAMES_ZH, Session, Track

COURSES_FIELD = "choice.course_codes"
COUNTIES_FIELD = "choice.county_codes"
MAX_SOUND_CHOICES = 10_000
CHOICES_KEPT = 10_000


class Choice(NamedTuple):
    """Courses, and counties in the candidate's order."""

    course_codes: tuple[str, ...]
    county_codes: tuple[str, ...]


# A rush chooses the same few: those who do share one, wherever it was read.
shared_choice = lru_cache(maxsize=CHOICES_KEPT)(Choice)


class Plan(NamedTuple):
    """A saved choice; `may_move`: a late payment may be used in another county of it."""

    choice: Choice
    may_move: bool


@dataclass(frozen=True)
class Problem:
    """A rule that a choice breaks.

    `error` is what SubmitEnrollment answers; `as_field` what SavePlan lists among others.
    """

    error: DomainError
    field: str
    description: str

    def as_field(self) -> FieldProblem:
        """The problem among others."""
        return FieldProblem(self.field, self.description)


def choice_problems(session: Session, track: Track | None, choice: Choice) -> list[Problem]:
    """Everything wrong with a choice that can be known without looking at seats.

    Without a track: what is wrong whichever it is.
    Reasons: TOO_MANY_COURSES, COURSE_UNAVAILABLE, SLOT_CONFLICT, COUNTY_UNAVAILABLE.
    """
    return [
        *_count_problems(session, choice),
        *_course_problems(session, track, choice),
        *_slot_problems(session, choice),
        *_county_problems(session, choice),
    ]


def addition_problems(session: Session, holding: Holding | None, choice: Choice) -> list[Problem]:
    """Everything wrong with a choice beside what its candidate has in the session already.

    Reasons: SUBMISSION_ONLY_ONCE, ALREADY_ENROLLED, TOO_MANY_COURSES.
    """
    if holding is None:
        return []
    if session.rules.single_submission:
        once = DomainError("SUBMISSION_ONLY_ONCE")
        return [Problem(once, COURSES_FIELD, "本次考试只能提交一次报考，不能加报课程")]
    return [
        *_other_county(session, holding, choice),
        *_taken_slots(session, holding, choice),
        *_too_many(session, holding, choice),
    ]


def without_closed(session: Session, choice: Choice) -> Choice:
    """The choice without the counties that offices have closed for it, unless that is all."""
    if not session.closings:
        return choice
    left = tuple(
        code
        for code in choice.county_codes
        if closing_error(session.closings, code, choice.course_codes) is None
    )
    return choice._replace(county_codes=left) if left else choice


class SoundChoice(NamedTuple):
    """A choice in which nothing is wrong but perhaps the seats, and what it claims of these."""

    choice: Choice
    claim: Claim


def sound_choice(session: Session, track: Track, choice: Choice) -> SoundChoice:
    """The choice without closed counties; raises DomainError: the first of its problems.

    What was found sound is kept with the session, for all who want the same.
    """
    known = session.sound_choices
    found = known.get((track, choice))
    if isinstance(found, SoundChoice):
        return found
    left = without_closed(session, choice)
    if problems := choice_problems(session, track, left):
        raise problems[0].error
    slots = frozenset(session.course_by_code[code].slot for code in left.course_codes)
    if len(known) >= MAX_SOUND_CHOICES:
        known.clear()
    sound = known[track, choice] = SoundChoice(left, Claim(slots, left.county_codes))
    return sound


def window_error(
    session: Session, track: Track, now: datetime, *, early: bool = False
) -> DomainError | None:
    """Why a track may not enroll at `now`, or None; `early`: before the opening will do, too.

    TRACK_NOT_OFFERED, or ENROLLMENT_CLOSED with the times of the track's window.
    """
    window = session.window_by_track.get(track)
    if window is None:
        return DomainError("TRACK_NOT_OFFERED", track=TRACK_NAMES_ZH[track])
    if window.is_open(now) or (early and now < window.opens_at):
        return None
    return DomainError(
        "ENROLLMENT_CLOSED",
        opens_at=window.opens_at.isoformat(),
        closes_at=window.closes_at.isoformat(),
    )


def _other_county(session: Session, holding: Holding, choice: Choice) -> Iterator[Problem]:
    code = holding.county_code
    if code not in choice.county_codes:
        name = session.county_by_code[code].name
        error = DomainError("ALREADY_ENROLLED", county_code=code)
        yield Problem(error, COUNTIES_FIELD, f"您已在{name}（{code}）报考，加报只能在该区县")


def _taken_slots(session: Session, holding: Holding, choice: Choice) -> Iterator[Problem]:
    for code in choice.course_codes:
        course = session.course_by_code.get(code)
        if course is not None and course.slot in holding.slots:
            error = DomainError("ALREADY_ENROLLED", county_code=holding.county_code)
            yield Problem(error, COURSES_FIELD, f"课程{code}与您第{course.slot}场已报考的课程冲突")


def _too_many(session: Session, holding: Holding, choice: Choice) -> Iterator[Problem]:
    limit, wanted = session.max_courses, len(choice.course_codes)
    if wanted <= limit < wanted + len(holding.slots):
        error = DomainError("TOO_MANY_COURSES", limit=limit)
        had = len(holding.slots)
        yield Problem(error, COURSES_FIELD, f"每次最多报考{limit}门课程，您已报考{had}门")


def _count_problems(session: Session, choice: Choice) -> Iterator[Problem]:
    limit = session.max_courses
    if len(choice.course_codes) > limit:
        error = DomainError("TOO_MANY_COURSES", limit=limit)
        yield Problem(error, COURSES_FIELD, f"每次最多报考{limit}门课程")


def _course_problems(session: Session, track: Track | None, choice: Choice) -> Iterator[Problem]:
    for code in choice.course_codes:
        course = session.course_by_code.get(code)
        if course is None or (track and track not in course.tracks):
            error = DomainError("COURSE_UNAVAILABLE", course_code=code, detail="本次不开考")
            yield Problem(error, COURSES_FIELD, f"课程{code}本次不开考")


def _slot_problems(session: Session, choice: Choice) -> Iterator[Problem]:
    by_slot: defaultdict[int, list[str]] = defaultdict(list)
    for code in choice.course_codes:
        if course := session.course_by_code.get(code):
            by_slot[course.slot].append(code)
    for slot in sorted(by_slot):
        if len(by_slot[slot]) > 1:
            codes = "、".join(by_slot[slot])
            error = DomainError("SLOT_CONFLICT", course_codes=codes)
            yield Problem(error, COURSES_FIELD, f"课程{codes}考试时间冲突")


def _county_problems(session: Session, choice: Choice) -> Iterator[Problem]:
    for code in choice.county_codes:
        if code not in session.county_by_code:
            error = DomainError("COUNTY_UNAVAILABLE", county_code=code, detail="本次考试不设该区县")
            yield Problem(error, COUNTIES_FIELD, f"报考区县{code}不接受报考")
        elif closed := closing_error(session.closings, code, choice.course_codes):
            course = closed.metadata.get("course_code", "")
            what = f"课程{course}" if course else ""
            text = f"报考区县{code}不接受{what}报考：{closed.metadata['detail']}"
            yield Problem(closed, COUNTIES_FIELD, text)
