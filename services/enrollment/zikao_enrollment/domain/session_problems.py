"""What a session file may not say, whatever was applied before (DOMAIN section 8)."""

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator

from zikao_kit.errors import FieldProblem

from zikao_enrollment.domain.timetable import TRACK_NAMES_ZH, Session


def session_problems(session: Session) -> list[FieldProblem]:
    """Everything in a session that contradicts itself; empty when it can be used.

    What one field alone can get wrong is ruled by the contract.
    """
    return [
        *_slot_problems(session),
        *_course_problems(session),
        *_window_problems(session),
        *_county_problems(session),
    ]


def _slot_problems(session: Session) -> Iterator[FieldProblem]:
    for number in _repeated(slot.number for slot in session.slots):
        yield FieldProblem("session.slots", f"第{number}场重复")
    for slot in session.slots:
        if slot.starts_at >= slot.ends_at:
            yield FieldProblem("session.slots", f"第{slot.number}场结束时间须晚于开始时间")


def _course_problems(session: Session) -> Iterator[FieldProblem]:
    for code in _repeated(course.code for course in session.courses):
        yield FieldProblem("session.courses", f"课程{code}重复")
    numbers = {slot.number for slot in session.slots}
    for course in session.courses:
        if course.slot not in numbers:
            yield FieldProblem("session.courses", f"课程{course.code}的第{course.slot}场不存在")


def _window_problems(session: Session) -> Iterator[FieldProblem]:
    for name in _repeated(TRACK_NAMES_ZH[window.track] for window in session.windows):
        yield FieldProblem("session.windows", f"{name}报考时段重复")
    for window in session.windows:
        if window.opens_at >= window.closes_at:
            name = TRACK_NAMES_ZH[window.track]
            yield FieldProblem("session.windows", f"{name}报考结束时间须晚于开始时间")


def _county_problems(session: Session) -> Iterator[FieldProblem]:
    for code in _repeated(county.code for county in session.counties):
        yield FieldProblem("session.counties", f"区县{code}重复")
    for county in session.counties:
        if len(county.seats) != len(session.slots):
            yield FieldProblem("session.counties", f"区县{county.code}的考位数与场次数不一致")


def _repeated(keys: Iterable[Hashable]) -> list[Hashable]:
    return [key for key, times in Counter(keys).items() if times > 1]
