"""Messages put together from parts that are bytes: nothing is parsed to be written again."""

from __future__ import annotations

_LENGTH_DELIMITED = 2


def head(number: int, length: int) -> bytes:
    """What stands before text, bytes or a message of so many bytes in the field `number`."""
    return _varint(number << 3 | _LENGTH_DELIMITED) + _varint(length)


def _varint(value: int) -> bytes:
    """Seven bits a byte, the lowest first; each but the last says that there are more."""
    written = bytearray()
    while value > 0x7F:
        written.append(value & 0x7F | 0x80)
        value >>= 7
    written.append(value)
    return bytes(written)
