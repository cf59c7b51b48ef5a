"""What is printed for a room, or for the papers of a site: in the words people read."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Occasion:
    """A slot at a site."""

    session_name: str
    """'2022年4月高等教育自学考试'"""
    slot: str
    """'第1场'"""
    date: str
    """'2022年4月16日 星期六'"""
    time: str
    """'09:00—11:30'"""
    county_name: str
    site_name: str


@dataclass(frozen=True)
class SeatLine:
    """Who sits on a seat."""

    number: int
    seat: str
    """'05', as it stands on the desk."""
    name: str
    ticket_number: str
    document_number: str
    """'510000********0011': a sheet goes from desk to desk."""
    course_code: str
    course_name: str
    photo_jpeg: bytes | None = None


@dataclass(frozen=True)
class RoomSheet:
    """A room in a slot; seats in order."""

    occasion: Occasion
    room: str
    """'012'"""
    desks: Sequence[Sequence[str]]
    """Labels column by column from the front door's wall, front to back; empty: no desk."""
    seats: tuple[SeatLine, ...]
    glyph_images: tuple[tuple[str, bytes], ...] = ()
    """Characters no font has, each with a picture of it (see `glyph_image`)."""

    def courses(self) -> list[tuple[str, str, list[SeatLine]]]:
        """Code and name of each course, and who sits it."""
        found: dict[tuple[str, str], list[SeatLine]] = {}
        for seat in self.seats:
            found.setdefault((seat.course_code, seat.course_name), []).append(seat)
        return [(code, name, found[code, name]) for code, name in sorted(found)]


@dataclass(frozen=True)
class PaperLine:
    """How many papers of a course a room needs."""

    room: str
    course_code: str
    course_name: str
    papers: int


@dataclass(frozen=True)
class PaperSheet:
    """The papers of a site in a slot, by room."""

    occasion: Occasion
    lines: tuple[PaperLine, ...]

    def totals(self) -> list[PaperLine]:
        """A line for each course; `room` says in how many rooms it is sat."""
        found: dict[tuple[str, str], list[PaperLine]] = {}
        for line in self.lines:
            found.setdefault((line.course_code, line.course_name), []).append(line)
        return [
            PaperLine(str(len(lines)), code, name, sum(line.papers for line in lines))
            for (code, name), lines in sorted(found.items())
        ]
