"""Time-based one-time codes as second factor of staff (DOMAIN section 7; RFC 6238).

A code is good for its 30 seconds and those before and after, for clocks that are a little off,
and once: who looks over a shoulder, or listens, has nothing.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field, replace
from datetime import datetime

import pyotp

STEP_SECONDS = 30
STEPS_OFF = 1
# What the authenticator shows beside the login name.
ISSUER = "自考"


@dataclass(frozen=True)
class SecondFactor:
    """A secret (Base32), and the last time step whose code was taken; None: not confirmed yet."""

    secret: str = field(repr=False)
    last_step: int | None = None

    @property
    def is_confirmed(self) -> bool:
        """Whether its owner has shown that it works."""
        return self.last_step is not None

    def uri(self, login_name: str) -> str:
        """The `otpauth://` address of a QR code."""
        return pyotp.TOTP(self.secret).provisioning_uri(name=login_name, issuer_name=ISSUER)

    def taken(self, code: str, now: datetime) -> SecondFactor | None:
        """The factor after `code` (6 digits) was used up; None for a wrong or used one."""
        step = step_at(now)
        matching = [
            near
            for near in range(step - STEPS_OFF, step + STEPS_OFF + 1)
            if hmac.compare_digest(code_at(self.secret, near), code)
        ]
        fresh = [near for near in matching if self.last_step is None or near > self.last_step]
        return replace(self, last_step=fresh[0]) if fresh else None


def step_at(now: datetime) -> int:
    """The number of the 30 seconds that `now` lies in."""
    return int(now.timestamp()) // STEP_SECONDS


def code_at(secret: str, step: int) -> str:
    """The code of a step, 6 digits."""
    return pyotp.TOTP(secret, interval=STEP_SECONDS).generate_otp(step)
