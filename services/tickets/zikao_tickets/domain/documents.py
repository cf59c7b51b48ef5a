"""Documents that offices print of a county, and how far each has come."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from zikao_kit.errors import INVALID_REQUEST, DomainError, FieldProblem


class DocumentKind(StrEnum):
    """What is printed; the names are those of the contract and of `printing.documents`."""

    TICKETS = "tickets"
    SIGN_IN_SHEETS = "sign_in_sheets"
    DOOR_POSTERS = "door_posters"
    DESK_LABELS = "desk_labels"
    PAPER_COUNTS = "paper_counts"


KIND_NAMES = {
    DocumentKind.TICKETS: "准考证",
    DocumentKind.SIGN_IN_SHEETS: "考生签到表",
    DocumentKind.DOOR_POSTERS: "考场门贴",
    DocumentKind.DESK_LABELS: "桌贴",
    DocumentKind.PAPER_COUNTS: "试卷分发清单",
}


class DocumentState(StrEnum):
    """open → done; open or done → cancelled."""

    OPEN = "open"
    DONE = "done"
    CANCELLED = "cancelled"


@dataclass(frozen=True)
class Scope:
    """What of a county is printed; None for all."""

    site_code: str | None = None
    slot: int | None = None


@dataclass(frozen=True)
class Document:
    """A document of one arrangement as it was at `as_of`."""

    document_id: UUID
    session_code: str
    county_code: str
    kind: DocumentKind
    scope: Scope
    arrangement_id: UUID
    as_of: datetime
    total: int
    """Tickets, rooms, or sites and slots."""
    started_by: str
    notice_version: int | None = None
    """Of tickets: the examination notice that they show."""
    state: DocumentState = DocumentState.OPEN
    position: int = 0
    """In lists."""

    def require_alive(self, in_force: UUID | None) -> None:
        """Raise DomainError DOCUMENT_CANCELLED, or DOCUMENT_EXPIRED after another arrangement."""
        if self.state is DocumentState.CANCELLED:
            raise DomainError("DOCUMENT_CANCELLED")
        if self.arrangement_id != in_force:
            raise DomainError("DOCUMENT_EXPIRED")

    def require_notice(self, version: int) -> None:
        """Raise DomainError DOCUMENT_EXPIRED when another notice counts: it shows one alone."""
        if self.notice_version not in {None, version}:
            raise DomainError("DOCUMENT_EXPIRED")


@dataclass(frozen=True)
class Progress:
    """How far a document has come."""

    done: int = 0
    pages: int = 0
    size: int = 0
    left_out: int = 0


class LeftOut(NamedTuple):
    """A ticket that could not be printed when its part was made."""

    ticket_number: str
    reason: str


@dataclass(frozen=True)
class DocumentPart:
    """A part that was made once: what must be known to make it again, and to go on after it."""

    number: int
    first: tuple[str, ...]
    """The item after which it begins; empty for the beginning."""
    last: tuple[str, ...]
    done: int
    """Items up to and with the last one."""
    pages: int
    size: int
    sha256: bytes
    growth: bytes
    left_out: tuple[LeftOut, ...]


class Cursor(NamedTuple):
    """A place in a document: a part, and how many of its bytes the reader has."""

    part: int
    offset: int = 0

    @classmethod
    def from_text(cls, text: str) -> "Cursor":
        """The inverse of `str`; empty text is the beginning."""
        part, _, offset = text.partition("+")
        return cls(int(part or 0), int(offset or 0))

    def __str__(self) -> str:
        """'12+1048576', or '12' at its beginning."""
        return f"{self.part}+{self.offset}" if self.offset else str(self.part)


def no_such_place() -> DomainError:
    """The cursor is of another document, or of none."""
    return DomainError(INVALID_REQUEST, fields=[FieldProblem("cursor", "游标无效")])
