"""When an older ticket number may be activated, and by whom (DOMAIN section 3, Activation)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from zikao_kit.errors import DomainError

from zikao_registration.domain.documents import Document
from zikao_registration.domain.recovery import is_same_name
from zikao_registration.domain.session import Session


@dataclass(frozen=True)
class Person:
    """Who is meant, as on record or as somebody says; without a document nobody is certain."""

    document: Document | None
    name: str

    def is_same(self, other: Person) -> bool:
        """Say whether both are one: the same document in any form, the same name as typed."""
        if self.document is None or other.document is None:
            return False
        same_document = self.document.person_key == other.document.person_key
        return same_document and is_same_name(self.name, other.name)


def require_activation_open(sessions: Iterable[Session], now: datetime) -> None:
    """Raise ACTIVATION_CLOSED with the window that is next, or was last, outside of all of them."""
    windows = sorted(
        (session.activation for session in sessions if session.activation),
        key=lambda window: window.opens_at,
    )
    if any(window.contains(now) for window in windows):
        return
    if not windows:
        detail = "尚未安排激活时间"
        raise DomainError("ACTIVATION_CLOSED", detail=detail, opens_at="", closes_at="")
    coming = [window for window in windows if window.opens_at > now]
    window = coming[0] if coming else windows[-1]
    opens_at, closes_at = window.opens_at.isoformat(), window.closes_at.isoformat()
    detail = f"激活时间为{opens_at}至{closes_at}"
    raise DomainError("ACTIVATION_CLOSED", detail=detail, opens_at=opens_at, closes_at=closes_at)
