"""Faces of fonts: texts to glyphs, and the part of a font that a document carries."""

import hashlib
import re
import struct
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import NamedTuple

import uharfbuzz as hb
from fontTools.ttLib import TTFont

from zikao_tickets.printing.pdf.syntax import number, reference, stream

_EM = 1000
_SUBSET_FLAGS = hb.SubsetFlags.NO_LAYOUT_CLOSURE | hb.SubsetFlags.NO_HINTING
# Glyphs keep their places, and are found by them: larger, and right for every CFF font.
_PLACES_FLAGS = hb.SubsetFlags.RETAIN_GIDS | hb.SubsetFlags.CFF_IDENTITY_CHARSET
_KEPT_TABLES = {b"CFF ", b"glyf", b"loca", b"head", b"hhea", b"hmtx", b"maxp", b"cvt ", b"fpgm"}
_SYMBOLIC = 4
_STEM_THICKNESS = 80
_MAPS_A_BLOCK = 100
_POSTSCRIPT_NAME = 6
_NO_NAME = re.compile("[^A-Za-z0-9-]")


class Glyph(NamedTuple):
    """One glyph of a face: its number, what it stands for, and how far the next one is."""

    code: int
    text: str
    advance: int
    """In thousandths of the size; kerning included."""


class UnusableFont(ValueError):  # noqa: N818 - says what is wrong
    """A font of a kind that documents cannot carry."""


class Face:
    """One face. Glyph numbers are those of the whole font, in every document."""

    def __init__(self, path: str, index: int = 0) -> None:
        """Map the file; nothing of it is copied. Raises UnusableFont."""
        self._blob = hb.Blob.from_file_path(path)
        self._face = hb.Face(self._blob, index)
        self._font = hb.Font(self._face)
        # Has a checksum of the whole font, and when it was made.
        self.digest = hashlib.sha256(bytes(self._face.reference_table("head").data)).digest()
        with TTFont(path, fontNumber=index, lazy=True) as font:
            self._describe(font)

    def _describe(self, font: TTFont) -> None:
        units = font["head"].unitsPerEm
        self._scale = _EM / units
        self.name = _NO_NAME.sub("", str(font["name"].getDebugName(_POSTSCRIPT_NAME)))
        self.is_cff = "CFF " in font
        if not self.is_cff and "glyf" not in font:
            raise UnusableFont(f"{self.name}: neither TrueType nor CFF outlines")
        head, line = font["head"], font["hhea"]
        box = (head.xMin, head.yMin, head.xMax, head.yMax)
        self._box = " ".join(number(edge * self._scale) for edge in box)
        self._ascent, self._descent = line.ascent * self._scale, line.descent * self._scale
        self._cap_height = getattr(font.get("OS/2"), "sCapHeight", 0) * self._scale
        self.code_points = frozenset(
            point for point, glyph in font.getBestCmap().items() if glyph != ".notdef"
        )
        self._flags = _SUBSET_FLAGS
        if self.is_cff and not _names_itself(font):
            self._flags |= _PLACES_FLAGS

    def shape(self, text: str) -> tuple[Glyph, ...]:
        """The glyphs of a text that this face draws."""
        buffer = hb.Buffer()
        buffer.add_str(text)
        buffer.guess_segment_properties()
        buffer.language = "zh-Hans"
        hb.shape(self._font, buffer)
        infos, positions = buffer.glyph_infos, buffer.glyph_positions
        ends = [info.cluster for info in infos[1:]] + [len(text)]
        return tuple(
            Glyph(info.codepoint, text[info.cluster : end], round(at.x_advance * self._scale))
            for info, end, at in zip(infos, ends, positions, strict=True)
        )

    def width(self, code: int) -> int:
        """A glyph's own width, in thousandths of the size."""
        return int(self._font.get_glyph_h_advance(code) * self._scale + 0.5)

    def objects(self, used: Mapping[int, str], first: int) -> Iterable[bytes]:
        """The font's five or six objects, numbered from `first`: the font itself comes first.

        `used` are the glyphs and the texts they stand for.
        """
        codes = sorted(used)
        program, places = self._subset(codes)
        name = f"{_tag(codes)}+{self.name}"
        kind = "CIDFontType0" if self.is_cff else "CIDFontType2"
        widths = "".join(f"{code}[{self.width(code)}]" for code in codes)
        yield (
            f"<</Type/Font/Subtype/Type0/BaseFont/{name}/Encoding/Identity-H"
            f"/DescendantFonts[{reference(first + 1)}]/ToUnicode {reference(first + 3)}>>"
        ).encode()
        yield (
            f"<</Type/Font/Subtype/{kind}/BaseFont/{name}"
            "/CIDSystemInfo<</Registry(Adobe)/Ordering(Identity)/Supplement 0>>"
            f"/FontDescriptor {reference(first + 2)}/DW 1000/W[{widths}]"
            f"{f'/CIDToGIDMap {reference(first + 5)}' if places else ''}>>"
        ).encode()
        program_key = "FontFile3" if self.is_cff else "FontFile2"
        yield (
            f"<</Type/FontDescriptor/FontName/{name}/Flags {_SYMBOLIC}/FontBBox[{self._box}]"
            f"/ItalicAngle 0/Ascent {number(self._ascent)}/Descent {number(self._descent)}"
            f"/CapHeight {number(self._cap_height)}/StemV {_STEM_THICKNESS}"
            f"/{program_key} {reference(first + 4)}>>"
        ).encode()
        yield stream(_unicode_map(used), best=True)
        entries = "/Subtype/CIDFontType0C" if self.is_cff else f"/Length1 {len(program)}"
        yield stream(program, entries, best=True)
        if places:
            yield stream(places, best=True)

    def _subset(self, codes: list[int]) -> tuple[bytes, bytes]:
        """The font with these glyphs only, and where they are by their number in the whole font.

        A CFF font says that itself: by its charset, which keeps the numbers as CIDs, or by its
        glyphs' places.
        """
        wanted = hb.SubsetInput()
        wanted.glyph_set.update(codes)
        wanted.flags = self._flags
        wanted.drop_table_tag_set.update(self._dropped)
        if self.is_cff:
            return bytes(hb.subset(self._face, wanted).reference_table("CFF ").data), b""
        plan = hb.SubsetPlan(self._face, wanted)
        moved = plan.old_to_new_glyph_mapping
        places = [0] * (codes[-1] + 1)
        for code in codes:
            places[code] = moved[code]
        program = bytes(plan.execute().blob.data)
        return program, struct.pack(f">{len(places)}H", *places)

    @cached_property
    def _dropped(self) -> set[int]:
        kept = _KEPT_TABLES
        return {
            int.from_bytes(tag)
            for tag in (name.encode() for name in self._face.table_tags)
            if tag not in kept
        }


