"""What rendering processes do for tickets: sheets in, bytes out."""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from zikao_tickets.domain.ticket import (
    NAME_NOT_PRINTABLE,
    PHOTO_UNUSABLE,
    TICKET_TOO_LONG,
    Refusal,
)
from zikao_tickets.printing import (
    MissingGlyphs,
    SheetOverflow,
    TicketRenderer,
    TicketSheet,
    UnusablePhoto,
)
from zikao_tickets.printing.glyph_image import UnusableGlyph, glyph_object
from zikao_tickets.printing.pdf.document import HEADER, Part


class Printed(NamedTuple):
    """One page for every sheet without refusal, in order; no bytes when there is none."""

    pdf: bytes
    refusals: list[Refusal | None]


def print_tickets(sheets: Sequence[TicketSheet]) -> Printed:
    """One document of the sheets that can be printed."""
    if not sheets:
        return Printed(b"", [])
    document = _renderer().document(sheets)
    part = document.part(document.start)
    refusals = [draw_ticket(part, sheet) for sheet in sheets]
    pages, growth = part.finish()
    pdf = HEADER + pages + document.close([growth]) if growth.pages else b""
    return Printed(pdf, refusals)


def draw_ticket(part: Part, sheet: TicketSheet) -> Refusal | None:
    """Add the sheet's page, or say why it has none."""
    try:
        _renderer().draw(part, sheet)
    except MissingGlyphs as error:
        return Refusal(NAME_NOT_PRINTABLE, "".join(error.characters))
    except UnusablePhoto:
        return Refusal(PHOTO_UNUSABLE)
    except SheetOverflow:
        return Refusal(TICKET_TOO_LONG)
    return None


def missing_glyphs(texts: Sequence[str]) -> list[str]:
    """The characters of each text that no font draws."""
    return ["".join(_renderer().missing(text)) for text in texts]


def text_problems(texts: Sequence[tuple[str, str]]) -> list[str]:
    """What is wrong with each text in its place on a ticket, in Chinese ("": nothing)."""
    return [_renderer().text_problem(place, text) for place, text in texts]


def judge_glyph(character: str, png: bytes) -> tuple[bool, str]:
    """Whether the character needs a picture, and what is wrong with this one ("": nothing)."""
    try:
        glyph_object(png)
    except UnusableGlyph as error:
        return bool(_renderer().missing(character)), str(error)
    return bool(_renderer().missing(character)), ""


@lru_cache(maxsize=1)
def _renderer() -> TicketRenderer:
    return TicketRenderer()
