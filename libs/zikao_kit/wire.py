"""Messages put together from parts that are bytes already: nothing is parsed to be written again.

As protobuf writes a field of text, bytes or a message: its number and kind, its length, itself.
"""

from __future__ import annotations

from functools import lru_cache

_LENGTH_DELIMITED = 2
# Answers of one kind are nearly all as long.
_HEADS_KEPT = 4096


def field(number: int, body: bytes) -> bytes:
    """The field `number` of a message, with the text, bytes or message that `body` is."""
    return _head(number, len(body)) + body


@lru_cache(maxsize=_HEADS_KEPT)
def _head(number: int, length: int) -> bytes:
    return _varint(number << 3 | _LENGTH_DELIMITED) + _varint(length)


def _varint(value: int) -> bytes:
    """Seven bits a byte, the lowest first; each but the last says that there are more."""
    written = bytearray()
    while value > 0x7F:
        written.append(value & 0x7F | 0x80)
        value >>= 7
    written.append(value)
    return bytes(written)
