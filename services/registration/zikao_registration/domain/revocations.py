"""How far somebody has heard of revoked logins.

A place is what the database showed when they last asked (a snapshot's text): the next answer is
what it shows now and did not then. While an answer needs several pages, both ends are kept.
A place that the database has not reached is of another cluster, before a restore: such a
reader begins anew.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from uuid import UUID

from zikao_kit.errors import INVALID_REQUEST, DomainError, FieldProblem

# Nothing is visible in it.
BEFORE_EVERYTHING = "1:1:"
_SNAPSHOT = r"[0-9]{1,20}:[0-9]{1,20}:(?:[0-9]{1,20}(?:,[0-9]{1,20})*)?"
_LAST_SHOWN = r"([0-9]{1,20})/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"
_CURSOR = re.compile(rf"({_SNAPSHOT})(?:/({_SNAPSHOT})/{_LAST_SHOWN})?", re.ASCII)
_FIRST_ID = UUID(int=0)


@dataclass(frozen=True)
class RevocationCursor:
    """What was seen (`seen`); on a later page what is being shown, and the last that was."""

    seen: str = BEFORE_EVERYTHING
    showing: str = ""
    after_xid: str = "0"
    after_login: UUID = _FIRST_ID

    @classmethod
    def parse(cls, text: str) -> RevocationCursor:
        """Read the text back; '' is the beginning. Raises DomainError INVALID_REQUEST."""
        if not text:
            return cls()
        found = _CURSOR.fullmatch(text)
        if found is None:
            raise DomainError(INVALID_REQUEST, fields=[FieldProblem("cursor", "游标无效")])
        seen, showing, xid, login_id = found.groups()
        return cls(seen, showing, xid, UUID(login_id)) if showing else cls(seen)

    def __str__(self) -> str:
        """Return the text for the wire."""
        if not self.showing:
            return self.seen
        return f"{self.seen}/{self.showing}/{self.after_xid}/{self.after_login}"

    def is_ahead_of(self, snapshot: str) -> bool:
        """Say whether it has seen transactions that have not begun in `snapshot`."""
        return _end(self.showing or self.seen) > _end(snapshot)

    def after(self, xid: str, login_id: UUID) -> RevocationCursor:
        """The next page of the same answer."""
        return replace(self, after_xid=xid, after_login=login_id)

    def done(self) -> RevocationCursor:
        """All of the answer has been seen."""
        return RevocationCursor(self.showing)


def _end(snapshot: str) -> int:
    """The first transaction id that had not been given out (xmax)."""
    return int(snapshot.split(":")[1])
