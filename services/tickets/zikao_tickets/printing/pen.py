"""Pages that are drawn by hand: texts in boxes, lines and pictures, measured in millimetres."""

from collections.abc import Mapping, Sequence

from zikao_tickets.printing.fitting import LINE_PITCH, Box, Fitting
from zikao_tickets.printing.pdf.canvas import Canvas
from zikao_tickets.printing.pdf.document import Part
from zikao_tickets.printing.pdf.images import jpeg_object
from zikao_tickets.printing.pdf.lines import FaceStack

POINTS = 72 / 25.4
"""A millimetre."""
PAGE_WIDTH, PAGE_HEIGHT = 210.0, 297.0
LEFT, MIDDLE, RIGHT = 0.0, 0.5, 1.0
THIN, THICK = 0.5, 1.2
NO_GLYPH = "〓"
"""What printers set for a character that they have no type for."""
_EM = 1000


class Pen:
    """Draws on one page after another of a part."""

    def __init__(
        self, part: Part, stack: FaceStack, fitting: Fitting, images: Mapping[str, int]
    ) -> None:
        """`images` are objects of the document, for characters that no face draws."""
        self._part, self._stack, self._fitting, self._images = part, stack, fitting, images
        self._canvas = Canvas()

    def write(
        self,
        text: str,
        box: tuple[float, float, float, float],
        size: float,
        align: float = LEFT,
        *,
        bold: bool = False,
    ) -> None:
        """A text of at most `size` points in the middle of a box (left, top, width, height).

        What does not fit even in the smallest type is cut off: a sheet is no ticket. Raises
        nothing for a character without glyph, which becomes NO_GLYPH.
        """
        place = Box(*_points(*box), size, align=align)
        fitted = self._fitting.fit_what_can_be(self._drawable(text), place)
        for line_text, baseline in zip(fitted.lines, fitted.baselines(place), strict=True):
            line = self._stack.line(line_text, place.font)
            left = place.x + align * (place.width - line.width * fitted.size / _EM)
            self._canvas.text(left, baseline, line, fitted.size, self._images, bold=bold)

    def line(self, x1: float, y1: float, x2: float, y2: float, thickness: float = THIN) -> None:
        """A straight line."""
        self._canvas.line(*_points(x1, y1, x2, y2), thickness)

    def frame(
        self, x: float, y: float, width: float, height: float, thickness: float = THIN
    ) -> None:
        """The outline of a box."""
        self._canvas.frame(*_points(x, y, width, height), thickness)

    def photo(self, jpeg: bytes, x: float, y: float, width: float, height: float) -> None:
        """A JPEG, stretched to its box."""
        image = self._part.add(jpeg_object(jpeg))
        self._canvas.draw(image, *_points(x, y, width, height))

    def row(
        self, cells: Sequence[str], edges: Sequence[float], top: float, height: float, size: float
    ) -> None:
        """A framed row of a table: a text in the middle of each cell between two edges."""
        for text, left, right in zip(cells, edges, edges[1:], strict=False):
            self.frame(left, top, right - left, height)
            self.write(text, (left + 1, top, right - left - 2, height), size, MIDDLE)

    def row_height(
        self, cells: Sequence[str], edges: Sequence[float], least: float, size: float
    ) -> float:
        """How high the row must be for its texts to be there in full, in this size."""
        lines = max(
            self._fitting.lines(text, (right - left - 2) * POINTS, size)
            for text, left, right in zip(cells, edges, edges[1:], strict=False)
        )
        return max(least, lines * size * LINE_PITCH / POINTS + 1)

    def next_page(self) -> None:
        """This page is finished."""
        self._part.page(self._canvas)
        self._canvas = Canvas()

    def _drawable(self, text: str) -> str:
        return "".join(
            char if char in self._images or self._stack.draws(char) else NO_GLYPH for char in text
        )


def _points(a: float, b: float, c: float, d: float) -> tuple[float, float, float, float]:
    return a * POINTS, b * POINTS, c * POINTS, d * POINTS
