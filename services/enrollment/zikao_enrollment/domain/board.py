"""What a process knows of sessions and seats without asking: a picture of one moment.

For looking and for refusing what is surely full. Seats are only ever given by the ledger.
"""

import math
from bisect import bisect_left
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import NamedTuple

from zikao_kit.errors import SESSION_UNKNOWN, DomainError

from zikao_enrollment.domain.allocation import SeatKey
from zikao_enrollment.domain.timetable import Session


class SeatCount(NamedTuple):
    """The seats of one ledger row."""

    capacity: int
    held: int
    confirmed: int

    @property
    def free(self) -> int:
        """Seats that nobody has."""
        return self.capacity - self.held - self.confirmed

    @property
    def used(self) -> int:
        """Seats that somebody has."""
        return self.held + self.confirmed


SeatRow = tuple[SeatKey, SeatCount]
# After every code that begins as what it is appended to.
_AFTER_DIGITS = ":"


class AppliedSession(NamedTuple):
    """A session as it was applied the `version`-th time."""

    session: Session
    version: int


@dataclass(frozen=True)
class Board:
    """Sessions by code, seats by session and row, and when each session's next hold ends."""

    as_of: datetime
    sessions: Mapping[str, AppliedSession] = field(default_factory=dict)
    seats: Mapping[str, Mapping[SeatKey, SeatCount]] = field(default_factory=dict)
    next_release_at: Mapping[str, datetime] = field(default_factory=dict)

    def require(self, session_code: str) -> AppliedSession:
        """The session; raises DomainError SESSION_UNKNOWN."""
        found = self.sessions.get(session_code)
        if found is None:
            raise DomainError(SESSION_UNKNOWN, session_code=session_code)
        return found

    @cached_property
    def free(self) -> Mapping[str, Mapping[SeatKey, int]]:
        """Free seats of the ledger rows, by session."""
        return {
            code: {key: count.free for key, count in rows.items()}
            for code, rows in self.seats.items()
        }

    def newest_sessions(self, count: int) -> Sequence[str]:
        """Codes of the sessions whose enrollment opens last."""

        def opens_at(code: str) -> float:
            windows = self.sessions[code].session.windows
            return max((window.opens_at.timestamp() for window in windows), default=-math.inf)

        return sorted(self.sessions, key=opens_at)[-count:]

    def seats_in(self, session_code: str, county_prefix: str) -> Sequence[SeatRow]:
        """The rows of the counties whose code begins so, by county and slot."""
        rows = self._rows.get(session_code, [])
        begin, end = (
            bisect_left(rows, edge, key=_county_code)
            for edge in (county_prefix, county_prefix + _AFTER_DIGITS)
        )
        return rows[begin:end]

    def changes_since(
        self, before: "Board", session_code: str, county_prefix: str
    ) -> Sequence[SeatRow] | None:
        """The rows of those counties that are others than `before`; None when some have gone."""
        known, now = before.seats.get(session_code, {}), self.seats.get(session_code, {})
        if any(key not in now for key, _ in before.seats_in(session_code, county_prefix)):
            return None
        rows = self.seats_in(session_code, county_prefix)
        return [row for row in rows if known.get(row[0]) != row[1]]

    @cached_property
    def _rows(self) -> Mapping[str, Sequence[SeatRow]]:
        return {code: sorted(rows.items()) for code, rows in self.seats.items()}

    def outdated(self, versions: Mapping[str, int]) -> Collection[str]:
        """Codes of the sessions that have been applied since, or are new."""
        known = {code: applied.version for code, applied in self.sessions.items()}
        return [code for code, version in versions.items() if known.get(code) != version]


def _county_code(row: SeatRow) -> str:
    return row[0].county_code
