"""A ticket as the A4 page that is printed of it, in the words and the time zone of its session."""

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from zikao_tickets.domain.session import Session, Slot
from zikao_tickets.domain.ticket import Ticket, TicketSeat
from zikao_tickets.printing.sheet import (
    REGULAR_TITLE,
    TEMPORARY_TITLE,
    SittingLine,
    TicketSheet,
)
from zikao_tickets.proof import TicketKind

WEEKDAYS = "一二三四五六日"


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
        photo_jpeg=None if ticket.without_photo else jpeg,
        version=ticket.version,
        serial=ticket.serial,
        sittings=_lines(ticket.seats, session, zone),
        notice=session.notice.paragraphs,
        notice_version=str(session.notice.version),
        qr_text=proof,
        issued_at=ticket.issued_at.astimezone(zone),
        glyph_images=ticket.glyph_images,
        title=TEMPORARY_TITLE if ticket.kind is TicketKind.TEMPORARY else REGULAR_TITLE,
    )


def _lines(
    seats: Sequence[TicketSeat], session: Session, zone: ZoneInfo
) -> tuple[SittingLine, ...]:
    slots = {slot.number: slot for slot in session.slots}
    return tuple(_line(seat, slots[seat.slot], session, zone) for seat in seats)


def _line(seat: TicketSeat, slot: Slot, session: Session, zone: ZoneInfo) -> SittingLine:
    starts, ends = slot.starts_at.astimezone(zone), slot.ends_at.astimezone(zone)
    return SittingLine(
        date=date_of(starts),
        weekday=weekday_of(starts),
        time=time_of(starts, ends),
        course_code=seat.course_code,
        course_name=session.courses[seat.course_code],
        site_name=seat.site_name,
        site_address=seat.address,
        room=seat.room_code,
        seat=seat.label,
    )


def date_of(starts: datetime) -> str:
    """'2022年4月16日'."""
    return f"{starts.year}年{starts.month}月{starts.day}日"


def weekday_of(starts: datetime) -> str:
    """'星期六'."""
    return f"星期{WEEKDAYS[starts.weekday()]}"


def time_of(starts: datetime, ends: datetime) -> str:
    """'09:00—11:30'."""
    return f"{starts:%H:%M}—{ends:%H:%M}"
