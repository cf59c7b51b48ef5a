"""Texts of any length in boxes of one size: one line where that is readable, else more.

Lines of one box are `LINE_HEIGHT` high with `LEADING` between them, as in template.typ.
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from zikao_tickets.printing.pdf.lines import FaceStack

LINE_HEIGHT = 0.73
"""Of the size: as high as the fonts' capitals; Chinese characters stand out a little."""
LEADING = 0.42
LINE_PITCH = LINE_HEIGHT + LEADING
"""What a line takes of a box, with what stands out of it above and below."""
SMALLEST_POINTS = 6.0
HEADING = "heading"
"""The sans faces first: hairs of the serif ones are lost on a copier, and with them 一 and 十."""
_STEP_POINTS = 0.5
_LEAST_LINE_POINTS = SMALLEST_POINTS * LINE_PITCH
# A line may be set in this much of its size before it becomes two.
_ONE_LINE_SHARE = 0.7
_EM = 1000
_TEXTS_KEPT = 16_384
_NO_LINE_ENDS_WITH = "（《「『【“‘([{"
_NO_LINE_STARTS_WITH = "，。、；：？！）》」』】”’·)]},.;:?!%"


class Box(NamedTuple):
    """A place for a text, in points from the top left of the page."""

    x: float
    y: float
    width: float
    height: float
    size: float
    """Of the text, at most."""
    font: str = HEADING
    align: float = 0.0
    """0 at the left, 0.5 in the middle, 1 at the right."""


class Fitted(NamedTuple):
    """A text as it is set."""

    size: float
    lines: tuple[str, ...]

    def height(self) -> float:
        """From the top of the first line to the last baseline."""
        count = len(self.lines)
        return self.size * (count * LINE_HEIGHT + (count - 1) * LEADING)

    def baselines(self, box: Box) -> Iterator[float]:
        """Of each line, in the middle of the box."""
        first = box.y + (box.height - self.height()) / 2 + self.size * LINE_HEIGHT
        for number in range(len(self.lines)):
            yield first + number * self.size * (LINE_HEIGHT + LEADING)


class TextTooLong(ValueError):  # noqa: N818 - says what is wrong
    """A text does not fit into its box even in the smallest size."""


class Fitting:
    """Fits texts with the faces of a stack; remembers what comes again and again."""

    def __init__(self, stack: FaceStack) -> None:
        self._stack = stack
        self._fitted = lru_cache(maxsize=_TEXTS_KEPT)(self._fit)

    def fit(self, text: str, box: Box) -> Fitted:
        """The largest size in which the text fits. Raises TextTooLong."""
        return self._fitted(text, box.width, box.height, box.size, box.font)

    def fit_what_can_be(self, text: str, box: Box) -> Fitted:
        """The same, with the end of the text cut off where nothing else helps."""
        try:
            return self.fit(text, box)
        except TextTooLong:
            width = box.width / SMALLEST_POINTS * _EM
            lines = self._wrapped(text, box.font, width)
            return Fitted(SMALLEST_POINTS, lines[: max(1, int(box.height / _LEAST_LINE_POINTS))])

    def lines(self, text: str, width: float, size: float, font: str = HEADING) -> int:
        """How many lines a text of this size takes."""
        return len(self._wrapped(text, font, width / size * _EM))

    def _fit(self, text: str, width: float, height: float, size: float, font: str) -> Fitted:
        one_line = self._stack.line(text, font).width / _EM
        for points in _sizes(size, size * _ONE_LINE_SHARE):
            if one_line * points <= width:
                return Fitted(points, (text,))
        for points in _sizes(size, min(size, SMALLEST_POINTS)):
            lines = self._wrapped(text, font, width / points * _EM)
            if points * (len(lines) * LINE_PITCH) <= height:
                return Fitted(points, self._even(text, font, width / points * _EM, len(lines)))
        raise TextTooLong(text)

    def _wrapped(self, text: str, font: str, width: float) -> tuple[str, ...]:
        """Lines no wider than `width` thousandths; a character alone may be wider."""
        lines, rest = [], text
        while len(rest) > (end := self._line_end(rest, font, width)):
            lines.append(rest[:end].rstrip())
            rest = rest[end:].lstrip()
        return (*lines, rest)

    def _even(self, text: str, font: str, width: float, count: int) -> tuple[str, ...]:
        """So many lines, as even as they can be: none has a lone character."""
        least = width / 2
        while width - least > _EM / 10:
            middle = (least + width) / 2
            if len(self._wrapped(text, font, middle)) > count:
                least = middle
            else:
                width = middle
        return self._wrapped(text, font, width)

    def _line_end(self, text: str, font: str, width: float) -> int:
        """How many characters a line takes: at least one."""
        taken = 0.0
        for at, char in enumerate(text):
            taken += self._stack.line(char, font).width
            if taken > width:
                end = at
                while end > 1 and not _may_break(text, end):
                    end -= 1
                return max(end if end > 1 else at, 1)
        return len(text)


def _may_break(text: str, at: int) -> bool:
    """Whether a line may end before character `at`."""
    before, after = text[at - 1], text[at]
    in_word = before.isascii() and after.isascii() and before.isalnum() and after.isalnum()
    return not (in_word or after in _NO_LINE_STARTS_WITH or before in _NO_LINE_ENDS_WITH)


def _sizes(largest: float, smallest: float) -> Iterator[float]:
    size = largest
    while size >= smallest:
        yield size
        size -= _STEP_POINTS
