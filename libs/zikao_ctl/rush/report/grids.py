"""Two charts of cells: seats left of counties over time, and the draw."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from xml.etree.ElementTree import Element

from zikao_ctl.rush.records import CountySeats, Room
from zikao_ctl.rush.report.elements import element
from zikao_ctl.rush.report.frame import LEFT, RIGHT, WIDTH, Time, text_width, time_axis
from zikao_ctl.rush.report.legends import area_of, block
from zikao_ctl.rush.report.numbers import moment, whole

_ROW, _GAP, _TOP, _BELOW = 24.0, 4.0, 6.0, 44.0
_LEAST, _MOST = 236, 40  # lightness, of a hundred parts white, of none free
_CELL = 15.0
_PHONE = 1.24  # letters are larger there (style.css)
_FAR = 4.0  # standard deviations that are black


def seats(counties: Sequence[CountySeats], time: Time) -> Element:
    """A row a county, the darker the fewer seats are left, with what it came to."""
    x, bottom = time.scale(), _TOP + len(counties) * _ROW
    parts: list[Element] = []
    for number, county in enumerate(counties):
        y = _TOP + number * _ROW
        name = element("text", _short(county["name"]), x=LEFT - 7, y=y + 15, class_="end")
        name.append(element("title", county["name"]))
        parts.append(name)
        for begins, ends, free in _runs(county, time):
            cell = element(
                "rect",
                x=x(begins),
                y=y,
                width=x(ends) - x(begins),
                height=_ROW - _GAP,
                fill=_shade(free / county["capacity"] if county["capacity"] else 0.0),
            )
            left = f"余 {whole(free)} / {whole(county['capacity'])}"
            cell.append(element("title", f"{county['name']}，{moment(begins)}：{left}"))
            parts.append(cell)
        parts += _box(came_to(county), y)
    if time.low < 0 < time.high:
        parts.append(
            element("line", x1=x(0.0), x2=x(0.0), y1=_TOP, y2=bottom + 4, class_="opening")
        )
    parts += time_axis(time, bottom)
    chart = element(
        "svg",
        element("title", "最热门考区的余位"),
        parts,
        viewBox=f"0 0 {WIDTH:g} {bottom + _BELOW:g}",
        role="img",
        class_="chart",
    )
    entries = [
        (area_of(_shade(1.0)), "全部有余"),
        (area_of(_shade(0.5)), "余一半"),
        (area_of(_shade(0.0)), "已满"),
    ]
    return block(chart, entries)


def _box(text: str, y: float) -> Iterator[Element]:
    """Words at the right end of a row."""
    width = _PHONE * text_width(text) + 8
    yield element(
        "rect",
        x=WIDTH - RIGHT - width - 3,
        y=y + 1.5,
        width=width,
        height=_ROW - _GAP - 3,
        rx=3,
        class_="box",
    )
    yield element("text", text, x=WIDTH - RIGHT - 8, y=y + 14.5, class_="boxed end")


def came_to(county: CountySeats) -> str:
    """When a county was full for good, or what is left."""
    if not county["free"] or county["free"][-1][1] > 0:
        left = county["free"][-1][1] if county["free"] else county["capacity"]
        return f"余 {whole(left)} / {whole(county['capacity'])}"
    full_at = county["free"][-1][0]
    for at, free in reversed(county["free"]):
        if free > 0:
            break
        full_at = at
    return f"{moment(full_at)}报满 {whole(county['capacity'])} 位"


def _runs(county: CountySeats, time: Time) -> Iterator[tuple[float, float, int]]:
    """(begins, ends, free), neighbours that look the same as one."""
    begins: float | None = None
    shown = 0
    for at, free in county["free"]:
        if begins is None:
            begins, shown = at, free
        elif _looks(free, county) != _looks(shown, county):
            yield begins, at, shown
            begins, shown = at, free
    if begins is not None:
        yield begins, time.high, shown


def _looks(free: int, county: CountySeats) -> str:
    return _shade(free / county["capacity"] if county["capacity"] else 0.0)


def _shade(part: float) -> str:
    """A blue grey in twenty steps; only what is full is the darkest."""
    step = 0 if part <= 0 else min(20, 1 + int(part * 19.999))
    light = _MOST + (_LEAST - _MOST) * step / 20
    return f"#{round(light * 0.86):02x}{round(light * 0.95):02x}{min(255, round(light + 12)):02x}"


def _short(name: str) -> str:
    """What fits beside the row: the end of a name tells counties of one city apart."""
    while text_width(name) > LEFT - 8:
        name = name[1:]
    return name


def draw(room: Room) -> Element:
    """Who came early by which place was drawn: an even light grey when nobody was favoured."""
    table = room["table"]
    size = len(table)
    expected = sum(map(sum, table)) / (size * size or 1)
    left, top = 40.0, 8.0
    parts = [
        _drawn_cell(left + column * _CELL, top + row * _CELL, count, expected, (row, column, size))
        for row, counts in enumerate(table)
        for column, count in enumerate(counts)
    ]
    edge, below = left + size * _CELL, top + size * _CELL
    words = (
        ("抽中的名次", (left + edge) / 2, below + 34, "middle unit"),
        ("靠前", left, below + 16, "unit"),
        ("靠后", edge, below + 16, "unit end"),
        ("先到", left - 6, top + 12, "unit end"),
        ("后到", left - 6, below - 3, "unit end"),
    )
    parts += [element("text", text, x=x, y=y, class_=kind) for text, x, y, kind in words]
    chart = element(
        "svg",
        element("title", "到达先后与抽中名次"),
        parts,
        viewBox=f"0 0 {edge + 12:g} {below + 42:g}",
        role="img",
        class_="chart draw",
    )
    entries = [
        (area_of(_grey(deviations)), f"与应有人数（每格约 {whole(expected)} 人）{words}")
        for deviations, words in ((0.0, "相符"), (_FAR, "相差4个标准差以上"))
    ]
    return block(chart, entries)


def _drawn_cell(
    x: float, y: float, count: int, expected: float, where: tuple[int, int, int]
) -> Element:
    row, column, size = where
    deviations = abs(count - expected) / (expected**0.5 or 1.0)
    return element(
        "rect",
        element(
            "title",
            f"到达第{row + 1}/{size}段、名次第{column + 1}/{size}段："
            f"{count} 人，应约 {expected:.0f} 人",
        ),
        x=x,
        y=y,
        width=_CELL,
        height=_CELL,
        fill=_grey(deviations),
        class_="cell",
    )


def _grey(deviations: float) -> str:
    light = round(238 - 200 * min(1.0, deviations / _FAR))
    return f"#{light:02x}{light:02x}{light:02x}"
