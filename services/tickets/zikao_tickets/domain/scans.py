"""Tickets scanned at doors: where they belong, and who was seen twice (DOMAIN section 5)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from zikao_tickets.domain.session import Session
from zikao_tickets.proof import TicketProof

# Somebody scans again when the light was bad; who comes back after this is looked at.
SAME_DOOR_WITHIN = timedelta(minutes=10)
MOST_SCANS_SHOWN = 20
# The clock of a device may be so much ahead of ours.
MAX_AHEAD = timedelta(minutes=5)


class Door(NamedTuple):
    """Where and when a device has scanned; no room at the gate of a site."""

    scan_id: UUID
    slot: int
    site_code: str
    room_code: str
    device: str
    scanned_at: datetime


class Scan(NamedTuple):
    """A ticket at a door; fields in the order of `insert_scans`."""

    scan_id: UUID
    session_code: str
    slot: int
    ticket_number: str
    version: int
    site_code: str
    room_code: str
    device: str
    scanned_at: datetime

    @classmethod
    def of(cls, proof: TicketProof, door: Door) -> "Scan":
        """What was scanned there."""
        return cls(
            scan_id=door.scan_id,
            session_code=proof.session_code,
            slot=door.slot,
            ticket_number=proof.ticket_number,
            version=proof.version,
            site_code=door.site_code,
            room_code=door.room_code,
            device=door.device,
            scanned_at=door.scanned_at,
        )


class KnownScan(NamedTuple):
    """One scan of a ticket, as it is shown."""

    site_code: str
    room_code: str
    device: str
    scanned_at: datetime
    version: int


class Place(StrEnum):
    """Whether a ticket belongs at a door; the names are those of the contract."""

    RIGHT = "right"
    OTHER_SLOT = "other_slot"
    OTHER_SITE = "other_site"
    OTHER_ROOM = "other_room"


class ScanProblem(StrEnum):
    """Why nobody can have scanned this; the names are those of the contract."""

    UNKNOWN_SLOT = "UNKNOWN_SLOT"
    WRONG_TIME = "WRONG_TIME"


class DuplicateReason(StrEnum):
    """Why somebody should look at a ticket; the names are those of the contract."""

    OTHER_PLACE = "other_place"
    OTHER_VERSION = "other_version"
    LATER = "later"
    REVOKED = "revoked"


@dataclass(frozen=True)
class DuplicateScan:
    """A ticket somebody should look at, in a slot; its first scans, by time."""

    slot: int
    ticket_number: str
    county_code: str
    reasons: Sequence[DuplicateReason]
    scans: Sequence[KnownScan]
    scan_count: int


def place_of(proof: TicketProof, door: Door) -> Place:
    """Whether the ticket belongs there."""
    sitting = next((each for each in proof.sittings if each.slot == door.slot), None)
    if sitting is None:
        return Place.OTHER_SLOT
    if sitting.site != door.site_code:
        return Place.OTHER_SITE
    return Place.RIGHT if door.room_code in ("", sitting.room) else Place.OTHER_ROOM


def scan_problem(scan: Scan, session: Session | None, now: datetime) -> ScanProblem | None:
    """Whether the session has the slot, and it was the slot's day and not in the future."""
    slots = session.slots if session else ()
    slot = next((slot for slot in slots if slot.number == scan.slot), None)
    if session is None or slot is None:
        return ScanProblem.UNKNOWN_SLOT
    zone = ZoneInfo(session.time_zone)
    scanned, begun = (at.astimezone(zone) for at in (scan.scanned_at, slot.starts_at))
    on_the_day = scanned.date() == begun.date() and scanned <= now + MAX_AHEAD
    return None if on_the_day else ScanProblem.WRONG_TIME
