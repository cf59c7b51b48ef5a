"""How PDF writes things down (ISO 32000-1, section 7.3)."""

import zlib

# Pages are small: a better level costs more than it saves.
_PAGE_LEVEL = 6
_FONT_LEVEL = 9


def number(value: float) -> str:
    """A number with at most four decimals, the shortest way."""
    text = f"{value:.4f}".rstrip("0").rstrip(".")
    return "0" if text in {"-0", ""} else text


def reference(object_number: int) -> str:
    """What points to an object."""
    return f"{object_number} 0 R"


def text(value: str) -> str:
    """A text string, as people read it."""
    return "<" + ("\ufeff" + value).encode("utf-16-be").hex().upper() + ">"


def stream(data: bytes, entries: str = "", *, packed: bool = True, best: bool = False) -> bytes:
    """A stream object's body; `packed` compresses it, `entries` go into its dictionary."""
    if packed:
        data = zlib.compress(data, _FONT_LEVEL if best else _PAGE_LEVEL)
        entries += "/Filter/FlateDecode"
    return b"<<%s/Length %d>>\nstream\n%s\nendstream" % (entries.encode(), len(data), data)
