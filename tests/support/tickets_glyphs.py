"""Pictures of characters, as offices supply them."""

from __future__ import annotations

from io import BytesIO

from PIL import Image


def glyph_png(side: int = 64, *, width: int = 0, black: bool = True) -> bytes:
    """A square PNG with a thick cross in it, or one of other proportions, or all white."""
    picture = Image.new("L", (width or side, side), 255)
    if black:
        bar = side // 8
        picture.paste(0, (side // 2 - bar, 0, side // 2 + bar, side))
        picture.paste(0, (0, side // 2 - bar, side, side // 2 + bar))
    buffer = BytesIO()
    picture.convert("1").save(buffer, "PNG")
    return buffer.getvalue()
