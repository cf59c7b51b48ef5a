"""Made-up people for rehearsals and tests: passport portraits and sample identity material.

Nothing here is a photograph of anyone: every face is drawn from its seed.
"""

import io
import random
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFilter, ImageFont

PORTRAIT_WIDTH_PIXELS = 480
PORTRAIT_HEIGHT_PIXELS = 640
PORTRAIT_JPEG_QUALITY = 90
CARD_WIDTH_PIXELS = 856
CARD_HEIGHT_PIXELS = 540
CARD_GAP_PIXELS = 40
SAMPLE_MARK = "测试数据 样本 无效"
_SCALE = 2  # drawn at twice the size and reduced, for smooth edges

Color = tuple[int, int, int]
Box = tuple[float, float, float, float]

_SKINS: tuple[Color, ...] = ((250, 222, 196), (244, 208, 176), (234, 192, 156), (222, 178, 140))
_HAIRS: tuple[Color, ...] = ((28, 24, 24), (44, 34, 30), (60, 44, 36), (96, 92, 92))
_CLOTHES: tuple[Color, ...] = ((44, 54, 82), (86, 40, 52), (52, 76, 60), (70, 70, 74), (24, 26, 34))
_SHIRTS: tuple[Color, ...] = ((246, 246, 248), (232, 228, 214), (236, 214, 220))


@dataclass(frozen=True)
class _Face:
    """What makes one made-up person; lengths in pixels of the finished portrait."""

    background: Color
    skin: Color
    hair: Color
    clothes: Color
    shirt: Color
    width: float
    height: float
    eye_gap: float
    eye_size: float
    brow_tilt: float
    mouth: float
    fringe: float
    long_hair: bool
    glasses: bool


def _face(seed: int, sex: str) -> _Face:
    if sex not in {"男", "女"}:
        raise ValueError("sex is 男 or 女")
    pick = random.Random(f"portrait {seed} {sex}")  # noqa: S311 - a drawing, not a secret
    return _Face(
        background=(pick.randint(118, 132), pick.randint(180, 192), pick.randint(234, 246)),
        skin=pick.choice(_SKINS),
        hair=pick.choice(_HAIRS),
        clothes=pick.choice(_CLOTHES),
        shirt=pick.choice(_SHIRTS),
        width=pick.uniform(176, 206),
        height=pick.uniform(236, 262),
        eye_gap=pick.uniform(38, 46),
        eye_size=pick.uniform(10, 13),
        brow_tilt=pick.uniform(-4, 5),
        mouth=pick.uniform(24, 34),
        fringe=pick.uniform(-72, -46),
        long_hair=sex == "女" and pick.random() < 0.8,
        glasses=pick.random() < 0.35,
    )


class _Canvas:
    """Draws in coordinates relative to the middle of the face."""

    def __init__(self, background: Color) -> None:
        size = (PORTRAIT_WIDTH_PIXELS * _SCALE, PORTRAIT_HEIGHT_PIXELS * _SCALE)
        self.image = Image.new("RGB", size, background)
        self._draw = ImageDraw.Draw(self.image)

    @staticmethod
    def _at(x: float, y: float) -> tuple[float, float]:
        return ((PORTRAIT_WIDTH_PIXELS / 2 + x) * _SCALE, (282 + y) * _SCALE)

    def ellipse(self, x: float, y: float, width: float, height: float, fill: Color) -> None:
        corners = (self._at(x - width / 2, y - height / 2), self._at(x + width / 2, y + height / 2))
        self._draw.ellipse(corners, fill=fill)

    def polygon(self, points: list[tuple[float, float]], fill: Color) -> None:
        self._draw.polygon([self._at(x, y) for x, y in points], fill=fill)

    def line(self, points: list[tuple[float, float]], fill: Color, width: float) -> None:
        placed = [self._at(x, y) for x, y in points]
        self._draw.line(placed, fill=fill, width=round(width * _SCALE), joint="curve")

    def arc(self, box: Box, angles: tuple[float, float], fill: Color, width: float) -> None:
        corners = (self._at(box[0], box[1]), self._at(box[2], box[3]))
        self._draw.arc(corners, *angles, fill=fill, width=round(width * _SCALE))

    def ring(self, x: float, y: float, radius: float, color: Color) -> None:
        self.arc((x - radius, y - radius, x + radius, y + radius), (0, 360), color, 3)


