"""Login names and how often a password may be tried (DOMAIN section 3, Account)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from zikao_kit.errors import INVALID_REQUEST, DomainError, FieldProblem

from zikao_registration.domain.documents import Document, canonical, looks_like_document


@dataclass(frozen=True)
class LoginLimit:
    """How many attempts count until the first of them has lapsed."""

    attempts: int
    attempts_per_caller: int
    window: timedelta

    def lapsed_at(self, now: datetime) -> datetime:
        """A first attempt at or before this time counts no more."""
        return now - self.window

    def require(self, attempts: int, allowed: int, first_at: datetime, now: datetime) -> None:
        """Raise LOGIN_LOCKED, saying when to come again, beyond the allowed attempts."""
        if attempts > allowed:
            raise DomainError("LOGIN_LOCKED", retry_after=first_at + self.window - now)


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
