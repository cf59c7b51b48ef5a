"""Versions of a ticket: why they are issued, and what was changed (DOMAIN section 5)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from zikao_kit.errors import NOT_FOUND, DomainError

from zikao_tickets.domain.ticket import Ticket, TicketSeat
from zikao_tickets.proof import TicketKind

MAX_BY_OFFICES = 5
BY_OFFICES_WITHIN = timedelta(days=1)


class TicketReason(StrEnum):
    """Why a version was issued; the names are those of the contract."""

    ARRANGED = "arranged"
    REARRANGED = "rearranged"
    LOST = "lost"
    DAMAGED = "damaged"
    NAME_FIXED = "name_fixed"
    PHOTO_FIXED = "photo_fixed"
    TEMPORARY = "temporary"
    KEY_RETIRED = "key_retired"
    SITE_CORRECTED = "site_corrected"


@dataclass(frozen=True)
class Issue:
    """What a new version is to be; None: as the one before."""

    reason: TicketReason
    kind: TicketKind | None = TicketKind.REGULAR
    without_photo: bool | None = False


@dataclass(frozen=True)
class ReissueTicket:
    """The act by which an office replaces a ticket by a regular one."""

    ticket_number: str
    reason: TicketReason
    note: str
    name = "reissue_ticket"

    @property
    def issue(self) -> Issue:
        """What the new version is to be."""
        return Issue(self.reason)


@dataclass(frozen=True)
class IssueTemporaryTicket:
    """The act by which an office replaces a ticket by a temporary one."""

    ticket_number: str
    without_photo: bool
    note: str
    name = "issue_temporary_ticket"

    @property
    def issue(self) -> Issue:
        """What the new version is to be."""
        return Issue(TicketReason.TEMPORARY, TicketKind.TEMPORARY, self.without_photo)


@dataclass(frozen=True)
class TicketVersion:
    """One version; `issued_by` is empty for a publication, `revoked_at` None while in force."""

    candidate_id: UUID
    county_code: str
    version: int
    serial: str
    kind: TicketKind
    reason: TicketReason
    issued_at: datetime
    issued_by: str
    revoked_at: datetime | None
    without_photo: bool
    print_count: int


@dataclass(frozen=True)
class ReplacedTicket:
    """A version whose place another has taken."""

    version: int
    revoked_at: datetime
    seats: tuple[TicketSeat, ...]


@dataclass(frozen=True)
class ShownTicket:
    """A ticket as its candidate sees it."""

    ticket: Ticket
    about: TicketVersion
    replaced: ReplacedTicket | None

    @property
    def changed_slots(self) -> list[int]:
        """Slots in which something is otherwise than in the version before, ascending."""
        if self.replaced is None:
            return []
        changed = set(self.ticket.seats) ^ set(self.replaced.seats)
        return sorted({seat.slot for seat in changed})


def require_few(issued_by_offices: int) -> None:
    """Raise DomainError TOO_MANY_VERSIONS after as many within BY_OFFICES_WITHIN as may be."""
    if issued_by_offices >= MAX_BY_OFFICES:
        raise DomainError("TOO_MANY_VERSIONS", limit=MAX_BY_OFFICES)


def in_force(versions: Sequence[TicketVersion]) -> TicketVersion:
    """The one that was not revoked; raises DomainError NOT_FOUND."""
    for version in versions:
        if version.revoked_at is None:
            return version
    raise DomainError(NOT_FOUND)
