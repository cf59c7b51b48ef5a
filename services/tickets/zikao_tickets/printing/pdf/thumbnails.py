"""Small grey pictures of photos, for lists of many people."""

from io import BytesIO

from PIL import Image

_QUALITY = 70


def thumbnail(jpeg: bytes, width: int, height: int) -> bytes | None:
    """The middle of a photo in grey, as a JPEG of this size; None when it is no picture."""
    try:
        with Image.open(BytesIO(jpeg), formats=["JPEG"]) as photo:
            # Decodes only as finely as is needed.
            photo.draft("L", (width, height))
            grey = photo.convert("L")
    except (OSError, SyntaxError, Image.DecompressionBombError):
        return None
    shape = width / height
    wide, high = min(grey.width, grey.height * shape), min(grey.height, grey.width / shape)
    left, top = (grey.width - wide) / 2, (grey.height - high) / 2
    box = (left, top, left + wide, top + high)
    small = grey.resize((width, height), Image.Resampling.BILINEAR, box=box)
    out = BytesIO()
    small.save(out, "JPEG", quality=_QUALITY)
    return out.getvalue()
