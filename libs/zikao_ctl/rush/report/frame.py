"""The frame of a chart over time: axes, what was when, and what stands beside lines.

Readable without colours: lines differ by their strokes, areas by their patterns (`style.css` has
only what also a printer needs).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from xml.etree.ElementTree import Element

from zikao_ctl.rush.report.elements import element
from zikao_ctl.rush.report.numbers import moment
from zikao_ctl.rush.report.scales import Linear, Log, second_ticks

WIDTH = 680.0
LEFT, RIGHT, BOTTOM = 64.0, 14.0, 42.0
# Units, then names of phases, then numbers of faults.
UNIT_ROW, PHASE_ROW, FAULT_ROW = 13.0, 31.0, 49.0
ROW_APART = 15.0
_FAULT_RADIUS = 7.0
_LETTER, _HANZI = 7.0, 12.5


@dataclass(frozen=True)
class Band:
    """A part of the time with a name."""

    begins: float
    ends: float
    name: str


@dataclass(frozen=True)
class Fault:
    """A moment with a number, which the page's table of faults explains."""

    at: float
    number: int
    what: str


@dataclass(frozen=True)
class Time:
    """What all charts over time share: their range, its parts, and what happened."""

    low: float
    high: float
    bands: Sequence[Band] = ()
    faults: Sequence[Fault] = ()

    @property
    def rows(self) -> list[int]:
        """For each fault in turn the row of its number, so that none lies over another."""
        x, ends, rows = self.scale(), list[float](), list[int]()
        for fault in self.faults:
            place = x(fault.at)
            free = (row for row, end in enumerate(ends) if place - end > 2 * _FAULT_RADIUS + 1)
            row = next(free, len(ends))
            ends[row : row + 1] = [place]
            rows.append(row)
        return rows

    def scale(self) -> Linear:
        """Seconds to places."""
        return Linear(self.low, self.high, LEFT, WIDTH - RIGHT)


@dataclass
class Frame:
    """A chart that is being drawn; `label` says in a sentence what it shows."""

    label: str
    unit: str
    time: Time
    height: float = 290.0
    y: Linear | Log = field(init=False)
    parts: list[Element] = field(default_factory=list)

    @property
    def x(self) -> Linear:
        """Seconds to places."""
        return self.time.scale()

    @property
    def top(self) -> float:
        """Where the plot begins."""
        rows = max(self.time.rows, default=-1) + 1
        return PHASE_ROW + 8 + rows * ROW_APART + (4 if rows else 0)

    @property
    def bottom(self) -> float:
        """Where it ends."""
        return self.height - BOTTOM

    def linear(self, ticks: Sequence[float]) -> Linear:
        """Let figures go from the first to the last of the ticks."""
        return Linear(ticks[0], ticks[-1], self.bottom, self.top)

    def log(self, ticks: Sequence[float]) -> Log:
        """The same by ratios."""
        return Log(ticks[0], ticks[-1], self.bottom, self.top)

    def draw(self) -> Element:
        """The whole chart."""
        return element(
            "svg",
            element("title", self.label),
            self.parts,
            viewBox=f"0 0 {WIDTH:g} {self.height:g}",
            role="img",
            class_="chart",
        )


def axes(frame: Frame, ticks: Sequence[float], names: Sequence[str]) -> None:
    """Lines and figures of both axes, phases and the opening behind all else."""
    frame.parts += _bands(frame)
    right = WIDTH - RIGHT
    for tick, name in zip(ticks, names, strict=True):
        y = frame.y(tick)
        frame.parts.append(element("line", x1=LEFT, x2=right, y1=y, y2=y, class_="grid"))
        frame.parts.append(element("text", name, x=LEFT - 7, y=y + 4.5, class_="tick end"))
    frame.parts.append(element("text", frame.unit, x=2, y=UNIT_ROW, class_="unit"))
    frame.parts += time_axis(frame.time, frame.bottom)


def time_axis(time: Time, bottom: float) -> Iterator[Element]:
    """Seconds below a plot, the opening by its name."""
    x = time.scale()
    yield element("line", x1=LEFT, x2=WIDTH - RIGHT, y1=bottom, y2=bottom, class_="axis")
    for tick in second_ticks(time.low, time.high):
        is_opening = tick == 0
        yield element("line", x1=x(tick), x2=x(tick), y1=bottom, y2=bottom + 4, class_="axis")
        yield element(
            "text",
            "开放" if is_opening else f"{tick:g}",
            x=x(tick),
            y=bottom + 18,
            class_="tick middle strong" if is_opening else "tick middle",
        )
    yield element("text", "距开放的时间（秒）", x=WIDTH - RIGHT, y=bottom + 36, class_="unit end")


