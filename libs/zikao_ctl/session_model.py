"""What a session file says, as plain values. Times are UTC, money is in fen."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

TRACKS = ("social", "applied")
"""面向社会开考专业 and 应用型专业 (DOMAIN section 1)."""
LAYOUTS = ("snake", "snake_rows", "rows")
"""How seats are numbered, the usual way first; else a room has a numbering of its own."""
USES = ("normal", "reserve", "closed")
DEFAULT_COLUMNS, DEFAULT_ROWS = 5, 6


@dataclass(frozen=True)
class WaitingRoom:
    """How the waiting room of an enrollment window works (docs/waiting-room.md)."""

    opens_before: timedelta
    pass_life: timedelta
    # 0: as many as the system finishes.
    max_per_second: int
    quiet: timedelta


@dataclass(frozen=True)
class Window:
    """From `opens_at`, inclusive, to `closes_at`, exclusive; a room only of enrollment's."""

    opens_at: datetime
    closes_at: datetime
    waiting_room: WaitingRoom | None = None


@dataclass(frozen=True)
class Calendar:
    """When what may be done (DOMAIN section 8). `enrollment` is by track.

    Older numbers are activated while anybody enrolls, unless `activation` says otherwise;
    without `profile_change` there are no profile changes.
    """

    registration: Window
    material_closes_at: datetime
    review_closes_at: datetime
    enrollment: dict[str, Window]
    printing: Window
    activation: Window
    profile_change: Window | None


@dataclass(frozen=True)
class TicketNumberRule:
    """Form of new ticket numbers, and the session's digits in it (DOMAIN section 3)."""

    format: str
    session: str


@dataclass(frozen=True)
class Slot:
    """One half-day sitting; its number is its place in the file, from 1."""

    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True)
class Course:
    """A course, the number of its slot, and the tracks that may take it."""

    code: str
    name: str
    slot: int
    tracks: tuple[str, ...]


@dataclass(frozen=True)
class County:
    """A county with its seats in every slot."""

    code: str
    name: str
    seats: tuple[int, ...]


@dataclass(frozen=True)
class Room:
    """A room of `columns` times `rows` places; `at` says where it stands in the file.

    `numbering`, of a custom layout: the seat number of every place, column by column from the
    front door's wall and each from front to back, 0 where there is no desk. `use` is empty where
    the file does not say.
    """

    code: str
    columns: int = DEFAULT_COLUMNS
    rows: int = DEFAULT_ROWS
    layout: str = LAYOUTS[0]
    numbering: tuple[int, ...] = ()
    accessible: tuple[int, ...] = ()
    use: str = ""
    at: str = field(default="", compare=False)

    @property
    def seats(self) -> int:
        """Seats for an arrangement: none of a reserve or a closed room."""
        if self.use not in ("", USES[0]):
            return 0
        return sum(map(bool, self.numbering)) if self.numbering else self.columns * self.rows


@dataclass(frozen=True)
class Site:
    """A school with its rooms, in the order in which they are filled."""

    code: str
    county_code: str
    name: str
    address: str
    rooms: tuple[Room, ...]
    county_name: str = ""
    at: str = field(default="", compare=False)

    @property
    def seats(self) -> int:
        """Seats of all its rooms."""
        return sum(room.seats for room in self.rooms)


@dataclass(frozen=True)
class Notice:
    """What candidates read before they print; a new text has a new version."""

    version: int
    paragraphs: tuple[str, ...]


@dataclass(frozen=True)
class Policies:
    """What provinces do differently (DOMAIN sections 4 and 7); false unless said."""

    single_submission: bool = False
    dual_control: bool = False


@dataclass(frozen=True)
class SessionFile:
    """A whole session (DOMAIN section 8)."""

    code: str
    name: str
    time_zone: str
    ticket_number: TicketNumberRule
    calendar: Calendar
    slots: tuple[Slot, ...]
    courses: tuple[Course, ...]
    counties: tuple[County, ...]
    sites: tuple[Site, ...]
    fee_fen: int
    max_courses: int
    hold: timedelta
    four_eyes_percent: int
    policies: Policies
    notice: Notice
