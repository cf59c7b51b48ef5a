"""What a candidate's photo must be (DOMAIN section 3): shape, pixels, bytes, background."""

from __future__ import annotations

from dataclasses import dataclass

from zikao_kit.errors import DomainError

KIBIBYTE = 1024
PHOTO_ORIGINAL_MAX_BYTES = 5 * 1024 * KIBIBYTE
PHOTO_MIN_BYTES = 15 * KIBIBYTE
PHOTO_MAX_BYTES = 200 * KIBIBYTE
PHOTO_MIN_WIDTH_PIXELS = 240
PHOTO_MIN_HEIGHT_PIXELS = 320
# Telephones take 50 million; a small file of more may be a bomb. Big ones are reduced while
# they are decoded.
IMAGE_MAX_PIXELS = 51_000_000
PHOTO_SHAPE = 3 / 4
PHOTO_SHAPE_TOLERANCE = 0.02
# Share of light-blue pixels beside and above the head. Shadows and hair take the rest.
PHOTO_BACKGROUND_MIN_SHARE = 0.6


@dataclass(frozen=True)
class PhotoFacts:
    """What was measured of a photo: pixels of the original, bytes after re-encoding."""

    width_pixels: int
    height_pixels: int
    encoded_bytes: int
    light_blue_share: float


def check_shape(width_pixels: int, height_pixels: int) -> None:
    """Raise PHOTO_REFUSED unless the photo is 3:4 and has enough pixels."""
    if width_pixels < PHOTO_MIN_WIDTH_PIXELS or height_pixels < PHOTO_MIN_HEIGHT_PIXELS:
        raise photo_refused(
            f"至少{PHOTO_MIN_WIDTH_PIXELS}×{PHOTO_MIN_HEIGHT_PIXELS}像素，"
            f"上传的为{width_pixels}×{height_pixels}"
        )
    if abs(width_pixels / height_pixels - PHOTO_SHAPE) > PHOTO_SHAPE_TOLERANCE:
        raise photo_refused("宽高比应为3:4")


def check_photo(facts: PhotoFacts) -> None:
    """Raise PHOTO_REFUSED with a Chinese `detail` unless the photo meets every rule."""
    check_shape(facts.width_pixels, facts.height_pixels)
    if facts.light_blue_share < PHOTO_BACKGROUND_MIN_SHARE:
        raise photo_refused("背景应为浅蓝色")
    if facts.encoded_bytes < PHOTO_MIN_BYTES:
        raise photo_refused("照片过于模糊或内容过少")
    if facts.encoded_bytes > PHOTO_MAX_BYTES:
        raise photo_refused(f"压缩后仍超过{PHOTO_MAX_BYTES // KIBIBYTE}KB")


def photo_refused(detail: str) -> DomainError:
    """The refusal of a photo, saying why in Chinese."""
    return DomainError("PHOTO_REFUSED", detail=detail)
