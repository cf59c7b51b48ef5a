"""A draw that anybody can re-run from the revealed seed, in any language.

The generator of a language may change between versions; this one is written down here:

- block `i` = HMAC-SHA256(key = seed, message = label + 0x00 + `i` as 8 bytes, big-endian);
- a number below `n` takes 8 bytes, big-endian; values at or above the largest multiple of `n`
  that 64 bits hold are dropped, so that no number is likelier than another;
- a shuffle goes from the last place `i` down to 1 and swaps it with place `below(i + 1)`.

Source of the rule: DOMAIN section 5 (seed published as a hash before, revealed after).
"""

import hashlib
import hmac
from collections.abc import Iterator, Sequence
from itertools import count
from struct import Struct
from typing import TypeVar

T = TypeVar("T")

SEED_BYTES = 32
_BLOCK = Struct(">4Q")
_WORD_VALUES = 1 << 64


def seed_sha256(seed: bytes) -> bytes:
    """What is published before the draw: SHA-256 of the seed, 32 bytes."""
    return hashlib.sha256(seed).digest()


class Draw:
    """One stream of random numbers, fixed by the seed and what it is for (`label`)."""

    def __init__(self, seed: bytes, label: str) -> None:
        self._words = _words(seed, label.encode() + b"\x00")

    def below(self, limit: int) -> int:
        """Return a number from 0 to `limit` - 1; `limit` is at least 1."""
        bound = _WORD_VALUES - _WORD_VALUES % limit
        while (word := next(self._words)) >= bound:
            pass
        return word % limit

    def shuffled(self, items: Sequence[T]) -> list[T]:
        """Return the items in a drawn order."""
        drawn, below = list(items), self.below
        for last in range(len(drawn) - 1, 0, -1):
            other = below(last + 1)
            drawn[last], drawn[other] = drawn[other], drawn[last]
        return drawn


def _words(seed: bytes, label: bytes) -> Iterator[int]:
    # The key and the label are the same for all blocks, and half of the work.
    beginning = hmac.new(seed, label, "sha256")
    for block in count():
        whole = beginning.copy()
        whole.update(block.to_bytes(8))
        yield from _BLOCK.unpack(whole.digest())