def _names_itself(font: TTFont) -> bool:
    """Whether the CIDs of a CFF font are its glyphs' numbers, as in the Noto fonts."""
    top = font["CFF "].cff[0]
    if not hasattr(top, "ROS"):
        return False
    return all(name == f"cid{number:05}" for number, name in enumerate(top.charset) if number)


def _tag(codes: list[int]) -> str:
    """Six letters that tell apart subsets of one font (ISO 32000-1, 9.6.4)."""
    digest = hashlib.sha256(struct.pack(f">{len(codes)}H", *codes)).digest()
    return "".join(chr(ord("A") + byte % 26) for byte in digest[:6])


def _unicode_map(used: Mapping[int, str]) -> bytes:
    """What text a reader finds or copies (ISO 32000-1, 9.10.3)."""
    lines = [
        "/CIDInit /ProcSet findresource begin 12 dict begin begincmap",
        "/CIDSystemInfo<</Registry(Adobe)/Ordering(UCS)/Supplement 0>>def",
        "/CMapName/Adobe-Identity-UCS def/CMapType 2 def",
        "1 begincodespacerange<0000><FFFF>endcodespacerange",
    ]
    codes = sorted(used)
    for start in range(0, len(codes), _MAPS_A_BLOCK):
        block = codes[start : start + _MAPS_A_BLOCK]
        lines.append(f"{len(block)} beginbfchar")
        lines += [f"<{code:04X}><{used[code].encode('utf-16-be').hex()}>" for code in block]
        lines.append("endbfchar")
    lines.append("endcmap CMapName currentdict/CMap defineresource pop end end")
    return "\n".join(lines).encode()
