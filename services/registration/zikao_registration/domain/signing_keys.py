"""Which key of access tokens signs, when there is to be another, and when one has had its time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

# Who verifies asks for the keys each second: nobody who can, has not heard of a key by then.
SIGNING_LEAD = timedelta(hours=1)
# Clocks of machines are not quite alike.
RETIRING_MARGIN = timedelta(minutes=5)


@dataclass(frozen=True)
class SigningRotation:
    """A new key `every` so often (None: only when somebody says so), known before it signs.

    `longest_token` is how long a token may still be shown after it was signed.
    """

    every: timedelta | None
    longest_token: timedelta

    def is_due(self, made_at: Sequence[datetime], now: datetime) -> bool:
        """Whether there is to be another key; `made_at` are those there are, the newest first."""
        return not made_at or (self.every is not None and made_at[0] + self.every <= now)

    def signing(self, made_at: Sequence[datetime], now: datetime) -> int:
        """Which key signs: the newest that everybody has heard of, else the oldest."""
        heard_of = (index for index, at in enumerate(made_at) if at + SIGNING_LEAD <= now)
        return next(heard_of, len(made_at) - 1)

    def needed(self, made_at: Sequence[datetime], now: datetime) -> int:
        """How many keys are needed, from the newest on: the others' last tokens have ended."""
        for index, at in enumerate(made_at):
            if at + SIGNING_LEAD + self.longest_token + RETIRING_MARGIN <= now:
                return index + 1  # it has signed alone for as long
        return len(made_at)
