"""Lines of text: which face draws which character, as a page's content takes it."""

import hashlib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

import uharfbuzz as hb

from zikao_tickets.printing.pdf.faces import Face, Glyph

_EM = 1000
_LINES_KEPT = 16_384


class Run(NamedTuple):
    """Neighbouring glyphs of one face; or one character (`missing`) that no face draws."""

    face: int
    operator: str
    """Shows the glyphs: the end of a text object's line."""
    glyphs: Mapping[int, str]
    width: int
    missing: str = ""


class Line(NamedTuple):
    """A line of text at size 1000."""

    runs: tuple[Run, ...]
    width: int


class FaceStack:
    """Faces and the orders in which they are asked for a character; safe to share."""

    def __init__(self, faces: Sequence[Face], orders: Mapping[str, Sequence[int]]) -> None:
        """`orders` has places in `faces` by the name that a text asks for."""
        self.faces = tuple(faces)
        self._orders = orders
        heads = b"".join(face.digest for face in self.faces)
        self.digest = hashlib.sha256(hb.version_string().encode() + heads).hexdigest()
        """Tells stacks apart that would draw, or number, glyphs otherwise."""
        self.line = lru_cache(maxsize=_LINES_KEPT)(self._line)

    def draws(self, char: str) -> bool:
        """Whether some face has a glyph for the character."""
        return any(ord(char) in face.code_points for face in self.faces)

    def _line(self, text: str, order: str) -> Line:
        """The line; a character that no face draws takes the place of one that does."""
        runs = [self._run(face, part) for face, part in self._parts(text, self._orders[order])]
        return Line(tuple(runs), sum(run.width for run in runs))

    def _parts(self, text: str, order: Sequence[int]) -> list[tuple[int | None, str]]:
        parts: list[tuple[int | None, str]] = []
        for char in text:
            face = next((at for at in order if ord(char) in self.faces[at].code_points), None)
            if parts and parts[-1][0] == face and face is not None:
                parts[-1] = (face, parts[-1][1] + char)
            else:
                parts.append((face, char))
        return parts

    def _run(self, face: int | None, text: str) -> Run:
        if face is None:
            return Run(-1, "", {}, _EM, missing=text)
        glyphs = self.faces[face].shape(text)
        used = {glyph.code: glyph.text for glyph in glyphs}
        width = sum(glyph.advance for glyph in glyphs)
        return Run(face, self._operator(face, glyphs), used, width)

    def _operator(self, face: int, glyphs: Sequence[Glyph]) -> str:
        shown, moved = "", False
        for glyph in glyphs:
            shown += f"{glyph.code:04X}"
            if back := self.faces[face].width(glyph.code) - glyph.advance:
                shown, moved = f"{shown}>{back}<", True
        return f"[<{shown}>]TJ" if moved else f"<{shown}>Tj"
