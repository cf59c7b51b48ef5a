"""What the tickets service knows of a session (DOMAIN section 8)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from zikao_kit.errors import DomainError

from zikao_tickets.domain.layout import RoomPlan


@dataclass(frozen=True)
class Slot:
    """One half-day sitting; times aware."""

    number: int
    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True)
class Notice:
    """What candidates must have read before they print; a new text has a new version."""

    version: int
    paragraphs: tuple[str, ...]


@dataclass(frozen=True)
class Session:
    """Settings of one session; windows are start inclusive, end exclusive.

    `arrangements_open_at` is when the last seats can no longer be taken or paid.
    """

    code: str
    name: str
    time_zone: str
    arrangements_open_at: datetime
    printing_opens_at: datetime
    printing_closes_at: datetime
    slots: tuple[Slot, ...]
    courses: Mapping[str, str]
    """Course code to name."""
    notice: Notice
    dual_control: bool = False
    """A second officer confirms what an officer does (DOMAIN section 7)."""

    def require_arrangeable(self, now: datetime) -> None:
        """Raise DomainError ARRANGEMENT_TOO_EARLY while seats may still be taken or paid."""
        if now < self.arrangements_open_at:
            raise DomainError(
                "ARRANGEMENT_TOO_EARLY", arrangements_open_at=self.arrangements_open_at.isoformat()
            )

    def require_printing_begun(self, now: datetime) -> None:
        """Raise DomainError PRINTING_CLOSED before printing opens, naming the window."""
        if now < self.printing_opens_at:
            raise self._printing_closed()

    def require_printing(self, now: datetime) -> None:
        """Raise DomainError PRINTING_CLOSED outside of the window, naming it."""
        if not self.printing_opens_at <= now < self.printing_closes_at:
            raise self._printing_closed()

    def _printing_closed(self) -> DomainError:
        return DomainError(
            "PRINTING_CLOSED",
            opens_at=self.printing_opens_at.isoformat(),
            closes_at=self.printing_closes_at.isoformat(),
        )


@dataclass(frozen=True)
class Site:
    """A school with its rooms in the order in which they are filled."""

    code: str
    county_code: str
    county_name: str
    name: str
    address: str
    rooms: tuple[RoomPlan, ...]


RoomKey = tuple[str, str]
"""Site code, room code."""
