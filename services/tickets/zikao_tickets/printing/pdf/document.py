"""A document in parts, each of which is final when it is made (ISO 32000-1, section 7.5).

What closes it (fonts, page tree, cross-reference table) needs of every part only its `Growth`, a
few kilobytes: so a document of any length is written in constant memory, and goes on after any
part, in any process, byte for byte as if it had never been interrupted.
"""

import hashlib
import json
import zlib
from array import array
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from itertools import chain

from zikao_tickets.printing.pdf.canvas import Canvas
from zikao_tickets.printing.pdf.imported import ImportedForm
from zikao_tickets.printing.pdf.lines import FaceStack
from zikao_tickets.printing.pdf.syntax import number, reference, stream, text

# Readers take a file for binary by four bytes above 127 in its second line.
HEADER = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"
_CATALOG, _PAGES, _INFO, _FIRST_FONT = 1, 2, 3, 4
_OBJECTS_A_FONT = 6
_FREE = b"0000000000 65535 f \n"


class OtherFonts(ValueError):  # noqa: N818 - says what is wrong
    """Parts were made with fonts that are not there any more: glyphs have other numbers."""


@dataclass(frozen=True)
class Place:
    """Where in a document a part begins."""

    fonts: str
    """Digest of the faces it is written with."""
    object_number: int
    offset: int
    forms: dict[str, int] = field(default_factory=dict)
    """Forms that are there already, by their keys."""


@dataclass(frozen=True)
class Growth:
    """What a part has added to its document."""

    fonts: str
    """Digest of the faces it is written with."""
    first: int
    """Its first object number; the others follow."""
    offsets: tuple[int, ...]
    """Of its objects, in bytes from the document's beginning; 0 where there is none."""
    start: int
    end: int
    node: int
    """Its node of the page tree; none when it has no page."""
    pages: int
    forms: dict[str, int]
    glyphs: dict[str, dict[str, str]]
    """By face and glyph number, the text a glyph stands for."""

    @property
    def after(self) -> Place:
        """Where the next part begins."""
        return Place(self.fonts, self.first + len(self.offsets), self.end, self.forms)

    def to_bytes(self) -> bytes:
        """What `from_bytes` takes."""
        steps = [now - before for before, now in zip(self.offsets, self.offsets[1:], strict=False)]
        fields = asdict(self) | {"offsets": [*self.offsets[:1], *steps]}
        return zlib.compress(json.dumps(fields, ensure_ascii=False).encode())

    @classmethod
    def from_bytes(cls, data: bytes) -> "Growth":
        """The inverse of `to_bytes`."""
        fields = json.loads(zlib.decompress(data))
        offset, offsets = 0, []
        for step in fields["offsets"]:
            offset += step
            offsets.append(offset)
        return cls(**fields | {"offsets": tuple(offsets)})


class Part:
    """Some pages on their way; `finish` once."""

    def __init__(self, place: Place, fonts: dict[int, int]) -> None:
        self._fonts, self._digest = fonts, place.fonts
        self._first, self._start = place.object_number, place.offset
        self._chunks: list[bytes] = []
        self._offsets: list[int] = []
        self._size = 0
        self._forms = dict(place.forms)
        self._kids: list[int] = []
        self._glyphs: dict[int, dict[int, str]] = {}
        self._node = self._reserve()

    def add(self, body: bytes) -> int:
        """An object; its number."""
        object_number = self._reserve()
        self._write(object_number, body)
        return object_number

    def form(self, key: str, form: ImportedForm) -> int:
        """The number of a form, which is added when the document has it not yet."""
        if key not in self._forms:
            first = self._first + len(self._offsets)
            self._forms[key] = first
            for body in form.numbered(first):
                self.add(body)
        return self._forms[key]

    def page(self, canvas: Canvas) -> None:
        """The next page."""
        content = self.add(stream(canvas.content()))
        box = f"0 0 {number(canvas.width)} {number(canvas.height)}"
        page = (
            f"<</Type/Page/Parent {reference(self._node)}/MediaBox[{box}]"
            f"/Resources{canvas.resources(self._fonts)}/Contents {reference(content)}>>"
        )
        self._kids.append(self.add(page.encode()))
        for face, glyphs in canvas.glyphs.items():
            known = self._glyphs.setdefault(face, {})
            for code in glyphs.keys() - known.keys():
                known[code] = glyphs[code]

    def finish(self) -> tuple[bytes, Growth]:
        """The part's bytes, and what must be known of them to go on."""
        if self._kids:
            kids = " ".join(map(reference, self._kids))
            parent, count = reference(_PAGES), len(self._kids)
            node = f"<</Type/Pages/Parent {parent}/Count {count}/Kids[{kids}]>>"
            self._write(self._node, node.encode())
        glyphs = {
            str(face): {str(code): known[code] for code in sorted(known)}
            for face, known in sorted(self._glyphs.items())
        }
        growth = Growth(
            fonts=self._digest,
            first=self._first,
            offsets=tuple(self._offsets),
            start=self._start,
            end=self._start + self._size,
            node=self._node,
            pages=len(self._kids),
            forms=self._forms,
            glyphs=glyphs,
        )
        return b"".join(self._chunks), growth

    def _reserve(self) -> int:
        self._offsets.append(0)
        return self._first + len(self._offsets) - 1

    def _write(self, object_number: int, body: bytes) -> None:
        self._offsets[object_number - self._first] = self._start + self._size
        chunk = _object(object_number, body)
        self._chunks.append(chunk)
        self._size += len(chunk)


