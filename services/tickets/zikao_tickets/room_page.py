"""Rooms and sites as the sheets that are printed of them, in the words of their session."""

from collections.abc import Iterable, Mapping, Sequence
from zoneinfo import ZoneInfo

from zikao_kit.masking import mask_document

from zikao_tickets.domain.layout import RoomPlan, seat_label
from zikao_tickets.domain.occupancy import OccupiedRoom, PaperCount, SitePlace
from zikao_tickets.domain.session import Session
from zikao_tickets.page import date_of, time_of, weekday_of
from zikao_tickets.printing.glyph_image import GlyphSource
from zikao_tickets.printing.room_sheets import (
    Occasion,
    PaperLine,
    PaperSheet,
    RoomSheet,
    SeatLine,
)


def room_sheet_of(room: OccupiedRoom, session: Session, glyphs: GlyphSource) -> RoomSheet:
    """A room with who sits in it."""
    seats = tuple(
        SeatLine(
            number=seat.seat_number,
            seat=seat_label(seat.seat_number, room.plan.capacity),
            name=seat.person.name,
            ticket_number=seat.ticket_number,
            document_number=mask_document(seat.person.document_number),
            course_code=seat.course_code,
            course_name=session.courses[seat.course_code],
            photo_jpeg=seat.jpeg,
        )
        for seat in room.seats
    )
    return RoomSheet(
        occasion=_occasion(room.place, session),
        room=room.plan.code,
        desks=_desks(room.plan),
        seats=seats,
        glyph_images=pictures_of((seat.name for seat in seats), glyphs),
    )


def paper_sheet_of(place: SitePlace, counts: Sequence[PaperCount], session: Session) -> PaperSheet:
    """The papers of a site in a slot."""
    return PaperSheet(
        occasion=_occasion(place, session),
        lines=tuple(
            PaperLine(
                count.room_code, count.course_code, session.courses[count.course_code], count.papers
            )
            for count in counts
        ),
    )


def pictures_of(texts: Iterable[str], glyphs: GlyphSource) -> tuple[tuple[str, bytes], ...]:
    """The pictures that offices have supplied for characters of the texts."""
    found: Mapping[str, bytes | None] = {
        char: glyphs.image_for(char) for char in sorted({char for text in texts for char in text})
    }
    return tuple((char, png) for char, png in found.items() if png is not None)


def _occasion(place: SitePlace, session: Session) -> Occasion:
    zone = ZoneInfo(session.time_zone)
    (slot,) = (slot for slot in session.slots if slot.number == place.slot)
    starts, ends = slot.starts_at.astimezone(zone), slot.ends_at.astimezone(zone)
    return Occasion(
        session_name=session.name,
        slot=f"第{place.slot}场",
        date=f"{date_of(starts)} {weekday_of(starts)}",
        time=time_of(starts, ends),
        county_name=place.county_name,
        site_name=place.site_name,
    )


def _desks(plan: RoomPlan) -> tuple[tuple[str, ...], ...]:
    return tuple(
        tuple(seat_label(number, plan.capacity) if number else "" for number in column)
        for column in plan.desks()
    )
