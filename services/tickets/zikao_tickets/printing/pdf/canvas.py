"""What is drawn on one page, in points from its top left corner."""

from collections.abc import Mapping

from zikao_tickets.printing.pdf.lines import Line
from zikao_tickets.printing.pdf.syntax import number, reference

A4_WIDTH, A4_HEIGHT = 595.2756, 841.8898
_EM = 1000
# An image of a character stands as high as one of a font: a little below the line.
_IMAGE_DESCENT = 0.12
_BOLD_SHARE = 0.028


class Canvas:
    """Collects the operators of a page; y counts down, as people measure paper."""

    def __init__(self, width: float = A4_WIDTH, height: float = A4_HEIGHT) -> None:
        self.width, self.height = width, height
        self.glyphs: dict[int, dict[int, str]] = {}
        self._graphics: list[str] = []
        self._texts: list[str] = []
        self._xobjects: dict[int, str] = {}
        self._font = (-1, 0.0)
        self._is_bold = False

    def text(
        self,
        x: float,
        y: float,
        line: Line,
        size: float,
        images: Mapping[str, int] | None = None,
        *,
        bold: bool = False,
    ) -> None:
        """A line whose baseline begins at (x, y); `images` are those of characters without glyph.

        The fonts have one weight: an outline of the same black makes it a bold one. Raises
        KeyError for a character that has neither glyph nor image.
        """
        if bold or self._is_bold:
            self._is_bold = bold
            outline = f"2 Tr {number(size * _BOLD_SHARE)} w" if bold else "0 Tr"
            self._texts.append(outline)
        for run in line.runs:
            if run.missing:
                below = y + _IMAGE_DESCENT * size
                self.draw((images or {})[run.missing], x, below - size, size, size)
            else:
                self._run(x, y, run.face, run.operator, size)
                used = self.glyphs.setdefault(run.face, {})
                used.update(run.glyphs)
            x += run.width * size / _EM

    def _run(self, x: float, y: float, face: int, operator: str, size: float) -> None:
        if self._font != (face, size):
            self._font = (face, size)
            self._texts.append(f"/F{face} {number(size)} Tf")
        self._texts.append(f"1 0 0 1 {number(x)} {number(self.height - y)} Tm {operator}")

    def draw(self, xobject: int, x: float, y: float, width: float, height: float) -> None:
        """An image, stretched to fill a box whose top left corner is (x, y)."""
        bottom = self.height - y - height
        name = self._xobjects.setdefault(xobject, f"X{len(self._xobjects)}")
        box = f"{number(width)} 0 0 {number(height)} {number(x)} {number(bottom)}"
        self._graphics.append(f"q {box} cm/{name} Do Q")

    def draw_cut(self, xobject: int, box: tuple[float, float, float, float], shape: float) -> None:
        """An image of `shape` (width by height) whose middle fills the box; the rest is cut off.

        `box` is its left, top, width and height.
        """
        x, y, width, height = box
        wide, high = max(width, height * shape), max(height, width / shape)
        left, top = x - (wide - width) / 2, y - (high - height) / 2
        self._graphics.append(f"q {self._box(x, y, width, height)} re W n")
        self.draw(xobject, left, top, wide, high)
        self._graphics.append("Q")

    def form(self, xobject: int) -> None:
        """A form as large as the page."""
        name = self._xobjects.setdefault(xobject, f"X{len(self._xobjects)}")
        self._graphics.append(f"/{name} Do")

    def line(self, x1: float, y1: float, x2: float, y2: float, thickness: float) -> None:
        """A straight line."""
        start = f"{number(x1)} {number(self.height - y1)} m"
        end = f"{number(x2)} {number(self.height - y2)} l"
        self._graphics.append(f"{number(thickness)} w {start} {end} S")

    def frame(self, x: float, y: float, width: float, height: float, thickness: float) -> None:
        """The outline of a box."""
        self._graphics.append(f"{number(thickness)} w {self._box(x, y, width, height)} re S")

    def _box(self, x: float, y: float, width: float, height: float) -> str:
        bottom = self.height - y - height
        return f"{number(x)} {number(bottom)} {number(width)} {number(height)}"

    def content(self) -> bytes:
        """The operators: pictures and lines, then the texts."""
        texts = ["BT", *self._texts, "ET"] if self._texts else []
        return "\n".join([*self._graphics, *texts]).encode("ascii")

    def resources(self, fonts: Mapping[int, int]) -> str:
        """What the operators name; `fonts` are the objects of the faces."""
        used = "".join(f"/F{face} {reference(fonts[face])}" for face in sorted(self.glyphs))
        drawn = "".join(f"/{name} {reference(at)}" for at, name in self._xobjects.items())
        return f"<</Font<<{used}>>/XObject<<{drawn}>>>>"
