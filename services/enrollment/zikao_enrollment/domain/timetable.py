"""What a session is: slots, courses, windows, counties (DOMAIN sections 4 and 8)."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from zikao_kit.errors import FieldProblem


class Track(StrEnum):
    """The two kinds of majors; each has its own enrollment window."""

    SOCIAL = "social"
    APPLIED = "applied"


@dataclass(frozen=True)
class Slot:
    """One half-day sitting; numbers count from 1."""

    number: int
    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True)
class Course:
    """A course, the slot it is examined in, and the tracks that may take it."""

    code: str
    name: str
    slot: int
    tracks: frozenset[Track]


@dataclass(frozen=True)
class Window:
    """When a track may enroll: start inclusive, end exclusive."""

    opens_at: datetime
    closes_at: datetime

    def is_open(self, at: datetime) -> bool:
        """Whether `at` lies in the window."""
        return self.opens_at <= at < self.closes_at


@dataclass(frozen=True)
class County:
    """A county with its seats; `seats[i]` are those of the session's i-th slot."""

    code: str
    name: str
    seats: tuple[int, ...]


@dataclass(frozen=True)
class Session:
    """Enrollment's settings of one examination session; the fee is per course, in fen."""

    code: str
    name: str
    slots: tuple[Slot, ...]
    courses: Mapping[str, Course]
    windows: Mapping[Track, Window]
    counties: Mapping[str, County]
    fee_fen: int
    max_courses: int
    hold: timedelta

    def capacities(self) -> dict[tuple[str, int], int]:
        """Seats by (county code, slot number)."""
        return {
            (county.code, slot.number): seats
            for county in self.counties.values()
            for slot, seats in zip(self.slots, county.seats, strict=True)
        }


def session_problems(session: Session) -> list[FieldProblem]:
    """Everything in a session that contradicts itself; empty when it can be used.

    What one field alone can get wrong is ruled by the contract.
    """
    return [
        *_fee_problems(session),
        *_slot_problems(session),
        *_window_problems(session),
        *_reference_problems(session),
    ]


def _fee_problems(session: Session) -> Iterator[FieldProblem]:
    if session.fee_fen < 1:  # enrolled is paid: nobody could be enrolled
        yield FieldProblem("session.fee_fen", "每门课程考试费应大于0")


def _slot_problems(session: Session) -> Iterator[FieldProblem]:
    numbers = Counter(slot.number for slot in session.slots)
    for number, count in numbers.items():
        if count > 1:
            yield FieldProblem("session.slots", f"场次{number}重复")
    for index, slot in enumerate(session.slots):
        if slot.starts_at >= slot.ends_at:
            yield FieldProblem(f"session.slots[{index}]", f"场次{slot.number}应先开始后结束")


def _window_problems(session: Session) -> Iterator[FieldProblem]:
    for track, window in session.windows.items():
        if window.opens_at >= window.closes_at:
            yield FieldProblem("session.windows", f"报考时段（{track}）应先开始后结束")


def _reference_problems(session: Session) -> Iterator[FieldProblem]:
    numbers = {slot.number for slot in session.slots}
    for course in session.courses.values():
        if course.slot not in numbers:
            yield FieldProblem("session.courses", f"课程{course.code}的场次{course.slot}不存在")
    for county in session.counties.values():
        if len(county.seats) != len(session.slots):
            yield FieldProblem("session.counties", f"区县{county.code}的考位数与场次数不一致")
