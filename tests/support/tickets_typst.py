"""A ticket as the typesetter sets the whole page: what the printer's own pages are compared with.

The same template, with every place filled; photo and code travel as SVG, as the typesetter takes
virtual files of text only.
"""

import base64
import json
from typing import cast

import segno
import typst
from zikao_tickets.printing.fitting import Fitting
from zikao_tickets.printing.fonts import FontStack
from zikao_tickets.printing.forms import FormKey, Forms
from zikao_tickets.printing.qr import ERROR_LEVEL, MASK, QUIET_ZONE_MODULES
from zikao_tickets.printing.sheet import TicketSheet
from zikao_tickets.printing.ticket_page import place_texts

Point = tuple[int, int]


class TypstTickets:
    """Sets tickets, each by a call of its own."""

    def __init__(self, stack: FontStack) -> None:
        self._fonts = stack.typst_fonts
        self._forms = Forms(stack)
        self._fitting = Fitting(stack.faces)

    def page(self, sheet: TicketSheet) -> bytes:
        """The ticket as a document of one page."""
        key = FormKey.of(sheet)
        boxes = self._forms.get(key).boxes
        fitted = {name: self._fitting.fit(text, boxes[name]) for name, text in place_texts(sheet)}
        values = {name: {"size": set_.size, "lines": set_.lines} for name, set_ in fitted.items()}
        files = self._forms.files(key, filled=True)
        files["values.json"] = json.dumps(values).encode()
        files["photo.svg"], files["qr.svg"] = (
            photo_svg(sheet.photo_jpeg or b""),
            qr_svg(sheet.qr_text),
        )
        return typst.compile(
            cast(bytes, files), font_paths=self._fonts, ignore_system_fonts=True, pdf_tags=False
        )


def photo_svg(jpeg: bytes) -> bytes:
    """Wrap a JPEG as a 3:4 SVG, the middle cut out if its shape differs."""
    return (
        b'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
        b' viewBox="0 0 300 400" width="300" height="400"><image width="300" height="400"'
        b' preserveAspectRatio="xMidYMid slice" xlink:href="data:image/jpeg;base64,'
        + base64.b64encode(jpeg)
        + b'"/></svg>'
    )


def qr_svg(text: str) -> bytes:
    """The code as an SVG of one black outline, quiet zone included, one unit a module."""
    code = segno.make(text, error=ERROR_LEVEL, boost_error=True, micro=False, mask=MASK)
    rows = [[bool(module) for module in row] for row in code.matrix]
    size = len(rows) + 2 * QUIET_ZONE_MODULES
    outline = "".join(_loop_path(loop) for loop in _loops(_edges(rows)))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size} {size}"'
        f' width="{size}" height="{size}"><path d="{outline}" fill="#000"/></svg>'
    ).encode()


def _edges(rows: list[list[bool]]) -> dict[Point, list[Point]]:
    """Directed border edges of the dark area, dark on the right hand: start to ends."""
    edges: dict[Point, list[Point]] = {}
    for y, row in enumerate(rows):
        for x, dark in enumerate(row):
            if dark:
                for start, end in _bare_sides(rows, x, y):
                    edges.setdefault(start, []).append(end)
    return edges


def _bare_sides(rows: list[list[bool]], x: int, y: int) -> list[tuple[Point, Point]]:
    """The sides of a dark module that have a light module on their other hand."""
    last = len(rows) - 1
    top_left, top_right = (x, y), (x + 1, y)
    bottom_right, bottom_left = (x + 1, y + 1), (x, y + 1)
    sides = [
        (y > 0 and rows[y - 1][x], (top_left, top_right)),
        (x < last and rows[y][x + 1], (top_right, bottom_right)),
        (y < last and rows[y + 1][x], (bottom_right, bottom_left)),
        (x > 0 and rows[y][x - 1], (bottom_left, top_left)),
    ]
    return [side for covered, side in sides if not covered]


def _loops(edges: dict[Point, list[Point]]) -> list[list[Point]]:
    """Chain the edges to closed loops; every vertex has as many ways out as in."""
    loops = []
    while edges:
        start = next(iter(edges))
        loop = [start]
        while True:
            ends = edges[loop[-1]]
            following = ends.pop()
            if not ends:
                del edges[loop[-1]]
            if following == start:
                break
            loop.append(following)
        loops.append(loop)
    return loops


def _loop_path(loop: list[Point]) -> str:
    """SVG commands of one loop, straight runs merged."""
    commands: list[str] = []
    for before, here, after in zip([loop[-1], *loop], loop, [*loop[1:], loop[0]], strict=False):
        turns = (before[0] == here[0]) != (here[0] == after[0])
        if turns:
            x, y = (coordinate + QUIET_ZONE_MODULES for coordinate in here)
            commands.append(f"{'L' if commands else 'M'}{x} {y}")
    return "".join(commands) + "Z"
