"""Images as PDF objects: JPEG data as it is, and pictures of one bit a pixel."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from zikao_tickets.printing.pdf.syntax import stream

_START_OF_IMAGE = b"\xff\xd8\xff"
_END_OF_IMAGE = b"\xff\xd9"
# SOF0..SOF15 but DHT (C4), JPG (C8) and DAC (CC), which share the range.
_FRAME_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_COLOUR_SPACES = {1: "DeviceGray", 3: "DeviceRGB", 4: "DeviceCMYK"}


class UnusablePhoto(ValueError):  # noqa: N818 - says what is wrong
    """The bytes are no complete JPEG: its place on paper would stay empty."""


class JpegHeader(NamedTuple):
    """What a page needs to know of a JPEG."""

    width: int
    height: int
    components: int


def jpeg_header(jpeg: bytes) -> JpegHeader:
    """Size in pixels and number of colour components. Raises UnusablePhoto."""
    if not (jpeg.startswith(_START_OF_IMAGE) and _END_OF_IMAGE in jpeg[-16:]):
        raise UnusablePhoto("not a complete JPEG")
    for marker, segment in _segments(jpeg):
        if marker in _FRAME_MARKERS and len(segment) >= 6:
            height, width = int.from_bytes(segment[1:3]), int.from_bytes(segment[3:5])
            if width and height and segment[5] in _COLOUR_SPACES:
                return JpegHeader(width, height, segment[5])
    raise UnusablePhoto("JPEG without a usable frame header")


def jpeg_object(jpeg: bytes) -> bytes:
    """An image object with the JPEG's data unchanged. Raises UnusablePhoto."""
    header = jpeg_header(jpeg)
    entries = (
        f"/Type/XObject/Subtype/Image/Width {header.width}/Height {header.height}"
        f"/ColorSpace/{_COLOUR_SPACES[header.components]}/BitsPerComponent 8/Filter/DCTDecode"
    )
    if header.components == 4:  # Adobe's programs write CMYK the other way round
        entries += "/Decode[1 0 1 0 1 0 1 0]"
    return stream(jpeg, entries, packed=False)


def bilevel_object(rows: Sequence[bytes], scale: int) -> bytes:
    """An image of `rows` with a byte for each square of `scale` pixels: 1 is black, 0 white."""
    bits = b"".join(_packed(row, scale) * scale for row in rows)
    return _bitmap(bits, len(rows[0]) * scale, len(rows) * scale, "/ColorSpace/DeviceGray")


def stencil_object(bits: bytes, width: int, height: int) -> bytes:
    """An image of packed rows, each filled up to a byte: where a bit is 1 the page gets black."""
    return _bitmap(bits, width, height, "/ImageMask true")


def _bitmap(bits: bytes, width: int, height: int, kind: str) -> bytes:
    entries = f"/Type/XObject/Subtype/Image/Width {width}/Height {height}"
    return stream(bits, f"{entries}{kind}/BitsPerComponent 1/Decode[1 0]")


def _packed(row: bytes, scale: int) -> bytes:
    bits = row.replace(b"\x00", b"0" * scale).replace(b"\x01", b"1" * scale)
    padded = bits.ljust(len(bits) + -len(bits) % 8, b"0")
    return int(padded, 2).to_bytes(len(padded) // 8)


def _segments(jpeg: bytes) -> Iterator[tuple[int, bytes]]:
    """Walk the header segments, each `FF marker length(2)`, up to the entropy-coded data."""
    position = 2
    while position + 4 <= len(jpeg) and jpeg[position] == 0xFF:
        length = int.from_bytes(jpeg[position + 2 : position + 4])
        yield jpeg[position + 1], jpeg[position + 4 : position + 2 + length]
        position += 2 + length
