"""Login names and how often a password may be tried (DOMAIN section 3, Account)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum

from zikao_kit.errors import INVALID_REQUEST, OVERLOADED, DomainError, FieldProblem

from zikao_registration.domain.documents import Document, canonical, looks_like_document


class Tried(StrEnum):
    """What is tried, and counted for itself, of callers and of names.

    A PROOF is a password given once more by who has logged in: its name is an account's id, and
    no login name that somebody types or chooses reaches its count.
    """

    LOGIN = "login"
    PROOF = "proof"
    ACCOUNT = "account"


@dataclass(frozen=True)
class CallerAttempts:
    """What all who come through one caller have tried within the window."""

    attempts: int
    failures: int
    first_at: datetime


@dataclass(frozen=True)
class LoginLimit:
    """How many attempts are taken until the first of them has lapsed.

    A caller is stopped by `attempts_per_caller` failures that are at least `caller_failure_share`
    (0 to 1) of what it tries: people who mistype are few among those who do not.
    """

    attempts: int
    attempts_per_caller: int
    caller_failure_share: float
    window: timedelta

    def lapsed_at(self, now: datetime) -> datetime:
        """A first attempt at or before this time counts no more."""
        return now - self.window

    def require_name(self, attempts: int, first_at: datetime, now: datetime) -> None:
        """Raise LOGIN_LOCKED, saying when to come again, beyond a name's attempts."""
        if attempts > self.attempts:
            raise self._locked(first_at, now)

    def require_caller(self, counted: CallerAttempts, now: datetime) -> None:
        """Raise LOGIN_LOCKED for a caller that does little else than fail."""
        if self._mostly_fails(counted):
            raise self._locked(counted.first_at, now)

    def require_creator(self, counted: CallerAttempts, now: datetime) -> None:
        """Raise OVERLOADED for a caller most of whose new accounts exist: it asks who has one."""
        if self._mostly_fails(counted):
            raise DomainError(OVERLOADED, retry_after=counted.first_at + self.window - now)

    def require_recoverer(self, counted: CallerAttempts, now: datetime) -> None:
        """Raise RECOVERY_LOCKED for a caller that does little else than ask for strangers."""
        if self._mostly_fails(counted):
            raise DomainError("RECOVERY_LOCKED", retry_after=counted.first_at + self.window - now)

    def _mostly_fails(self, counted: CallerAttempts) -> bool:
        many = counted.failures >= self.attempts_per_caller
        return many and counted.failures >= self.caller_failure_share * counted.attempts

    def _locked(self, first_at: datetime, now: datetime) -> DomainError:
        return DomainError("LOGIN_LOCKED", retry_after=first_at + self.window - now)


def choose_login_name(name: str, document: Document | None, *, today: date) -> str:
    """The login name in its one spelling; the document number where none was chosen.

    Raises INVALID_REQUEST for a number of somebody else: its owner could not log in.
    """
    chosen = canonical(name)
    if document and chosen in ("", document.number):
        return document.number
    if not chosen or looks_like_document(chosen, today=today):
        problem = FieldProblem("login_name", "登录名不能为空，也不能是他人的证件号码")
        raise DomainError(INVALID_REQUEST, fields=[problem])
    return chosen
