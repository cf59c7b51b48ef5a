"""Admission tickets on paper: sheets in, one reproducible PDF out."""

from zikao_tickets.printing.fonts import FontStack, FontStackIncomplete
from zikao_tickets.printing.glyph_image import GlyphSource, UnusableGlyph
from zikao_tickets.printing.pdf.images import UnusablePhoto
from zikao_tickets.printing.renderer import MissingGlyphs, SheetOverflow, TicketRenderer
from zikao_tickets.printing.sheet import SittingLine, TicketSheet

__all__ = [
    "FontStack",
    "FontStackIncomplete",
    "GlyphSource",
    "MissingGlyphs",
    "SheetOverflow",
    "SittingLine",
    "TicketRenderer",
    "TicketSheet",
    "UnusableGlyph",
    "UnusablePhoto",
]
