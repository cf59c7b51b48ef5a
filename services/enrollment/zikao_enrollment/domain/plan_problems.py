"""All that keeps a plan from being saved, in one answer (DOMAIN section 4, Plan)."""

from collections.abc import Iterator
from datetime import datetime

from zikao_kit.china_time import readable
from zikao_kit.errors import INVALID_REQUEST, DomainError

from zikao_enrollment.domain.allocation import Holding
from zikao_enrollment.domain.choices import (
    Choice,
    Problem,
    addition_problems,
    choice_problems,
    window_error,
)
from zikao_enrollment.domain.orders import NotYetKnown, Standing
from zikao_enrollment.domain.timetable import Session, Track

# Whether the candidate may enroll in it at all.
SESSION_FIELD = "session_code"


def plan_error(
    session: Session,
    candidate: Standing | None,
    holding: Holding | None,
    choice: Choice,
    now: datetime,
) -> DomainError | None:
    """Everything wrong with a plan as one error, whose `fields` list it; None when all is well.

    Its reason is the first of NOT_ELIGIBLE, TRACK_NOT_OFFERED and ENROLLMENT_CLOSED that keeps the
    candidate from every plan, and INVALID_REQUEST when only this one cannot be. Of a stranger
    (NotYetKnown) the track is not known: what hangs on that is not among the problems.
    """
    track = candidate.track if candidate else None
    personal = [*_standing_problems(candidate), *_window_problems(session, track, now)]
    problems = [
        *personal,
        *choice_problems(session, track, choice),
        *addition_problems(session, holding, choice),
    ]
    if not problems:
        return None
    error = personal[0].error if personal else DomainError(INVALID_REQUEST)
    error.fields = tuple(each.as_field() for each in problems)
    return error


def _standing_problems(candidate: Standing | None) -> Iterator[Problem]:
    error = candidate.standing_error() if candidate else NotYetKnown()
    if error:
        yield Problem(error, SESSION_FIELD, f"您暂不能报考：{error.metadata['detail']}")


def _window_problems(session: Session, track: Track | None, now: datetime) -> Iterator[Problem]:
    error = window_error(session, track, now, early=True) if track else None
    if error is None or track is None:
        return
    window = session.window_by_track.get(track)
    if window is None:
        text = f"本次考试不接受{error.metadata['track']}考生报考"
    else:
        text = f"课程报考时间为{readable(window.opens_at)}至{readable(window.closes_at)}"
    yield Problem(error, SESSION_FIELD, text)
