"""What a session is: slots, courses, windows, counties (DOMAIN sections 4 and 8)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cached_property

from zikao_enrollment.domain.allocation import Rules
from zikao_enrollment.domain.closings import Closings


class Track(StrEnum):
    """The two kinds of majors; each has its own enrollment window."""

    SOCIAL = "social"
    APPLIED = "applied"


TRACK_NAMES_ZH = {Track.SOCIAL: "面向社会开考专业", Track.APPLIED: "应用型专业"}


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
class WaitingRoom:
    """How a track's waiting room works (docs/waiting-room.md)."""

    opens_before: timedelta
    # From the candidate's turn.
    pass_life: timedelta
    # 0: as many as the system finishes.
    max_per_second: int
    # How long nobody must have waited until no pass is needed any more.
    quiet: timedelta


@dataclass(frozen=True)
class Window:
    """When a track may enroll: start inclusive, end exclusive."""

    track: Track
    opens_at: datetime
    closes_at: datetime
    waiting_room: WaitingRoom | None = None

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
class Policies:
    """What provinces do differently (DOMAIN sections 4 and 7)."""

    # Who has an order may add no courses.
    single_submission: bool = False
    # What an officer changes takes effect when a second one has confirmed it.
    dual_control: bool = False


@dataclass(frozen=True)
class Session:
    """Enrollment's settings of one examination session; the fee is per course, in fen.

    As its file says it: what is looked up by code or track is there once only in a session
    without `session_problems`.
    """

    code: str
    name: str
    slots: tuple[Slot, ...]
    courses: tuple[Course, ...]
    windows: tuple[Window, ...]
    counties: tuple[County, ...]
    fee_fen: int
    max_courses: int
    hold: timedelta
    policies: Policies = Policies()
    # What offices have closed; no part of the file.
    closings: Closings = field(default_factory=dict, hash=False)

    @cached_property
    def course_by_code(self) -> Mapping[str, Course]:
        """Courses by 5-digit code."""
        return {course.code: course for course in self.courses}

    @cached_property
    def window_by_track(self) -> Mapping[Track, Window]:
        """The window of each track that may enroll."""
        return {window.track: window for window in self.windows}

    @cached_property
    def has_waiting_room(self) -> bool:
        """Whether some track has one."""
        return any(window.waiting_room is not None for window in self.windows)

    @cached_property
    def county_by_code(self) -> Mapping[str, County]:
        """Counties by 6-digit code."""
        return {county.code: county for county in self.counties}

    @cached_property
    def known_courses(self) -> dict[tuple[str, ...], object]:
        """Courses with their slots, by their codes: a rush wants the same few (`orders`)."""
        return {}

    @cached_property
    def sound_choices(self) -> dict[object, object]:
        """Choices in which nothing was found wrong: a rush wants the same few (`choices`)."""
        return {}

    @cached_property
    def rules(self) -> Rules:
        """What one candidate may have."""
        return Rules(self.max_courses, self.policies.single_submission)

    def capacities(self) -> dict[tuple[str, int], int]:
        """Seats by (county code, slot number)."""
        return {
            (county.code, slot.number): seats
            for county in self.counties
            for slot, seats in zip(self.slots, county.seats, strict=True)
        }
