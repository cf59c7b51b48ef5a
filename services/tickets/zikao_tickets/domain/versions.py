"""Versions of a ticket: why they are issued, and what was changed (DOMAIN section 5)."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from zikao_kit.errors import DomainError

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


def require_few_of_officer(issued: int, limit: int) -> None:
    """Raise DomainError TOO_MANY_VERSIONS_BY_OFFICER after `limit` within BY_OFFICES_WITHIN.

    Each revokes a ticket that is in somebody's hands: one account must not void a county.
    """
    if issued >= limit:
        raise DomainError("TOO_MANY_VERSIONS_BY_OFFICER", limit=limit)
