"""What lines and areas of a chart mean, and the patterns that tell areas apart on any printer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from xml.etree.ElementTree import Element

from zikao_ctl.rush.report.elements import element

SOLID, GREY = "#1d5c91", "#a9b4bf"
HATCHED, DOTTED, PALE = "url(#hatched)", "url(#dotted)", "url(#pale)"


def patterns() -> Element:
    """The patterns of all charts; once on the page."""
    return element(
        "svg",
        element(
            "defs",
            _pattern(
                "hatched",
                6,
                element("path", d="M-1 1L1 -1M0 6L6 0M5 7L7 5", stroke="#b4470e", stroke_width=1.7),
            ),
            _pattern("dotted", 7, element("circle", cx=2, cy=2, r=1.1, fill="#55606c")),
            _pattern("pale", 4, element("rect", width=4, height=4, fill="#dbe6f0")),
        ),
        width=0,
        height=0,
        style="position:absolute",
        aria_hidden="true",
    )


def _pattern(name: str, size: int, *marks: Element) -> Element:
    made = element(
        "pattern",
        element("rect", width=size, height=size, fill="#fff"),
        marks,
        id=name,
        width=size,
        height=size,
    )
    made.set("patternUnits", "userSpaceOnUse")
    return made


def area_of(fill: str) -> Element:
    """A swatch of an area."""
    box = element("rect", x=1, y=1, width=28, height=12, fill=fill, stroke="#55606c")
    return _swatch(box)


def line_of(kind: str) -> Element:
    """A swatch of a line."""
    return _swatch(element("path", d="M1 7H29", class_=f"line {kind}".strip()))


def _swatch(mark: Element) -> Element:
    return element("svg", mark, viewBox="0 0 30 14", class_="swatch", aria_hidden="true")


def legend(entries: Iterable[tuple[Element, str]]) -> Element:
    """Swatches with their names, as many in a line as there is room."""
    return element(
        "div", [element("span", swatch, name) for swatch, name in entries], class_="legend"
    )


def block(chart: Element, entries: Sequence[tuple[Element, str]] = ()) -> Element:
    """A chart under its legend."""
    return element(
        "div",
        legend(entries) if entries else None,
        chart,
        class_="figure-block",
    )
