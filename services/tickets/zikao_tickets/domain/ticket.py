"""A ticket with its seats, as the printed sheet and as the signed proof."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from zikao_tickets.domain.layout import seat_label
from zikao_tickets.domain.person import Person
from zikao_tickets.domain.session import Session, Slot
from zikao_tickets.printing.sheet import SittingLine, TicketSheet
from zikao_tickets.proof import ProofSitting, TicketProof, name_hash, photo_hash

WEEKDAYS = "一二三四五六日"


@dataclass(frozen=True)
class TicketSeat:
    """One seat of a ticket with what is printed of it."""

    slot: int
    course_code: str
    room_code: str
    seat_number: int
    capacity: int
    county_name: str
    site_name: str
    address: str

    @property
    def label(self) -> str:
        """The seat as printed."""
        return seat_label(self.seat_number, self.capacity)


@dataclass(frozen=True)
class Ticket:
    """A version in force; `jpeg` is None until the photo has come from registration."""

    candidate_id: UUID
    version: int
    ticket_number: str
    serial: str
    issued_at: datetime
    proof: str | None
    person: Person
    jpeg: bytes | None
    seats: tuple[TicketSeat, ...]


class Refusal(NamedTuple):
    """A ticket that cannot be printed: the error reason, and the characters or words why."""

    reason: str
    detail: str


@dataclass(frozen=True)
class PrintedTickets:
    """One PDF of the tickets that could be printed, each with its proof, and the others."""

    pdf: bytes
    tickets: Sequence[Ticket]
    refused: Sequence[tuple[Ticket, Refusal]]


def proof_of(ticket: Ticket, session_code: str, jpeg: bytes) -> TicketProof:
    """What the QR code of the ticket vouches for."""
    return TicketProof(
        session_code=session_code,
        ticket_number=ticket.ticket_number,
        version=ticket.version,
        name_hash=name_hash(ticket.person.name),
        photo_hash=photo_hash(jpeg),
        sittings=tuple(
            ProofSitting(seat.slot, seat.room_code, seat.label) for seat in ticket.seats
        ),
    )


def sheet_of(ticket: Ticket, session: Session, jpeg: bytes, proof: str) -> TicketSheet:
    """The A4 page of the ticket."""
    zone = ZoneInfo(session.time_zone)
    return TicketSheet(
        session_name=session.name,
        session_code=session.code,
        name=ticket.person.name,
        sex=ticket.person.sex,
        document_number=ticket.person.document_number,
        ticket_number=ticket.ticket_number,
        county_name=ticket.seats[0].county_name,
        photo_jpeg=jpeg,
        version=ticket.version,
        serial=ticket.serial,
        sittings=_lines(ticket.seats, session, zone),
        notice=session.notice.paragraphs,
        notice_version=str(session.notice.version),
        qr_text=proof,
        issued_at=ticket.issued_at.astimezone(zone),
    )


def _lines(
    seats: Sequence[TicketSeat], session: Session, zone: ZoneInfo
) -> tuple[SittingLine, ...]:
    slots = {slot.number: slot for slot in session.slots}
    return tuple(_line(seat, slots[seat.slot], session, zone) for seat in seats)


def _line(seat: TicketSeat, slot: Slot, session: Session, zone: ZoneInfo) -> SittingLine:
    starts, ends = slot.starts_at.astimezone(zone), slot.ends_at.astimezone(zone)
    return SittingLine(
        date=f"{starts.year}年{starts.month}月{starts.day}日",
        weekday=f"星期{WEEKDAYS[starts.weekday()]}",
        time=f"{starts:%H:%M}—{ends:%H:%M}",
        course_code=seat.course_code,
        course_name=session.courses[seat.course_code],
        site_name=seat.site_name,
        site_address=seat.address,
        room=seat.room_code,
        seat=seat.label,
    )
