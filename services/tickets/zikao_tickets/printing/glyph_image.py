"""Pictures of characters that no font has, drawn in their place."""

import struct
from io import BytesIO
from typing import Protocol

from PIL import Image, UnidentifiedImageError

from zikao_tickets.printing.pdf.images import stencil_object

MAX_SIDE_PIXELS = 512
_BLACK_BELOW = 128
_WHITE = 255
# Signature, length and name of the first chunk, width, height (ISO/IEC 15948, 5.2 and 11.2.2).
_HEADER = struct.Struct(">16sII")
_BEGINNING = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"
# Whatever Pillow makes of bytes that are none of its own.
_NO_PNG = (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError)


class UnusableGlyph(ValueError):  # noqa: N818 - says what is wrong
    """The bytes are no picture of a character: not PNG, not square, too large, or all white."""


class GlyphSource(Protocol):
    """Where pictures of characters come from: offices supply them (DOMAIN section 5)."""

    def image_for(self, char: str) -> bytes | None:
        """A square PNG of the character, black on white, or None."""


def glyph_object(png: bytes) -> bytes:
    """An image object that draws the picture's black. Raises UnusableGlyph."""
    size = _size(png)
    if size[0] != size[1] or size[0] > MAX_SIDE_PIXELS:
        raise UnusableGlyph(f"{size[0]} x {size[1]} pixels")
    try:
        with Image.open(BytesIO(png), formats=["PNG"]) as picture:
            if picture.size != size:
                raise ValueError("a second header")
            grey = picture.convert("L")
    except _NO_PNG as error:
        raise UnusableGlyph("no PNG") from error
    black = grey.point(lambda level: _WHITE * (level < _BLACK_BELOW), "1")
    if black.getbbox() is None:
        raise UnusableGlyph("nothing is drawn")
    return stencil_object(black.tobytes(), black.width, black.height)


def _size(png: bytes) -> tuple[int, int]:
    """Width and height as the file's beginning says, before anything is decoded."""
    if len(png) < _HEADER.size:
        raise UnusableGlyph("no PNG")
    beginning, width, height = _HEADER.unpack_from(png)
    if beginning != _BEGINNING:
        raise UnusableGlyph("no PNG")
    return width, height
