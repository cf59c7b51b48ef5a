"""JPEGs of old files: metadata goes, the picture stays as it was."""

import io
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from zikao_registration.domain.jpeg_segments import NotJpeg, strip_metadata


def picture(*, progressive: bool = False, size: tuple[int, int] = (90, 120)) -> bytes:
    """A JPEG with EXIF, a comment and a profile in it, and something behind it."""
    exif = Image.Exif()
    exif[0x0110] = "CAMERA-CANARY"
    buffer = io.BytesIO()
    image = Image.effect_noise(size, 40).convert("RGB")
    image.save(
        buffer, "JPEG", exif=exif, comment=b"COMMENT-CANARY", progressive=progressive,
        icc_profile=b"PROFILE-CANARY",
    )  # fmt: skip
    return buffer.getvalue() + b"TAIL-CANARY"


@pytest.mark.parametrize("progressive", [False, True])
def test_metadata_goes_and_every_pixel_stays(progressive: bool) -> None:
    """No camera, comment, profile or tail is left, and the picture is bit for bit the same."""
    original = picture(progressive=progressive)
    stripped = strip_metadata(original)
    assert (stripped.width_pixels, stripped.height_pixels) == (90, 120)
    assert b"CANARY" in original
    assert b"CANARY" not in stripped.jpeg
    before, after = Image.open(io.BytesIO(original)), Image.open(io.BytesIO(stripped.jpeg))
    assert before.tobytes() == after.tobytes()
    assert strip_metadata(stripped.jpeg).jpeg == stripped.jpeg


def test_a_bomb_is_known_by_its_header() -> None:
    """A huge picture tells its size without being decoded."""
    original = bytearray(picture())
    frame = original.index(b"\xff\xc0")
    original[frame + 5 : frame + 9] = b"\xff\xff\xff\xff"
    assert strip_metadata(bytes(original)).width_pixels == 65535


@given(st.binary(max_size=300), st.integers(0, 2000))
def test_damaged_files_are_refused_and_nothing_else_happens(tail: bytes, kept: int) -> None:
    """Whatever comes, the answer is a picture or NotJpeg."""
    with suppress(NotJpeg):
        stripped = strip_metadata(picture(size=(9, 12))[:kept] + tail)
        assert stripped.jpeg.endswith(b"\xff\xd9")


@pytest.mark.parametrize("data", [b"", b"GIF89a", b"\xff\xd8", b"\xff\xd8\xff\xda\x00\x02"])
def test_what_is_no_picture_is_refused(data: bytes) -> None:
    """Empty files, other formats and torsos are no JPEG."""
    with pytest.raises(NotJpeg):
        strip_metadata(data)
