"""Slots as the table `enrollment` has them: bit n - 1 of a signed 64-bit number is slot n."""

from collections.abc import Iterable
from functools import lru_cache

MAX_SLOT = 64
_SIGN = 1 << (MAX_SLOT - 1)
# Of four slots there are fifteen sets.
SETS_KEPT = 4096


def slot_set(slots: Iterable[int]) -> int:
    """The set of slots, each 1 to 64."""
    bits = sum(1 << (slot - 1) for slot in set(slots))
    return bits - 2 * (bits & _SIGN)


@lru_cache(maxsize=SETS_KEPT)
def slots_in(number: int) -> frozenset[int]:
    """The slots of a set."""
    return frozenset(slot for slot in range(1, MAX_SLOT + 1) if number >> (slot - 1) & 1)
