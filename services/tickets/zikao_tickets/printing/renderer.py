"""Sheets to PDF."""

from collections.abc import Sequence
from functools import lru_cache

from zikao_tickets.printing.fitting import TextTooLong
from zikao_tickets.printing.fonts import FontStack, code_point_label, default_stack
from zikao_tickets.printing.forms import FormKey, Forms, NoticeTooLong
from zikao_tickets.printing.pdf.document import HEADER, Document, Part
from zikao_tickets.printing.pdf.images import jpeg_header
from zikao_tickets.printing.sheet import REGULAR_TITLE, TicketSheet
from zikao_tickets.printing.ticket_page import TicketPages

# Places are of one width, whatever the session.
ANY_FORM = FormKey("", REGULAR_TITLE, rows=1, notice=(), notice_version="1")


class MissingGlyphs(ValueError):  # noqa: N818 - says what is wrong
    """No font of the stack draws some characters of a sheet (DOMAIN section 5)."""

    def __init__(self, ticket_number: str, characters: Sequence[str]) -> None:
        """Keep whose sheet it is and each missing character once."""
        self.ticket_number = ticket_number
        self.characters = tuple(characters)
        labels = ", ".join(code_point_label(char) for char in characters)
        super().__init__(f"ticket {ticket_number}: no glyph for {labels}")


class SheetOverflow(ValueError):  # noqa: N818 - says what is wrong
    """A sheet does not fit on one page even with its notice in the smallest type."""

    def __init__(self, ticket_number: str) -> None:
        """Keep whose sheet it is."""
        self.ticket_number = ticket_number
        super().__init__(f"ticket {ticket_number}: does not fit on one page")


class TicketRenderer:
    """Renders tickets with one font stack; built once, safe to share between threads."""

    def __init__(self, stack: FontStack | None = None) -> None:
        """Load fonts and template: a few hundred milliseconds. Raises FontStackIncomplete."""
        self._stack = stack or default_stack()
        self._pages = TicketPages(self._stack.faces)
        self._forms = Forms(self._stack)
        # The notice is the same on every sheet of a session: look its glyphs up once.
        self.missing = lru_cache(maxsize=512)(self._stack.missing_glyphs)
        """The characters of a text that no font has."""

    def check(self, sheet: TicketSheet) -> None:
        """Raise what would stop this sheet before it is set: MissingGlyphs, UnusablePhoto.

        A bulk run calls it sheet by sheet, so that one name does not stop a county.
        """
        missing = dict.fromkeys(char for text in sheet.texts() for char in self.missing(text))
        for char, _ in sheet.glyph_images:
            missing.pop(char, None)
        if missing:
            raise MissingGlyphs(sheet.ticket_number, list(missing))
        if sheet.photo_jpeg is not None:
            jpeg_header(sheet.photo_jpeg)

    def text_problem(self, place: str, text: str) -> str:
        """Why a text cannot stand in its place on a ticket, in Chinese; empty when it can.

        Without a place it may take as many lines as it needs.
        """
        if missing := self.missing(text):
            return f"中的{'、'.join(map(code_point_label, missing))}没有字体可印"
        if place and not self._pages.fits(text, self._forms.get(ANY_FORM).boxes[place]):
            return "过长，准考证上印不下"
        return ""

    def render(self, sheets: Sequence[TicketSheet]) -> bytes:
        """One PDF with one A4 page a sheet, in order; the same sheets give the same bytes.

        Raises ValueError for no sheets, MissingGlyphs, UnusablePhoto and SheetOverflow: never
        a PDF with a box for a character, an empty photo or a second page.
        """
        if not sheets:
            raise ValueError("nothing to print")
        document = self.document(sheets)
        part = document.part(document.start)
        for sheet in sheets:
            self.draw(part, sheet)
        pages, growth = part.finish()
        return HEADER + pages + document.close([growth])

    def document(self, sheets: Sequence[TicketSheet]) -> Document:
        """A document for these sheets.

        The newest sheet dates it: a wall clock would change the bytes.
        """
        newest = max(sheet.issued_at for sheet in sheets)
        return Document(self._stack.faces, sheets[0].session_name + sheets[0].title, newest)

    def draw(self, part: Part, sheet: TicketSheet) -> None:
        """Add the page of a sheet.

        Raises MissingGlyphs, UnusablePhoto and SheetOverflow, with nothing added.
        """
        self.check(sheet)
        key = FormKey.of(sheet)
        try:
            self._pages.draw(part, self._forms.get(key), key.name, sheet)
        except (TextTooLong, NoticeTooLong) as error:
            raise SheetOverflow(sheet.ticket_number) from error
