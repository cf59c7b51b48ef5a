"""A clock for tests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


class FixedClock:
    """A clock that stands still until a test moves it."""

    def __init__(self, at: datetime) -> None:
        self.set(at)

    def now(self) -> datetime:
        """The time set last, in UTC."""
        return self._now

    def set(self, at: datetime) -> None:
        """Put the clock to `at`, an aware time."""
        assert at.tzinfo is not None
        self._now = at.astimezone(UTC)

    def advance(self, by: timedelta) -> None:
        """Move the clock by `by`, which may be negative."""
        self._now += by