def _shade(color: Color, factor: float) -> Color:
    red, green, blue = (min(255, round(part * factor)) for part in color)
    return red, green, blue


def _draw_body(canvas: _Canvas, face: _Face) -> None:
    if face.long_hair:
        canvas.ellipse(0, 40, face.width + 66, face.height + 170, face.hair)
    canvas.ellipse(0, 366, 430, 420, face.clothes)
    canvas.polygon([(-62, 158), (62, 158), (0, 300)], face.shirt)
    canvas.polygon([(-44, 90), (44, 90), (50, 176), (0, 226), (-50, 176)], _shade(face.skin, 0.93))
    for side in (-1, 1):
        canvas.polygon(
            [(side * 50, 150), (side * 96, 176), (side * 34, 262), (side * 2, 222)], face.shirt
        )
        canvas.line([(side * 50, 150), (side * 2, 224)], _shade(face.shirt, 0.86), 2)


def _draw_head(canvas: _Canvas, face: _Face) -> None:
    half = face.width / 2
    for side in (-1, 1):
        canvas.ellipse(side * half, 12, 30, 56, _shade(face.skin, 0.92))
    canvas.ellipse(0, -34, face.width + 26, face.height + 4, face.hair)
    canvas.ellipse(0, 0, face.width, face.height, face.skin)
    canvas.polygon(_fringe_points(face), face.hair)


def _fringe_points(face: _Face) -> list[tuple[float, float]]:
    """The hair over the forehead: from temple to temple, parted off the middle."""
    half, top = face.width / 2 + 4, -face.height / 2
    part = half * 0.3
    lower = [(half, -18), (half * 0.82, face.fringe), (part, face.fringe - 26)]
    back = [(-half * 0.8, face.fringe + 4), (-half, -18), (-half * 0.86, top + 30)]
    crown = [(-half * 0.5, top), (0, top - 6), (half * 0.5, top)]
    return [(half * 0.86, top + 30), *lower, *back, *crown]


def _draw_features(canvas: _Canvas, face: _Face) -> None:
    dark, lip = _shade(face.hair, 0.9), (188, 104, 98)
    for side in (-1, 1):
        x = side * face.eye_gap
        canvas.line(
            [(x - 20, -26 - side * face.brow_tilt), (x + 20, -26 + side * face.brow_tilt)], dark, 6
        )
        canvas.ellipse(x, 0, face.eye_size * 3, face.eye_size * 1.5, (250, 250, 250))
        canvas.ellipse(x, 0, face.eye_size * 1.35, face.eye_size * 1.35, (36, 26, 22))
        canvas.arc((x - 19, -11, x + 19, 13), (190, 350), dark, 3)
        if face.glasses:
            canvas.ring(x, 2, face.eye_gap * 0.76, (40, 40, 44))
    if face.glasses:
        canvas.line([(-face.eye_gap * 0.26, 0), (face.eye_gap * 0.26, 0)], (40, 40, 44), 3)
    canvas.arc((-13, 18, 13, 48), (20, 160), _shade(face.skin, 0.74), 4)
    canvas.ellipse(0, 72, face.mouth * 2, 13, lip)
    canvas.line([(-face.mouth, 71), (face.mouth, 71)], _shade(lip, 0.72), 2)


def _grain(image: Image.Image, seed: int) -> Image.Image:
    """Sensor noise: a flat drawing would be a suspiciously small JPEG."""
    pick = random.Random(f"grain {seed}")  # noqa: S311 - a drawing, not a secret
    noise = Image.frombytes("L", image.size, pick.randbytes(image.width * image.height))
    soft = noise.filter(ImageFilter.GaussianBlur(0.8)).convert("RGB")
    return Image.blend(image, soft, 0.05)


