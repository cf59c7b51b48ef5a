"""The font stack: which font files may be used, and whether a text can be drawn with them.

Two sources are known, searched in this order for each font: Debian's packages
`fonts-noto-cjk` and `fonts-babelstone-han` (the container image has them; together they reach
GB 18030-2022 level 3 and beyond), and the Python package `mplfonts`, of which only two font
files are used and nothing is imported. What is in the directories of `add_font_directories` comes
after them. Fonts of the operating system that are not in the stack
are never used, so two machines with the same stack print the same bytes.
"""

import importlib.util
import os
import struct
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from unicodedata import category

import typst
from fontTools.ttLib import TTCollection, TTFont, TTLibError
from uharfbuzz import HarfBuzzError

from zikao_tickets.printing.fitting import HEADING
from zikao_tickets.printing.pdf.faces import Face, UnusableFont
from zikao_tickets.printing.pdf.lines import FaceStack

DEBIAN_FONT_DIRECTORIES = (
    Path("/usr/share/fonts/opentype/noto"),
    Path("/usr/share/fonts/truetype/babelstone"),
)
BODY_FILE_NAMES = ("NotoSerifCJK-Regular.ttc", "NotoSerifCJKsc-Regular.otf")
HEADING_FILE_NAMES = ("NotoSansCJK-Regular.ttc", "NotoSansCJKsc-Regular.otf")
RARE_FILE_NAMES = ("BabelStoneHan.ttf",)
_COLLECTION_SUFFIX = ".ttc"
FONT_SUFFIXES = frozenset({".ttf", ".otf", _COLLECTION_SUFFIX})
_added_directories: list[Path] = []
# What the libraries say of files that they cannot read, or that have not what a font must have.
_UNUSABLE = (OSError, HarfBuzzError, KeyError, TTLibError, UnusableFont, struct.error)
_SIMPLIFIED_CHINESE_SUFFIX = " SC"
_FAMILY_NAME_ID = 1
_INVISIBLE_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


class FontStackIncomplete(RuntimeError):  # noqa: N818 - says what is wrong
    """The serif or the sans font of the ticket is nowhere to be found, or a font is none."""


@dataclass(frozen=True)
class FontFile:
    """One face of one font file; `index` counts the faces of a collection."""

    path: Path
    index: int = 0

    def opened(self) -> Face:
        """As documents are written with it. Raises FontStackIncomplete, naming the file."""
        try:
            return Face(str(self.path), self.index)
        except _UNUSABLE as error:
            raise FontStackIncomplete(f"{self.path}: {error}") from error

    def code_points(self) -> frozenset[int]:
        """The code points this face has a real glyph for."""
        with TTFont(self.path, fontNumber=self.index, lazy=True) as font:
            return frozenset(
                point for point, glyph in (font.getBestCmap() or {}).items() if glyph != ".notdef"
            )


def known_font_directories() -> tuple[Path, ...]:
    """The directories searched by default, in order: Debian's, then the Python package's."""
    package = importlib.util.find_spec("mplfonts")
    roots = (package.submodule_search_locations or []) if package else []
    return (*DEBIAN_FONT_DIRECTORIES, *(Path(root) / "fonts" for root in roots))


