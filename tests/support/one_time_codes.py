"""An authenticator, as staff have one on their phone."""

from dataclasses import dataclass
from datetime import datetime

import pyotp

STEP_SECONDS = 30


@dataclass
class CodeGenerator:
    """Shows each code once: two within 30 seconds, for the service takes none twice."""

    secret: str
    _last_step: int = 0

    def next_code(self, now: datetime) -> str:
        """A code that is taken at `now` and was not shown yet."""
        current = int(now.timestamp()) // STEP_SECONDS
        step = max(current, self._last_step + 1)
        assert step <= current + 1, "move the clock before the next code"
        self._last_step = step
        return pyotp.TOTP(self.secret).generate_otp(step)
