"""Elements of the page. What is put into them is text, whatever it looks like."""

from __future__ import annotations

from collections.abc import Iterable
from xml.etree.ElementTree import Element, tostring

Child = Element | str | None


def element(tag: str, *children: Child | Iterable[Child], **attributes: object) -> Element:
    """An element; `class_` is class, `stroke_width` is stroke-width, None is left out.

    Children are elements and texts in their order.
    """
    made = Element(tag)
    for name, value in attributes.items():
        if value is not None:
            made.set(name.rstrip("_").replace("_", "-"), _text(value))
    for child in children:
        for each in [child] if child is None or isinstance(child, str | Element) else child:
            _append(made, each)
    return made


def written(root: Element) -> str:
    """As HTML."""
    return tostring(root, encoding="unicode", method="html")


def _append(parent: Element, child: Child) -> None:
    if child is None:
        return
    if isinstance(child, Element):
        parent.append(child)
    elif len(parent):
        parent[-1].tail = (parent[-1].tail or "") + child
    else:
        parent.text = (parent.text or "") + child


def _text(value: object) -> str:
    # Tenths of a pixel are enough, and keep the file small.
    return f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else str(value)
