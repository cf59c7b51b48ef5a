"""What a candidate needs in the room (DOMAIN section 5)."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

SHOWN_DIGITS = 4


class Need(StrEnum):
    """The names are those of the contract; why somebody needs it is not kept."""

    ACCESSIBLE_SEAT = "accessible_seat"


@dataclass(frozen=True)
class Accommodation:
    """A need, as an officer has noted it."""

    ticket_number: str
    need: Need
    noted_by: str
    noted_at: datetime


def masked(ticket_number: str) -> str:
    """For the audit: '0104********'; offices find the rest in their own list."""
    return ticket_number[:SHOWN_DIGITS] + "*" * len(ticket_number[SHOWN_DIGITS:])
