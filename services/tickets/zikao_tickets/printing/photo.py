"""The candidate's JPEG, wrapped so that the typesetter takes it without a file on disk."""

import base64
from collections.abc import Iterator

_START_OF_IMAGE = b"\xff\xd8\xff"
_END_OF_IMAGE = b"\xff\xd9"
# SOF0..SOF15 but DHT (C4), JPG (C8) and DAC (CC), which share the range.
_FRAME_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


class UnusablePhoto(ValueError):  # noqa: N818 - says what is wrong
    """The bytes are no complete JPEG: the typesetter would leave the place empty in silence."""


def photo_svg(jpeg: bytes) -> bytes:
    """Wrap a JPEG as a 3:4 SVG, the middle cut out if its shape differs.

    The typesetter takes virtual files of text only, and SVG carries the photo as text: it
    stays in memory, and its JPEG data goes into the PDF unchanged.

    Raises UnusablePhoto for anything but a whole JPEG.
    """
    if not (jpeg.startswith(_START_OF_IMAGE) and _END_OF_IMAGE in jpeg[-16:]):
        raise UnusablePhoto("not a complete JPEG")
    if not any(marker in _FRAME_MARKERS for marker in _segment_markers(jpeg)):
        raise UnusablePhoto("JPEG without a frame header")
    data = base64.b64encode(jpeg)
    return (
        b'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
        b' viewBox="0 0 300 400" width="300" height="400"><image width="300" height="400"'
        b' preserveAspectRatio="xMidYMid slice" xlink:href="data:image/jpeg;base64,'
        + data
        + b'"/></svg>'
    )


def _segment_markers(jpeg: bytes) -> Iterator[int]:
    """Walk the header segments, each `FF marker length(2)`, up to the entropy-coded data."""
    position = 2
    while position + 4 <= len(jpeg) and jpeg[position] == 0xFF:
        marker = jpeg[position + 1]
        yield marker
        position += 2 + int.from_bytes(jpeg[position + 2 : position + 4])
