"""Ids as the hot paths make and read them: a tenth of the time that `uuid` takes."""

from __future__ import annotations

import os
import time
from uuid import UUID

from asyncpg.pgproto.pgproto import UUID as FAST_UUID  # a subclass, which the driver returns too

_VERSION_7 = 0x7 << 76
_VARIANT = 0x2 << 62
_RANDOM_A, _RANDOM_B = (1 << 12) - 1, (1 << 62) - 1


def uuid_of(text: str) -> UUID:
    """Read an id; ValueError for what is none."""
    found: UUID = FAST_UUID(text)
    return found


def new_ordered_id() -> UUID:
    """A new id that sorts by the millisecond it was made in (UUID version 7, RFC 9562).

    Rows with such keys come one after the other in their index, instead of each on another
    page: a rush writes less of it.
    """
    chance = int.from_bytes(os.urandom(10), "big")
    milliseconds = time.time_ns() // 1_000_000 & ((1 << 48) - 1)
    number = (
        milliseconds << 80
        | _VERSION_7
        | (chance >> 62 & _RANDOM_A) << 64
        | _VARIANT
        | chance & _RANDOM_B
    )
    made: UUID = FAST_UUID(number.to_bytes(16, "big"))
    return made
