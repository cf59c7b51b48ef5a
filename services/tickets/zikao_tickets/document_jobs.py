"""What rendering processes do for documents: plain values in, bytes out."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from zikao_tickets.domain.ticket import Refusal
from zikao_tickets.printing.documents import Heading, SheetPrinter
from zikao_tickets.printing.pdf.document import HEADER, Growth
from zikao_tickets.printing.room_sheets import PaperSheet, RoomSheet
from zikao_tickets.printing.sheet import TicketSheet
from zikao_tickets.ticket_jobs import draw_ticket

Sheets = Sequence[TicketSheet | RoomSheet | PaperSheet]


@dataclass(frozen=True)
class PartJob:
    """A part to be made; `before` is the growth of the part before it, none of the first."""

    heading: Heading
    before: bytes | None
    sheets: Sheets


class MadePart(NamedTuple):
    """A part; a refusal or None for every sheet, in order."""

    content: bytes
    pages: int
    growth: bytes
    refusals: list[Refusal | None]


def make_part(job: PartJob) -> MadePart:
    """Draw the sheets; the first part begins with the document's own beginning."""
    printer = _printer()
    document = printer.document(job.heading)
    place = Growth.from_bytes(job.before).after if job.before else document.start
    part = document.part(place)
    refusals: list[Refusal | None] = []
    for sheet in job.sheets:
        if isinstance(sheet, TicketSheet):
            refusals.append(draw_ticket(part, sheet))
        else:
            printer.draw(part, job.heading.kind, sheet)
            refusals.append(None)
    content, growth = part.finish()
    beginning = b"" if job.before else HEADER
    return MadePart(beginning + content, growth.pages, growth.to_bytes(), refusals)


def make_end(heading: Heading, growths: Sequence[bytes]) -> bytes:
    """What comes after the last part."""
    return _printer().document(heading).close(map(Growth.from_bytes, growths))


@lru_cache(maxsize=1)
def _printer() -> SheetPrinter:
    return SheetPrinter()
