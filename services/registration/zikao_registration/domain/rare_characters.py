"""Characters that old systems kept in Unicode's private-use areas (DOMAIN section 3, Application).

GBK and the editions of GB 18030 up to 2005 had no other place for some characters, nor had
offices for those that they drew themselves. GB 18030-2022 leaves none of its own there. What a
private code point meant is known for the standard's characters, and told by the province for its
own; no font draws it elsewhere, so names keep the real character.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping

_PRIVATE_USE = "Co"
# A run of private code points, from the first on, and what GB 18030-2022 has in their places:
# vertical punctuation (A6D9 …), pinyin (A8BC, A8BF), descriptions of ideographs (A989 …), and the
# 80 characters at FE50 to FEA0, of which eight (9FB4 …) and six of extension B came last.
_STANDARD_RUNS = """
E78D: FE10 FE12 FE11 FE13 FE14 FE15 FE16 FE17 FE18 FE19
E7C7: 1E3F 01F9
E7E7: 303E 2FF0 2FF1 2FF2 2FF3 2FF4 2FF5 2FF6 2FF7 2FF8 2FF9 2FFA 2FFB
E815: 2E81 20087 20089 200CC 2E84 3473 3447 2E88 2E8B 9FB4 359E 361A 360E 2E8C 2E97 396E
      3918 9FB5 39CF 39DF 3A73 39D0 9FB6 9FB7 3B4E 3C6E 3CE0 2EA7 215D7 9FB8 2EAA 4056
      415F 2EAE 4337 2EB3 2EB6 2EB7 2298F 43B1 43AC 2EBB 43DD 44D6 4661 464C 9FB9 4723
      4729 477C 478D 2ECA 4947 497A 497D 4982 4983 4985 4986 499F 499B 49B7 49B6 9FBA
      241FE 4CA3 4C9F 4CA0 4CA1 4C77 4CA2 4D13 4D14 4D15 4D16 4D17 4D18 4D19 4DAE 9FBB
"""


def standard_mapping() -> dict[str, str]:
    """GB 18030's own private characters, each with its real one."""
    mapping: dict[str, str] = {}
    for run in _STANDARD_RUNS.replace("\n     ", "").split("\n"):
        first, _, meanings = run.partition(":")
        for offset, meaning in enumerate(meanings.split()):
            mapping[chr(int(first, 16) + offset)] = chr(int(meaning, 16))
    return mapping


def is_private(character: str) -> bool:
    """Say whether a character means only what two parties have agreed on."""
    return unicodedata.category(character) == _PRIVATE_USE


class RareCharacters:
    """The standard's mapping with the province's own; both map one character to one."""

    def __init__(self, own: Mapping[str, str] | None = None) -> None:
        """Raise ValueError for a mapping from or to what it may not be."""
        for source, meaning in (own or {}).items():
            if not is_private(source) or is_private(meaning):
                raise ValueError(f"{code_point(source)}: not a private character for a real one")
        self._meanings = str.maketrans(standard_mapping() | dict(own or {}))

    def mapped(self, text: str) -> str:
        """The text with every private character that is known replaced; the others stay."""
        return text.translate(self._meanings)


def private_in(text: str) -> Iterator[str]:
    """Each private character of a text, as code point (`U+E863`)."""
    return (code_point(character) for character in text if is_private(character))


def code_point(text: str) -> str:
    """The code points of a text, for people: `U+E863`."""
    return " ".join(f"U+{ord(character):04X}" for character in text)
