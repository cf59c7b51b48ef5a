"""Requests damaged below their contract: in the bytes that are sent."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

Damage = Callable[[Random, bytes], bytes]
_DEEP = 5000
_UNKNOWN_FIELDS = (
    b"\xf8\xff\xff\xff\x0f\x01",  # the highest number there is, a varint
    b"\xc2\x3e\x05hello",  # 1000, a text
    b"\xc1\x3e" + bytes(8),
    b"\xc5\x3e" + bytes(4),
)


def cut(chance: Random, raw: bytes) -> bytes:
    """End too early."""
    return raw[: chance.randrange(len(raw) + 1)]


def flip(chance: Random, raw: bytes) -> bytes:
    """Some bits are others."""
    damaged = bytearray(raw)
    for _ in range(chance.randint(1, 4)):
        if damaged:
            damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
    return bytes(damaged)


def noise(chance: Random, raw: bytes) -> bytes:
    """Anything."""
    return chance.randbytes(chance.choice((1, 2, 10, 100, 1000)))


def insert(chance: Random, raw: bytes) -> bytes:
    """Some bytes in between."""
    at = chance.randrange(len(raw) + 1)
    return raw[:at] + chance.randbytes(chance.randint(1, 8)) + raw[at:]


def retype(chance: Random, raw: bytes) -> bytes:
    """The first field is of another wire type."""
    return bytes([(raw[0] & 0xF8) | chance.randrange(8)]) + raw[1:] if raw else b"\x0c"


def add_unknown(chance: Random, raw: bytes) -> bytes:
    """A field that the contract does not have: programs of later versions send them."""
    return raw + chance.choice(_UNKNOWN_FIELDS)


def twice(chance: Random, raw: bytes) -> bytes:
    """Every field again: the later ones count, lists become longer."""
    return raw + raw


def nest(chance: Random, raw: bytes) -> bytes:
    """Groups in groups, deeper than anybody would."""
    return raw + b"\x0b" * chance.choice((1, 99, 101, _DEEP))


def overlong(chance: Random, raw: bytes) -> bytes:
    """A number of more bytes than one has, or a length beyond the end."""
    return raw + chance.choice((b"\x08" + b"\xff" * 11, b"\x0a\xff\xff\xff\xff\x07"))


def not_utf8(chance: Random, raw: bytes) -> bytes:
    """A text that is none."""
    return raw + b"\x0a\x03" + chance.choice((b"\xff\xfe\xfd", b"\xed\xa0\x80", b"\xc0\x80a"))


def nothing(chance: Random, raw: bytes) -> bytes:
    """An empty request."""
    return b""


DAMAGES: tuple[Damage, ...] = (
    *(cut, flip, noise, insert, retype, add_unknown, twice, nest, overlong, not_utf8, nothing),
)


def padded(raw: bytes, size: int) -> bytes:
    """The same with an unknown field that makes it `size` bytes long, if that is longer."""
    head = b"\xc2\x3e"
    rest = size - len(raw) - len(head)
    for width in range(1, 6):
        length = rest - width
        encoded = _varint(length) if length >= 0 else b""
        if len(encoded) == width:
            return raw + head + encoded + bytes(length)
    return raw


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*encoded, number])
