"""Decodes what candidates upload and makes clean JPEGs of it: no metadata, no surprises.

An upload is hostile until decoded: bombs are refused by their header, before any pixel is
decoded, and only the JPEG decoder is ever asked. Big ones are decoded at a half, a quarter or
an eighth of their size, as far as that loses nothing that is kept.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from PIL import ExifTags, Image, ImageChops
from zikao_kit.errors import DomainError

from zikao_registration.domain import photos
from zikao_registration.domain.photos import PhotoFacts

PHOTO_WIDTH_PIXELS = 480
PHOTO_HEIGHT_PIXELS = 640
# Twice what is kept: the rest is scaled down with care.
PHOTO_DECODED_SIDE_PIXELS = 2 * PHOTO_HEIGHT_PIXELS
MATERIAL_MAX_SIDE_PIXELS = 2400
# With the photo it fits the 4 MiB that gRPC's clients take by default.
MATERIAL_MAX_BYTES = 3 * 1024 * photos.KIBIBYTE
JPEG_QUALITIES = (92, 85, 75, 65)
# Pillow counts hue, saturation and value from 0 to 255: hue 175 to 260 degrees.
LIGHT_BLUE_HUES = (124, 184)
LIGHT_BLUE_MIN_SATURATION = 25
LIGHT_BLUE_MIN_VALUE = 150

# What puts a picture upright, by EXIF's orientation; from 5 on width and height are exchanged.
# Not `ImageOps.exif_transpose`: it writes the EXIF again, and fails on what cameras put there.
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_LYING = range(5, 9)
_NO_JPEG = "不是完整的JPEG文件"
_TOO_MANY_PIXELS = f"像素过多，最多{photos.IMAGE_MAX_PIXELS // 10_000}万"

Refusal = Callable[[str], DomainError]


@dataclass(frozen=True)
class EncodedPhoto:
    """A photo as it is stored, and what was measured of it."""

    jpeg: bytes
    facts: PhotoFacts


def encode_photo(original: bytes) -> EncodedPhoto:
    """Re-encode a photo as 480x640 JPEG and measure it.

    Raises PHOTO_REFUSED for what is no JPEG, too large, or of another shape than 3:4.
    """
    image = _open(original, photos.photo_refused)
    with _refusing(photos.photo_refused):
        width, height = _upright_size(image)
    photos.check_shape(width, height)
    upright = _decode(image, PHOTO_DECODED_SIDE_PIXELS, photos.photo_refused)
    scaled = upright.resize((PHOTO_WIDTH_PIXELS, PHOTO_HEIGHT_PIXELS), Image.Resampling.LANCZOS)
    jpeg = _encode(scaled, photos.PHOTO_MAX_BYTES)
    return EncodedPhoto(jpeg, PhotoFacts(width, height, len(jpeg), light_blue_share(scaled)))


def encode_material(original: bytes) -> bytes:
    """Re-encode identity material, at most 2400 pixels a side, 3 MiB; raises MATERIAL_REFUSED."""
    opened = _open(original, _material_refused)
    image = _decode(opened, MATERIAL_MAX_SIDE_PIXELS, _material_refused)
    image.thumbnail((MATERIAL_MAX_SIDE_PIXELS, MATERIAL_MAX_SIDE_PIXELS))
    return _encode(image, MATERIAL_MAX_BYTES)


def light_blue_share(image: Image.Image) -> float:
    """Share of light-blue pixels where a passport photo has background: top, left and right."""
    width, height = image.size
    side, top = width // 8, height // 12
    regions = [(0, 0, width, top), (0, 0, side, height // 2), (width - side, 0, width, height // 2)]
    counts = [_count_light_blue(image.crop(region)) for region in regions]
    return sum(blue for blue, _ in counts) / sum(total for _, total in counts)


def _count_light_blue(region: Image.Image) -> tuple[int, int]:
    hue, saturation, value = region.convert("HSV").split()
    low, high = LIGHT_BLUE_HUES
    mask = ImageChops.multiply(
        hue.point([255 if low <= level <= high else 0 for level in range(256)]),
        ImageChops.multiply(
            saturation.point([255 * (level >= LIGHT_BLUE_MIN_SATURATION) for level in range(256)]),
            value.point([255 * (level >= LIGHT_BLUE_MIN_VALUE) for level in range(256)]),
        ),
    )
    return mask.histogram()[255], region.width * region.height


def _open(original: bytes, refused: Refusal) -> Image.Image:
    """Read the header, and no pixel."""
    if len(original) > photos.PHOTO_ORIGINAL_MAX_BYTES:
        raise refused("文件不能超过5MB")
    with _refusing(refused):
        image = Image.open(io.BytesIO(original), formats=["JPEG"])
    if image.width * image.height > photos.IMAGE_MAX_PIXELS:
        raise refused(_TOO_MANY_PIXELS)
    return image


def _orientation(image: Image.Image) -> int:
    orientation: int = image.getexif().get(ExifTags.Base.Orientation, 1)
    return orientation


def _upright_size(image: Image.Image) -> tuple[int, int]:
    return (image.height, image.width) if _orientation(image) in _LYING else image.size


def _decode(image: Image.Image, side_pixels: int, refused: Refusal) -> Image.Image:
    """Return the upright picture in RGB, its longer side reduced, to `side_pixels` at least."""
    with _refusing(refused):
        share = side_pixels / max(image.size)
        if share < 1:
            image.draft(None, (max(1, int(image.width * share)), max(1, int(image.height * share))))
        turn = _TURNS.get(_orientation(image))
        return (image if turn is None else image.transpose(turn)).convert("RGB")


@contextmanager
def _refusing(refused: Refusal) -> Iterator[None]:
    """What Pillow raises for a damaged file or a bomb, in our words."""
    try:
        yield
    except Image.DecompressionBombError:
        raise refused(_TOO_MANY_PIXELS) from None
    except (OSError, SyntaxError, ValueError, struct.error):
        raise refused(_NO_JPEG) from None


def _encode(image: Image.Image, max_bytes: int) -> bytes:
    """The best quality that fits, else the smallest; a fresh image carries no metadata."""
    jpeg = b""
    for quality in JPEG_QUALITIES:
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=quality, exif=b"", icc_profile=b"", comment=b"")
        jpeg = buffer.getvalue()
        if len(jpeg) <= max_bytes:
            break
    return jpeg


def _material_refused(detail: str) -> DomainError:
    return DomainError("MATERIAL_REFUSED", detail=detail)