def _jpeg(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=PORTRAIT_JPEG_QUALITY)
    return buffer.getvalue()


def portrait_jpeg(seed: int, sex: str) -> bytes:
    """A made-up passport portrait: 480x640 JPEG, light-blue background, 15-200 KB.

    The same seed and sex ('男' or '女') give the same bytes, another seed another face.
    """
    face = _face(seed, sex)
    canvas = _Canvas(face.background)
    _draw_body(canvas, face)
    _draw_head(canvas, face)
    _draw_features(canvas, face)
    size = (PORTRAIT_WIDTH_PIXELS, PORTRAIT_HEIGHT_PIXELS)
    return _jpeg(_grain(canvas.image.resize(size, Image.Resampling.LANCZOS), seed))


def identity_material_jpeg(
    seed: int, sex: str, name: str, document_number: str, font_path: Path
) -> bytes:
    """A sample identity document, front above back, marked all over as test data (JPEG).

    It imitates no real document: no emblem, no issuing authority. `font_path` is a font
    with Chinese glyphs, such as the ticket printer's.
    """
    sheet = Image.new(
        "RGB", (CARD_WIDTH_PIXELS, 2 * CARD_HEIGHT_PIXELS + CARD_GAP_PIXELS), (255, 255, 255)
    )
    front = _card_front(seed, sex, (name, document_number), font_path)
    sheet.paste(front, (0, 0))
    sheet.paste(_card_back(font_path), (0, CARD_HEIGHT_PIXELS + CARD_GAP_PIXELS))
    return _jpeg(sheet)


def _card_front(seed: int, sex: str, lines: tuple[str, str], font_path: Path) -> Image.Image:
    card, draw = _blank_card()
    name, document_number = lines
    font = ImageFont.truetype(str(font_path), 34)
    for row, text in enumerate((f"姓名　{name}", f"性别　{sex}", f"证件号码　{document_number}")):
        draw.text((48, 110 + row * 90), text, font=font, fill=(20, 20, 20))
    portrait = Image.open(io.BytesIO(portrait_jpeg(seed, sex))).resize((210, 280))
    card.paste(portrait, (CARD_WIDTH_PIXELS - 250, 60))
    return _marked(card, font_path)


def _card_back(font_path: Path) -> Image.Image:
    card, draw = _blank_card()
    font = ImageFont.truetype(str(font_path), 40)
    draw.text((48, 120), "样本证件（背面）", font=font, fill=(20, 20, 20))
    draw.text((48, 220), "仅供系统测试，不是任何机关签发", font=font, fill=(20, 20, 20))
    return _marked(card, font_path)


def _blank_card() -> tuple[Image.Image, ImageDraw.ImageDraw]:
    card = Image.new("RGB", (CARD_WIDTH_PIXELS, CARD_HEIGHT_PIXELS), (238, 242, 236))
    draw = ImageDraw.Draw(card)
    edge = (6, 6, CARD_WIDTH_PIXELS - 7, CARD_HEIGHT_PIXELS - 7)
    draw.rounded_rectangle(edge, radius=28, outline=(150, 160, 150), width=4)
    return card, draw


def _marked(card: Image.Image, font_path: Path) -> Image.Image:
    """Lay the sample mark across the whole card, too large to be cropped away."""
    mark = Image.new("RGBA", card.size, (0, 0, 0, 0))
    draw = ImageDraw.Draw(mark)
    font = ImageFont.truetype(str(font_path), 64)
    for row in range(3):
        draw.text((60, 40 + row * 180), SAMPLE_MARK, font=font, fill=(200, 30, 30, 120))
    tilted = mark.rotate(12)
    return Image.alpha_composite(card.convert("RGBA"), tilted).convert("RGB")
