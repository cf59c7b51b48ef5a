"""Made-up portraits and sample identity material."""

import io

from PIL import Image
from zikao_sandbox.portraits import identity_material_jpeg, portrait_jpeg
from zikao_tickets.printing.fonts import default_stack


def test_portraits_are_passport_photos_distinct_by_seed() -> None:
    """Made-up portraits are 480x640 JPEG of 15-200 KB on light blue, the same for one seed."""
    portraits = {portrait_jpeg(seed, sex) for seed in range(10) for sex in "男女"}
    assert len(portraits) == 20
    assert portrait_jpeg(3, "女") in portraits
    for data in portraits:
        image = Image.open(io.BytesIO(data))
        assert (image.format, image.size) == ("JPEG", (480, 640))
        assert 15_000 <= len(data) <= 200_000
        red, green, blue = image.getpixel((20, 20))  # type: ignore[misc]
        assert red < green < blue
        assert blue > 200


def test_identity_material_is_a_deterministic_jpeg() -> None:
    """Sample material is one JPEG with front above back, the same for the same person."""
    font = default_stack().heading.path
    first = identity_material_jpeg(1, "女", "张𬭎", "513101198201130014", font)
    assert first == identity_material_jpeg(1, "女", "张𬭎", "513101198201130014", font)
    image = Image.open(io.BytesIO(first))
    assert image.format == "JPEG"
    assert image.height > image.width
