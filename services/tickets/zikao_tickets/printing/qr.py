"""The QR code as one vector outline: no module can be resampled, no seam can open."""

import segno

QUIET_ZONE_MODULES = 4
ERROR_LEVEL = "M"
"""15 % may be lost to folds and stains; the next level makes the modules smaller."""

Point = tuple[int, int]


def qr_svg(text: str) -> bytes:
    """Draw the text as an SVG of one black path, quiet zone included, one unit a module.

    The error level is at least M and higher where the same symbol size has room for it.
    Raises segno.DataOverflowError when the text fits no QR code.
    """
    code = segno.make(text, error=ERROR_LEVEL, boost_error=True, micro=False)
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
