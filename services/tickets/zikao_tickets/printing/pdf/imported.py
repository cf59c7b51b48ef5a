"""A page that the typesetter made, to be drawn again and again as one form.

Reads what this version of the typesetter writes and nothing else: every object in full, none
inside another, one page. A test compares what is drawn with the typesetter's own page.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

_OBJECT = re.compile(rb"^(\d+) 0 obj\n", re.MULTILINE)
_STREAM = re.compile(rb"^<<(?:(?!\nendobj).)*?/?Length (\d+)[^\n]*>>\nstream\n", re.DOTALL)
_REFERENCE = re.compile(rb"\b(\d+) 0 R\b")
_PAGE = re.compile(rb"/Type/Page/Resources (\d+) 0 R/MediaBox\[([^\]]*)\].*?/Contents (\d+) 0 R")
_LENGTH_FIRST = re.compile(rb"^<<")


class ImportedForm(NamedTuple):
    """A page as a Form XObject and what it draws with; the form itself is the first object.

    The objects refer to each other by their place, from 0, as `{n} 0 R`.
    """

    objects: tuple[tuple[bytes, bytes], ...]
    """Dictionary (where references are) and the rest (a stream's bytes)."""

    def numbered(self, first: int) -> Iterator[bytes]:
        """The objects, the form being number `first`."""
        for head, rest in self.objects:
            yield _REFERENCE.sub(lambda found: b"%d 0 R" % (first + int(found[1])), head) + rest


def import_page(pdf: bytes) -> ImportedForm:
    """The only page of a document of the typesetter. Raises ValueError for any other shape."""
    bodies = dict(_bodies(pdf))
    pages = [found for found in map(_PAGE.search, (head for head, _ in bodies.values())) if found]
    if len(pages) != 1:
        raise ValueError(f"{len(pages)} pages where one is expected")
    resources, box, contents = int(pages[0][1]), pages[0][2], int(pages[0][3])
    order = [contents, *_reachable(bodies, resources)]
    places = {number: place for place, number in enumerate(order)}
    entries = b"<</Type/XObject/Subtype/Form/BBox[%s]/Resources %d 0 R/" % (box, resources)
    head, rest = bodies[contents]
    bodies[contents] = (_LENGTH_FIRST.sub(lambda _: entries.rstrip(b"/"), head), rest)
    return ImportedForm(tuple(_placed(bodies[number], places) for number in order))


def _placed(body: tuple[bytes, bytes], places: dict[int, int]) -> tuple[bytes, bytes]:
    head, rest = body
    return _REFERENCE.sub(lambda found: b"%d 0 R" % places[int(found[1])], head), rest


def _bodies(pdf: bytes) -> Iterator[tuple[int, tuple[bytes, bytes]]]:
    """Number, dictionary and rest of every object."""
    position = 0
    while found := _OBJECT.search(pdf, position):
        start = found.end()
        if packed := _STREAM.match(pdf[start : start + 4096]):
            middle = start + packed.end() - len(b"\nstream\n")
            end = start + packed.end() + int(packed[1]) + len(b"\nendstream")
        else:
            middle = end = pdf.index(b"\nendobj", start)
        if not pdf.startswith(b"\nendobj", end):
            raise ValueError(f"object {found[1].decode()} does not end where it should")
        yield int(found[1]), (pdf[start:middle], pdf[middle:end])
        position = end


def _reachable(bodies: dict[int, tuple[bytes, bytes]], first: int) -> list[int]:
    order = [first]
    for number in order:
        for found in _REFERENCE.findall(bodies[number][0]):
            if int(found) not in order:
                order.append(int(found))
    return order
