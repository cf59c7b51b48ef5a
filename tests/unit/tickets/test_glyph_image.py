"""Pictures of characters: whatever bytes come, they are drawn or said to be unusable."""

import random
import struct
import zlib

import pytest
from support.tickets_glyphs import glyph_png
from zikao_tickets.printing.glyph_image import UnusableGlyph, glyph_object

PICTURE = glyph_png()
AFTER_HEADER = 33
CHUNKS = (b"tRNS", b"pHYs", b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"IHDR", b"PLTE")


def chunk(name: bytes, data: bytes) -> bytes:
    """A chunk with the right check sum."""
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def with_chunk(name: bytes, data: bytes) -> bytes:
    """The picture with one more chunk."""
    return PICTURE[:AFTER_HEADER] + chunk(name, data) + PICTURE[AFTER_HEADER:]


def sized(width: int, height: int) -> bytes:
    """The picture, said to be of another size."""
    header = chunk(b"IHDR", struct.pack(">II", width, height) + PICTURE[24:29])
    return PICTURE[:8] + header + PICTURE[AFTER_HEADER:]


@pytest.mark.parametrize(
    "png",
    [
        sized(40_000, 40_000),
        sized(0x7FFF_FFFF, 0x7FFF_FFFF),
        sized(0, 0),
        with_chunk(b"IHDR", struct.pack(">II", 40_000, 40_000) + PICTURE[24:29]),
        with_chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(5_000_000))),
        with_chunk(b"cHRM", b""),
        with_chunk(b"fcTL", b""),
        PICTURE[:20],
        PICTURE[:60],
        b"",
    ],
    ids=range(10),
)
def test_a_hostile_picture_is_unusable(png: bytes) -> None:
    """Enormous sizes, compressed bombs, cut chunks: said before much is decoded."""
    with pytest.raises(UnusableGlyph):
        glyph_object(png)


def test_whatever_bytes_are_drawn_or_unusable() -> None:
    """No other error comes of changed bytes and strange chunks: it would be our fault."""
    draw, drawn = random.Random(1), 0
    for _ in range(1500):
        changed = bytearray(PICTURE)
        changed[draw.randrange(len(changed))] = draw.randrange(256)
        for png in (bytes(changed), with_chunk(draw.choice(CHUNKS), draw.randbytes(9))):
            try:
                drawn += bool(glyph_object(png))
            except UnusableGlyph:
                continue
    assert drawn > 100
