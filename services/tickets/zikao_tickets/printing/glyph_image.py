"""Pictures of characters that no font has, drawn in their place."""

from io import BytesIO
from typing import Protocol

from PIL import Image, UnidentifiedImageError

from zikao_tickets.printing.pdf.images import stencil_object

MAX_SIDE_PIXELS = 512
_BLACK_BELOW = 128
_WHITE = 255


class UnusableGlyph(ValueError):  # noqa: N818 - says what is wrong
    """The bytes are no picture of a character: not PNG, not square, too large, or all white."""


class GlyphSource(Protocol):
    """Where pictures of characters come from: offices supply them (DOMAIN section 5)."""

    def image_for(self, char: str) -> bytes | None:
        """A square PNG of the character, black on white, or None."""


def glyph_object(png: bytes) -> bytes:
    """An image object that draws the picture's black. Raises UnusableGlyph."""
    try:
        with Image.open(BytesIO(png), formats=["PNG"]) as picture:
            if picture.width != picture.height or picture.width > MAX_SIDE_PIXELS:
                raise UnusableGlyph(f"{picture.width} x {picture.height} pixels")
            grey = picture.convert("L")
    except (UnidentifiedImageError, OSError, SyntaxError) as error:
        raise UnusableGlyph("no PNG") from error
    black = grey.point(lambda level: _WHITE * (level < _BLACK_BELOW), "1")
    if black.getbbox() is None:
        raise UnusableGlyph("nothing is drawn")
    return stencil_object(black.tobytes(), black.width, black.height)