class Document:
    """What all parts of a document have in common; holds nothing of what was written."""

    def __init__(self, stack: FaceStack, title: str, created_at: datetime) -> None:
        self._stack, self._title, self._created_at = stack, title, created_at
        self._fonts = {
            face: _FIRST_FONT + face * _OBJECTS_A_FONT for face in range(len(stack.faces))
        }

    @property
    def start(self) -> Place:
        """Where the first part begins: after HEADER."""
        first = _FIRST_FONT + len(self._fonts) * _OBJECTS_A_FONT
        return Place(self._stack.digest, first, len(HEADER))

    def part(self, place: Place) -> Part:
        """A part that begins at `place`; raises OtherFonts for one of other fonts."""
        if place.fonts != self._stack.digest:
            raise OtherFonts
        return Part(place, self._fonts)

    def close(self, growths: Iterable[Growth]) -> bytes:
        """What comes after the last part. Raises OtherFonts, and ValueError for gaps.

        The parts are gone through once, one by one: they may be many.
        """
        whole = _Whole(self.start, len(self._stack.faces))
        for growth in growths:
            whole.add(growth)
        chunks, position = [], whole.end.offset
        for object_number, body in chain(self._font_objects(whole), self._frame(whole)):
            whole.offsets[object_number] = position
            chunks.append(_object(object_number, body))
            position += len(chunks[-1])
        return b"".join([*chunks, self._trailer(whole.offsets, position)])

    def _font_objects(self, whole: "_Whole") -> Iterable[tuple[int, bytes]]:
        for at, (face, used) in enumerate(zip(self._stack.faces, whole.glyphs, strict=True)):
            if used:
                yield from enumerate(face.objects(used, self._fonts[at]), self._fonts[at])

    def _frame(self, whole: "_Whole") -> Iterable[tuple[int, bytes]]:
        kids = " ".join(map(reference, whole.nodes))
        yield _PAGES, f"<</Type/Pages/Count {whole.pages}/Kids[{kids}]>>".encode()
        yield (
            _CATALOG,
            f"<</Type/Catalog/Pages {reference(_PAGES)}/Lang(zh-CN)"
            "/ViewerPreferences<</DisplayDocTitle true/PrintScaling/None>>>>".encode(),
        )
        created = self._created_at.astimezone(UTC).strftime("D:%Y%m%d%H%M%SZ")
        yield _INFO, f"<</Title{text(self._title)}/CreationDate({created})>>".encode()

    def _trailer(self, offsets: "array[int]", position: int) -> bytes:
        entries = [_FREE]
        entries += [b"%010d 00000 n \n" % at if at else _FREE for at in offsets[1:]]
        table = b"xref\n0 %d\n" % len(entries) + b"".join(entries)
        digest = hashlib.sha256(table).hexdigest()[:32].upper()
        trailer = (
            f"trailer\n<</Size {len(entries)}/Root {reference(_CATALOG)}/Info {reference(_INFO)}"
            f"/ID[<{digest}><{digest}>]>>\nstartxref\n{position}\n%%EOF\n"
        )
        return table + trailer.encode()


class _Whole:
    """What all parts together have added."""

    def __init__(self, start: Place, faces: int) -> None:
        self.end = start
        self.offsets = array("Q", bytes(8 * start.object_number))
        self.glyphs: list[dict[int, str]] = [{} for _ in range(faces)]
        self.nodes: list[int] = []
        self.pages = 0

    def add(self, growth: Growth) -> None:
        """The next part; raises OtherFonts, and ValueError when it is another one."""
        if growth.fonts != self.end.fonts:
            raise OtherFonts
        if (growth.first, growth.start) != (self.end.object_number, self.end.offset):
            raise ValueError("the parts do not follow each other")
        self.end = growth.after
        self.offsets.extend(growth.offsets)
        if growth.pages:
            self.nodes.append(growth.node)
            self.pages += growth.pages
        for face, glyphs in growth.glyphs.items():
            used = self.glyphs[int(face)]
            for code, meaning in glyphs.items():
                used.setdefault(int(code), meaning)


def _object(object_number: int, body: bytes) -> bytes:
    return b"%d 0 obj\n%s\nendobj\n" % (object_number, body)
