"""A ticket with its seats, and what became of it at the printer."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from zikao_kit.errors import DomainError

from zikao_tickets.domain.glyphs import glyph_id
from zikao_tickets.domain.layout import seat_label
from zikao_tickets.domain.person import Person
from zikao_tickets.proof import TicketKind

NAME_NOT_PRINTABLE = "NAME_NOT_PRINTABLE"
PHOTO_PENDING = "PHOTO_PENDING"
PHOTO_UNUSABLE = "PHOTO_UNUSABLE"
TICKET_TOO_LONG = "TICKET_TOO_LONG"


@dataclass(frozen=True)
class TicketSeat:
    """One seat of a ticket with what is printed of it."""

    slot: int
    course_code: str
    site_code: str
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
    """A version in force; `jpeg` is None until the photo has come from registration.

    It is NO_PHOTO where an office has issued the ticket `without_photo`.
    """

    candidate_id: UUID
    version: int
    ticket_number: str
    serial: str
    issued_at: datetime
    proof: str | None
    person: Person
    jpeg: bytes | None
    seats: tuple[TicketSeat, ...]
    kind: TicketKind = TicketKind.REGULAR
    without_photo: bool = False
    glyph_images: tuple[tuple[str, bytes], ...] = ()
    """Characters of the name that an office has supplied a PNG of, as of the first print."""

    @property
    def first_print(self) -> "FirstPrint":
        """What is fixed when it is printed for the first time; it has a proof and a photo."""
        assert self.proof is not None, "a ticket without proof is not printed"
        assert self.jpeg is not None, "a ticket without photo is not printed"
        glyphs = b"".join(glyph_id(*each) for each in self.glyph_images)
        return FirstPrint(self.proof, self.person, hashlib.sha256(self.jpeg).digest(), glyphs)

    def with_pictures(self, pictures: Sequence[tuple[str, bytes]]) -> "Ticket":
        """The same with those of the pictures that are of characters of the name."""
        mine = tuple(picture for picture in pictures if picture[0] in self.person.name)
        return replace(self, glyph_images=mine)


class FirstPrint(NamedTuple):
    """What every print of a version shows, whatever changes after the first one."""

    proof: str
    person: Person
    photo_sha256: bytes
    glyphs: bytes | None
    """Ids of the pictures in the name; None where a process of before has printed."""

    def is_shown(self, drawn: "FirstPrint") -> bool:
        """Whether what was drawn is this."""
        return drawn == (self._replace(glyphs=drawn.glyphs) if self.glyphs is None else self)


class KeptVersion(NamedTuple):
    """A version as it stands; no `first_print` until it has been printed."""

    is_revoked: bool
    first_print: FirstPrint | None = None


class Refusal(NamedTuple):
    """A ticket that cannot be printed: the error reason, and the characters no font has."""

    reason: str
    characters: str = ""

    def to_error(self) -> DomainError:
        """The refusal as its bearer is told."""
        if self.reason == NAME_NOT_PRINTABLE:
            return DomainError(self.reason, characters=self.characters)
        return DomainError(self.reason)


@dataclass(frozen=True)
class PrintedTickets:
    """One PDF of the tickets that could be printed, each with its proof, and the others."""

    pdf: bytes
    tickets: Sequence[Ticket]
    refused: Sequence[tuple[Ticket, Refusal]]
