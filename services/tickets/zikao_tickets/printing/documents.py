"""What offices print of rooms and sites, in documents of parts (see `pdf.document`)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from zikao_tickets.printing.desk_labels import draw_desk_labels
from zikao_tickets.printing.door_poster import draw_door_poster
from zikao_tickets.printing.fitting import Fitting
from zikao_tickets.printing.fonts import FontStack, default_stack
from zikao_tickets.printing.glyph_image import glyph_object
from zikao_tickets.printing.paper_counts import draw_paper_counts
from zikao_tickets.printing.pdf.document import HEADER, Document, Part
from zikao_tickets.printing.pen import Pen
from zikao_tickets.printing.room_sheets import PaperSheet, RoomSheet
from zikao_tickets.printing.sign_in import draw_sign_in_sheet

SIGN_IN_SHEETS = "sign_in_sheets"
DOOR_POSTERS = "door_posters"
DESK_LABELS = "desk_labels"
PAPER_COUNTS = "paper_counts"

_DRAWERS: Mapping[str, Callable[[Pen, Any], None]] = {
    SIGN_IN_SHEETS: draw_sign_in_sheet,
    DOOR_POSTERS: draw_door_poster,
    DESK_LABELS: draw_desk_labels,
    PAPER_COUNTS: draw_paper_counts,
}


@dataclass(frozen=True)
class Heading:
    """What a document is, the same for all its parts."""

    kind: str
    title: str
    created_at: datetime


class SheetPrinter:
    """Draws the sheets of rooms and sites with one font stack."""

    def __init__(self, stack: FontStack | None = None) -> None:
        """Load the fonts. Raises FontStackIncomplete."""
        self._stack = stack or default_stack()
        self._fitting = Fitting(self._stack.faces)

    def document(self, heading: Heading) -> Document:
        """A document of any kind, tickets too."""
        return Document(self._stack.faces, heading.title, heading.created_at)

    def draw(self, part: Part, kind: str, sheet: RoomSheet | PaperSheet) -> None:
        """Add the pages of a sheet."""
        pictures = sheet.glyph_images if isinstance(sheet, RoomSheet) else ()
        images = {char: part.add(glyph_object(png)) for char, png in pictures}
        _DRAWERS[kind](Pen(part, self._stack.faces, self._fitting, images), sheet)

    def render(self, heading: Heading, sheets: Sequence[RoomSheet | PaperSheet]) -> bytes:
        """A whole document."""
        document = self.document(heading)
        part = document.part(document.start)
        for sheet in sheets:
            self.draw(part, heading.kind, sheet)
        pages, growth = part.finish()
        return HEADER + pages + document.close([growth])
