"""A login: what refreshes it, how long it lasts, when its tokens end."""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from zikao_kit.errors import DomainError

from zikao_registration.domain.accounts import Account
from zikao_registration.domain.logins import LoginLimit

MAX_OPEN_LOGINS = 20
# Every process remembers those that have made room, until their tokens have ended.
MAX_NEW_LOGINS = 60
NEW_LOGINS_WINDOW = timedelta(hours=1)
_REFRESH_TOKEN = re.compile(r"([0-9a-f]{32})\.([A-Za-z0-9_-]{22})\.([A-Za-z0-9_-]{43})", re.ASCII)


@dataclass(frozen=True)
class LoginRules:
    """How often one may try, and how long a login and its access tokens last."""

    limit: LoginLimit
    candidate_lifetime: timedelta
    staff_lifetime: timedelta
    staff_idle: timedelta
    second_factor_required: bool
    longest_token: timedelta

    def forgotten_at(self, now: datetime) -> datetime:
        """A login revoked at or before this time has no tokens and counts no more."""
        return now - max(self.longest_token, NEW_LOGINS_WINDOW)

    def lifetime(self, account: Account) -> timedelta:
        """How long a login of the account lasts, whatever is refreshed."""
        return self.staff_lifetime if account.is_staff else self.candidate_lifetime

    def needs_second_factor(self, account: Account) -> bool:
        """Whether one must be set up before anything else."""
        return self.second_factor_required and account.is_staff and not account.has_second_factor

    def is_restricted(self, account: Account) -> bool:
        """Whether something must be done before anything else."""
        return account.needs_password or self.needs_second_factor(account)


def require_new_login(begun: int, first_at: datetime, now: datetime) -> None:
    """Raise LOGIN_LOCKED, saying when to come again, for an account that begins too many."""
    if begun >= MAX_NEW_LOGINS:
        raise DomainError("LOGIN_LOCKED", retry_after=first_at + NEW_LOGINS_WINDOW - now)


@dataclass(frozen=True)
class Login:
    """Somebody is logged in through a caller; `restricted` until what was due at its begin is done.

    An account that has everything by now does not lift it: perhaps another login did that.
    """

    login_id: UUID
    account_id: UUID
    caller: str
    restricted: bool
    family_sha256: bytes = field(repr=False)
    refresh_sha256: bytes = field(repr=False)
    created_at: datetime
    used_at: datetime
    expires_at: datetime
    revoked_at: datetime | None = None

    def is_open(self, now: datetime) -> bool:
        """Whether it has neither lapsed nor been revoked."""
        return self.revoked_at is None and now < self.expires_at

    def is_idle(self, account: Account, rules: LoginRules, now: datetime) -> bool:
        """Whether nobody has refreshed it for too long; candidates may take their time."""
        return account.is_staff and now >= self.used_at + rules.staff_idle


@dataclass(frozen=True)
class RefreshToken:
    """The login it is of, what all its tokens have in common, and a secret of its own.

    Access tokens name their login, so that who has seen one could make something up; who has
    the `family` (128 bits) right had a genuine token. The secret has 256 bits: so much
    randomness needs no slow hash.
    """

    login_id: UUID
    family: str = field(repr=False)
    secret: str = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> RefreshToken | None:
        """Read one; None for what is none."""
        found = _REFRESH_TOKEN.fullmatch(text)
        return cls(UUID(found[1]), found[2], found[3]) if found else None

    def __str__(self) -> str:
        """The text that its owner keeps."""
        return f"{self.login_id.hex}.{self.family}.{self.secret}"

    @property
    def family_sha256(self) -> bytes:
        """What is stored of the family."""
        return hashlib.sha256(self.family.encode()).digest()

    @property
    def sha256(self) -> bytes:
        """What is stored of the secret."""
        return hashlib.sha256(self.secret.encode()).digest()

    def is_of(self, login: Login) -> bool:
        """Whether it was made for the login, used up by now or not."""
        return hmac.compare_digest(login.family_sha256, self.family_sha256)

    def is_current(self, login: Login, caller: str) -> bool:
        """Whether it is the login's last one, from the caller the login began through."""
        is_last = self.is_of(login) and hmac.compare_digest(login.refresh_sha256, self.sha256)
        return is_last and login.caller == caller


def require_refresh_token(text: str) -> RefreshToken:
    """Read one; raises LOGIN_ENDED for what is none, and no database is asked about it."""
    token = RefreshToken.parse(text)
    if token is None:
        raise DomainError("LOGIN_ENDED")
    return token


@dataclass(frozen=True)
class StartedLogin:
    """A login with the only copy of its refresh token, and whose it is."""

    account: Account
    login: Login
    refresh_token: RefreshToken
    needs_second_factor: bool
