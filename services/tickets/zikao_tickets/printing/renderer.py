"""Sheets to PDF: the data travels as virtual files, never as template source."""

import json
import re
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from functools import lru_cache
from importlib import resources
from typing import Any, cast

import typst

from zikao_tickets.printing.fonts import FontStack, code_point_label, default_stack
from zikao_tickets.printing.photo import photo_svg
from zikao_tickets.printing.qr import qr_svg
from zikao_tickets.printing.sheet import TicketSheet

TEMPLATE_FILE_NAME = "template.typ"
_OVERFLOW = re.compile(r"sheet-overflow:(\d+)")


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
        self._fonts = self._stack.typst_fonts
        self._template = resources.files(__package__).joinpath(TEMPLATE_FILE_NAME).read_bytes()
        # The notice is the same on every sheet of a session: look its glyphs up once.
        self._missing = lru_cache(maxsize=512)(self._stack.missing_glyphs)

    def check(self, sheet: TicketSheet) -> None:
        """Raise what would stop this sheet before it is set: MissingGlyphs, UnusablePhoto.

        A bulk run calls it sheet by sheet, so that one name does not stop a county.
        """
        missing = dict.fromkeys(char for text in sheet.texts() for char in self._missing(text))
        if missing:
            raise MissingGlyphs(sheet.ticket_number, list(missing))
        photo_svg(sheet.photo_jpeg)

    def render(self, sheets: Sequence[TicketSheet]) -> bytes:
        """One PDF with one A4 page a sheet, in order; the same sheets give the same bytes.

        Raises ValueError for no sheets, MissingGlyphs, UnusablePhoto and SheetOverflow: never
        a PDF with a box for a character, an empty photo or a second page.
        """
        if not sheets:
            raise ValueError("nothing to print")
        for sheet in sheets:
            self.check(sheet)
        try:
            pdf = typst.compile(
                cast(bytes, self._virtual_files(sheets)),  # the stubs know no dict of files
                font_paths=self._fonts,
                ignore_system_fonts=True,
                # The newest sheet dates the document: a wall clock would change the bytes.
                timestamp=_whole_second(max(sheet.issued_at for sheet in sheets)),
            )
        except typst.TypstError as error:
            raise _overflow_of(error, sheets) or error from error
        return pdf

    def _virtual_files(self, sheets: Sequence[TicketSheet]) -> dict[str, bytes]:
        batch = {
            "body_fonts": self._stack.body_families(),
            "heading_fonts": self._stack.heading_families(),
            "sheets": [_sheet_data(sheet) for sheet in sheets],
        }
        files = {"main.typ": self._template, "batch.json": json.dumps(batch).encode()}
        # Names count from 0 in every batch: the typesetter never forgets a file name.
        for number, sheet in enumerate(sheets):
            files[f"photo-{number}.svg"] = photo_svg(sheet.photo_jpeg)
            files[f"qr-{number}.svg"] = qr_svg(sheet.qr_text)
        return files


def _sheet_data(sheet: TicketSheet) -> dict[str, Any]:
    """Everything the template prints as text."""
    data = asdict(sheet)
    del data["photo_jpeg"], data["qr_text"]
    data["issued_at"] = _printed_time(sheet.issued_at)
    return data


def _whole_second(moment: datetime) -> datetime:
    """The typesetter takes no fractions."""
    return moment.astimezone(UTC).replace(microsecond=0)


def _printed_time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%S")


def _overflow_of(error: typst.TypstError, sheets: Sequence[TicketSheet]) -> SheetOverflow | None:
    found = _OVERFLOW.search(str(error))
    return SheetOverflow(sheets[int(found[1])].ticket_number) if found else None