@dataclass(frozen=True)
class FontStack:
    """The faces in the order in which a character is looked for: body, heading, then others."""

    body: FontFile
    heading: FontFile
    others: tuple[FontFile, ...] = ()

    @classmethod
    def discover(cls, directories: Sequence[Path] | None = None) -> "FontStack":
        """Find the stack in `directories` (default: the known ones).

        Raises FontStackIncomplete.
        """
        searched = known_font_directories() if directories is None else directories
        rare = _find(searched, RARE_FILE_NAMES)
        return cls(
            body=_face(_required(searched, BODY_FILE_NAMES)),
            heading=_face(_required(searched, HEADING_FILE_NAMES)),
            others=(_face(rare),) if rare else (),
        )

    @property
    def files(self) -> tuple[FontFile, ...]:
        """All faces, body first."""
        return (self.body, self.heading, *self.others)

    def heading_families(self) -> list[str]:
        """Family names in the order in which a character is looked for: sans first."""
        return self._families((self.heading, *self.files))

    def _families(self, faces: Sequence[FontFile]) -> list[str]:
        """The typesetter's own names: it strips words such as 'Regular' that files carry."""
        names = {(info.path, info.index): info.family for info in self.typst_fonts.fonts()}
        keys = [(str(face.path.resolve()), face.index) for face in faces]
        if unknown := [path for path, index in keys if (path, index) not in names]:
            raise FontStackIncomplete(f"{unknown[0]}: the typesetter cannot use it")
        return list(dict.fromkeys(names[key] for key in keys))

    @cached_property
    def faces(self) -> FaceStack:
        """The same files as documents are written with.

        Raises FontStackIncomplete.
        """
        order = range(len(self.files))
        return FaceStack([face.opened() for face in self.files], {HEADING: (1, *order)})

    @cached_property
    def code_points(self) -> frozenset[int]:
        """Every code point that some face of the stack draws."""
        return frozenset().union(*(face.code_points() for face in self.files))

    def missing_glyphs(self, text: str) -> list[str]:
        """The characters of the text that no font has, each once, in order of appearance.

        Controls and other invisible characters count as missing, even where a font maps
        them: nothing is dropped from a name in silence.
        """
        return [
            char
            for char in dict.fromkeys(text)
            if ord(char) not in self.code_points or category(char) in _INVISIBLE_CATEGORIES
        ]

    @cached_property
    def typst_fonts(self) -> typst.Fonts:
        """Exactly these files, loaded once and shared: loading costs as much as 50 documents.

        The typesetter takes directories only, so the files are linked into one for the
        moment of loading; it keeps the real paths.
        """
        with tempfile.TemporaryDirectory(prefix="zikao-fonts-") as directory:
            for number, face in enumerate(self.files):
                link = Path(directory) / f"{number:02}{face.path.suffix}"
                os.symlink(face.path.resolve(), link)  # noqa: PTH211 - target, then name
            return typst.Fonts(
                include_system_fonts=False, include_embedded_fonts=False, font_paths=[directory]
            )


def add_font_directories(directories: Sequence[Path]) -> None:
    """Let this process find every font in them too, after the known ones; before it needs any."""
    _added_directories.extend(directories)


@lru_cache(maxsize=1)
def default_stack() -> FontStack:
    """The stack of the known directories and the added ones, found once a process."""
    stack = FontStack.discover()
    return replace(stack, others=(*stack.others, *_fonts_in(_added_directories)))


def require_usable(directories: Sequence[Path]) -> None:
    """See to it at the start that printing will find its fonts, and can use those in `directories`.

    Raises FontStackIncomplete with what is missing, or the file that is no font. A process that
    prints would find out at the first ticket.
    """
    stack = FontStack.discover()
    if added := _fonts_in(directories):
        for font in added:
            font.opened()
        replace(stack, others=added).heading_families()


def _fonts_in(directories: Sequence[Path]) -> tuple[FontFile, ...]:
    paths = (path for directory in directories for path in sorted(directory.iterdir()))
    return tuple(_face(path) for path in paths if path.suffix.lower() in FONT_SUFFIXES)


def code_point_label(char: str) -> str:
    """'𬭎' becomes '𬭎 (U+2CB4E)', for people who must find a font for it."""
    shown = char if char.isprintable() else "?"
    return f"{shown} (U+{ord(char):04X})"


def _find(directories: Sequence[Path], names: Sequence[str]) -> Path | None:
    candidates = (directory / name for directory in directories for name in names)
    return next((path for path in candidates if path.is_file()), None)


def _required(directories: Sequence[Path], names: Sequence[str]) -> Path:
    path = _find(directories, names)
    if path is None:
        raise FontStackIncomplete(
            f"none of {', '.join(names)} found; install Debian's fonts-noto-cjk"
            " or the Python package mplfonts"
        )
    return path


def _face(path: Path) -> FontFile:
    """The only face of a file, or the simplified Chinese face of a collection."""
    if path.suffix.lower() != _COLLECTION_SUFFIX:
        return FontFile(path)
    try:
        with TTCollection(path, lazy=True) as collection:
            families = [str(font["name"].getDebugName(_FAMILY_NAME_ID)) for font in collection]
    except _UNUSABLE as error:
        raise FontStackIncomplete(f"{path}: {error}") from error
    chinese = (at for at, name in enumerate(families) if name.endswith(_SIMPLIFIED_CHINESE_SUFFIX))
    return FontFile(path, next(chinese, 0))
