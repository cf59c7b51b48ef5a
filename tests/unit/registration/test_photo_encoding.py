"""Uploaded pictures: clean JPEGs come out, everything else is refused."""

import io
import struct
from typing import Any

import pytest
from PIL import ExifTags, Image, ImageChops, ImageStat
from PIL.JpegImagePlugin import JpegImageFile
from zikao_kit.errors import DomainError
from zikao_registration.domain.photos import (
    PHOTO_MAX_BYTES,
    PHOTO_MIN_BYTES,
    PhotoFacts,
    check_photo,
)
from zikao_registration.photo_encoding import encode_material, encode_photo
from zikao_sandbox.portraits import portrait_jpeg

LIGHT_BLUE = (126, 188, 240)


def jpeg(image: Image.Image, **options: object) -> bytes:
    """The image as a JPEG file."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", **options)
    return buffer.getvalue()


@pytest.mark.parametrize(("seed", "sex"), [(1, "男"), (2, "女"), (3, "女"), (4, "男"), (5, "女")])
def test_portraits_on_light_blue_are_accepted(seed: int, sex: str) -> None:
    """A passport photo with hair, glasses and clothes meets every rule."""
    photo = encode_photo(portrait_jpeg(seed, sex))
    check_photo(photo.facts)
    assert PHOTO_MIN_BYTES <= len(photo.jpeg) <= PHOTO_MAX_BYTES


def test_metadata_is_removed() -> None:
    """Where and with what the photo was taken is nobody's business."""
    exif = Image.Exif()
    exif[0x010F] = "secret camera"
    portrait = Image.open(io.BytesIO(portrait_jpeg(1, "男")))
    photo = encode_photo(jpeg(portrait, exif=exif, comment=b"secret comment"))
    assert b"secret" not in photo.jpeg
    assert not Image.open(io.BytesIO(photo.jpeg)).getexif()


def test_rotated_photo_is_put_upright() -> None:
    """A telephone stores portraits lying and says so in the metadata."""
    exif = Image.Exif()
    exif[0x0112] = 6
    lying = Image.open(io.BytesIO(portrait_jpeg(1, "男"))).transpose(Image.Transpose.ROTATE_90)
    check_photo(encode_photo(jpeg(lying, exif=exif, quality=90)).facts)


TURNED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


@pytest.mark.parametrize("orientation", TURNED)
def test_every_orientation_is_undone(orientation: int) -> None:
    """However the camera was held, and mirrored, the picture is that of the upright one."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    upright = Image.open(io.BytesIO(portrait_jpeg(1, "男")))
    stored = upright.transpose(TURNED[orientation])
    expected, found = (
        Image.open(io.BytesIO(encode_photo(original).jpeg))
        for original in (jpeg(upright), jpeg(stored, exif=exif))
    )
    difference = ImageChops.difference(expected, found).convert("L")
    assert ImageStat.Stat(difference).mean[0] < 1


@pytest.mark.parametrize(
    "background", [(255, 255, 255), (220, 40, 40), (10, 20, 90), (90, 200, 90)]
)
def test_other_backgrounds_are_refused(background: tuple[int, int, int]) -> None:
    """White, red, dark blue and green are not light blue."""
    facts = encode_photo(jpeg(Image.new("RGB", (480, 640), background))).facts
    with pytest.raises(DomainError, match="浅蓝色"):
        check_photo(facts)


@pytest.mark.parametrize("size", [(480, 480), (640, 480), (120, 160), (480, 600)])
def test_wrong_shapes_are_refused(size: tuple[int, int]) -> None:
    """Square, lying and tiny pictures are no candidate photos."""
    with pytest.raises(DomainError, match="PHOTO_REFUSED"):
        encode_photo(jpeg(Image.new("RGB", size, LIGHT_BLUE)))


def test_empty_picture_is_refused() -> None:
    """A plain area compresses to less than any face does."""
    facts = encode_photo(jpeg(Image.new("RGB", (480, 640), LIGHT_BLUE))).facts
    with pytest.raises(DomainError, match="内容过少"):
        check_photo(facts)


def test_photo_that_stays_too_large_is_refused() -> None:
    """200 KB after re-encoding is the limit."""
    with pytest.raises(DomainError, match="200KB"):
        check_photo(PhotoFacts(480, 640, PHOTO_MAX_BYTES + 1, light_blue_share=0.9))


def png() -> bytes:
    """A picture of another format."""
    buffer = io.BytesIO()
    Image.new("RGB", (480, 640), LIGHT_BLUE).save(buffer, "PNG")
    return buffer.getvalue()


def bomb() -> bytes:
    """A small file whose header promises 65,000 x 65,000 pixels."""
    small = jpeg(Image.new("RGB", (16, 16)))
    frame = small.index(b"\xff\xc0")
    return small[: frame + 5] + struct.pack(">HH", 65_000, 65_000) + small[frame + 9 :]


@pytest.mark.parametrize(
    "upload",
    [b"", b"<svg/>", png(), bomb(), portrait_jpeg(1, "男")[:5000], b"\xff" * (5 * 1024 * 1024 + 1)],
    ids=["empty", "svg", "png", "bomb", "cut off", "too large"],
)
def test_hostile_uploads_are_refused(upload: bytes) -> None:
    """Whatever is no whole JPEG of a sane size is refused with a reason, photo or material."""
    with pytest.raises(DomainError, match="PHOTO_REFUSED"):
        encode_photo(upload)
    with pytest.raises(DomainError, match="MATERIAL_REFUSED"):
        encode_material(upload)


def noisy(width: int, height: int) -> Image.Image:
    """The portrait of a big camera."""
    small = Image.open(io.BytesIO(portrait_jpeg(1, "男")))
    return small.resize((width, height))


@pytest.mark.parametrize("orientation", [1, 6])
def test_big_photos_are_decoded_small(orientation: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a big photo a quarter of a side is decoded; it passes, and is known by its whole size."""
    decoded: list[tuple[int, int]] = []
    load = JpegImageFile.load

    def watched(image: JpegImageFile) -> Any:
        decoded.append(image.size)
        return load(image)

    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    size, picture = (4200, 5600), noisy(4200, 5600)
    if orientation == 6:
        picture = picture.transpose(Image.Transpose.ROTATE_90)
    original = jpeg(picture, exif=exif, quality=80)
    monkeypatch.setattr(JpegImageFile, "load", watched)
    photo = encode_photo(original)
    check_photo(photo.facts)
    assert (photo.facts.width_pixels, photo.facts.height_pixels) == size
    assert {max(size) for size in decoded} == {1400}
    assert Image.open(io.BytesIO(photo.jpeg)).size == (480, 640)


def test_more_pixels_than_cameras_need_are_refused() -> None:
    """51 million pixels are the limit, seen in the header alone."""
    with pytest.raises(DomainError, match="5100万"):
        encode_photo(jpeg(Image.new("RGB", (6200, 8267), LIGHT_BLUE), quality=20))


def test_material_is_reduced() -> None:
    """A camera's picture becomes one of at most 2400 pixels a side."""
    material = encode_material(jpeg(Image.new("RGB", (4000, 3000), (238, 242, 236))))
    assert max(Image.open(io.BytesIO(material)).size) == 2400