def _bands(frame: Frame) -> Iterator[Element]:
    x = frame.x
    for number, band in enumerate(frame.time.bands):
        left, right = x(band.begins), x(band.ends)
        yield element(
            "rect",
            x=left,
            y=PHASE_ROW - 12,
            width=max(0.0, right - left),
            height=frame.bottom - PHASE_ROW + 12,
            class_="band" if number % 2 else "band other",
        )
        if 1.24 * text_width(band.name) <= right - left:
            yield element(
                "text", band.name, x=(left + right) / 2, y=PHASE_ROW + 1, class_="phase middle"
            )


def events(frame: Frame) -> None:
    """The opening and the faults, over everything else."""
    x, time = frame.x, frame.time
    if time.low < 0 < time.high:
        frame.parts.append(
            element(
                "line",
                x1=x(0.0),
                x2=x(0.0),
                y1=PHASE_ROW - 12,
                y2=frame.bottom + 4,
                class_="opening",
            )
        )
    for fault, row in zip(time.faults, time.rows, strict=True):
        frame.parts += _fault(frame, fault, FAULT_ROW + row * ROW_APART)


def _fault(frame: Frame, fault: Fault, y: float) -> Iterator[Element]:
    place = frame.x(fault.at)
    yield element("line", x1=place, x2=place, y1=y, y2=frame.bottom, class_="fault")
    yield element(
        "g",
        element("title", f"{moment(round(fault.at, 1))}：{fault.what}"),
        element("circle", cx=place, cy=y, r=_FAULT_RADIUS, class_="fault-mark"),
        element("text", str(fault.number), x=place, y=y + 3.6, class_="fault-number middle"),
    )


def line(frame: Frame, points: Iterable[tuple[float, float | None]], kind: str) -> None:
    """A line through the points, with a gap where there is no figure."""
    words, pen = [], "M"
    for at, value in points:
        if value is None:
            pen = "M"
            continue
        words.append(f"{pen}{frame.x(at):.1f} {frame.y(value):.1f}")
        pen = "L"
    if words:
        frame.parts.append(element("path", d="".join(words), class_=f"line {kind}"))


def area(
    frame: Frame, steps: Sequence[tuple[float, float, float, float]], kind: str, fill: str
) -> None:
    """Steps of (begins, ends, lower, upper), filled."""
    if not steps:
        return
    x, y = frame.x, frame.y
    above = [f"{x(at):.1f} {y(up):.1f}" for begins, ends, _, up in steps for at in (begins, ends)]
    below = [f"{x(at):.1f} {y(low):.1f}" for begins, ends, low, _ in steps for at in (begins, ends)]
    way = "M" + "L".join(above + below[::-1]) + "Z"
    frame.parts.append(element("path", d=way, class_=f"area {kind}", fill=fill))


def level(frame: Frame, figure: float, name: str) -> None:
    """A line across with its name above its right end."""
    y = frame.y(figure)
    frame.parts.append(element("line", x1=LEFT, x2=WIDTH - RIGHT, y1=y, y2=y, class_="level"))
    frame.parts.append(note(name, WIDTH - RIGHT - 4, y - 6, "end"))


def peak(frame: Frame, at: float, value: float, name: str) -> None:
    """A point with its name at the side that has room."""
    x, y = frame.x(at), frame.y(value)
    frame.parts.append(element("circle", cx=x, cy=y, r=3.5, class_="peak"))
    fits = x + 10 + text_width(name) <= WIDTH - RIGHT
    frame.parts.append(
        note(name, x + 9, y + 4.5, "") if fits else note(name, x - 9, y + 4.5, "end")
    )


def note(text: str, x: float, y: float, anchor: str) -> Element:
    """Words in the plot, on a white edge."""
    return element("text", text, x=x, y=y, class_=f"note {anchor}".strip())


def tips(frame: Frame, texts: Iterable[tuple[float, float, str]]) -> None:
    """(begins, ends, text): what a pointer over this time is told."""
    for begins, ends, text in texts:
        frame.parts.append(
            element(
                "rect",
                element("title", text),
                x=frame.x(begins),
                y=frame.top,
                width=max(0.1, frame.x(ends) - frame.x(begins)),
                height=frame.bottom - frame.top,
                class_="tip",
            )
        )


def text_width(text: str) -> float:
    """About how wide a label is."""
    return sum(_LETTER if each.isascii() else _HANZI for each in text)
