"""What is printed on one admission ticket, already in the words the candidate reads."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

REGULAR_TITLE = "准考证（考试通知单）"
TEMPORARY_TITLE = "临时准考证"


@dataclass(frozen=True)
class SittingLine:
    """One course of one half-day, as one row of the ticket (DOMAIN section 5)."""

    date: str
    """'2022年4月16日'"""
    weekday: str
    """'星期六'"""
    time: str
    """'09:00—11:30'"""
    course_code: str
    course_name: str
    site_name: str
    site_address: str
    room: str
    """'012': zero-padded, as it stands on the door."""
    seat: str
    """'05'"""

    def texts(self) -> Iterator[str]:
        """Every text of the row that needs glyphs."""
        yield from (self.date, self.weekday, self.time, self.course_code, self.course_name)
        yield from (self.site_name, self.site_address, self.room, self.seat)


@dataclass(frozen=True)
class TicketSheet:
    """One A4 page: a candidate's ticket for one session (DOMAIN section 5).

    `photo_jpeg` is 3:4; where it is None the place of the photo stays empty. `issued_at` carries
    the session's time zone and is printed in it; `notice` is one string a paragraph, printed in
    full; `qr_text` is the signed proof (`zikao_tickets.proof.sign`).
    """

    session_name: str
    """'2022年4月高等教育自学考试'"""
    session_code: str
    """'22.1'"""
    name: str
    sex: str
    """'男' or '女'"""
    document_number: str
    ticket_number: str
    county_name: str
    photo_jpeg: bytes | None
    version: int
    serial: str
    sittings: tuple[SittingLine, ...]
    notice: tuple[str, ...]
    notice_version: str
    qr_text: str
    issued_at: datetime
    title: str = REGULAR_TITLE
    glyph_images: tuple[tuple[str, bytes], ...] = ()
    """Characters no font has, each with a picture of it (see `glyph_image`)."""

    def __post_init__(self) -> None:
        """Refuse a time without zone: the sheet would print another hour on another machine."""
        if self.issued_at.tzinfo is None:
            raise ValueError("issued_at needs a time zone")
        if not self.sittings:
            raise ValueError("a ticket without sittings cannot be printed")

    def texts(self) -> Iterator[str]:
        """Every text of the sheet that needs glyphs."""
        yield from (self.session_name, self.session_code, self.name, self.sex, self.title)
        yield from (self.document_number, self.ticket_number, self.county_name, self.serial)
        yield from (self.notice_version, *self.notice)
        for sitting in self.sittings:
            yield from sitting.texts()
