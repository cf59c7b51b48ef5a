"""Which approvals need a second officer: a share of them, drawn (DOMAIN section 3, Review)."""

from __future__ import annotations

_DRAW_BYTES = 8


def is_drawn(draw: bytes, percent: int) -> bool:
    """Say whether a registration is in the sample.

    `draw` is a keyed hash of the registration, at least 8 bytes: nobody without the key knows
    it beforehand, and asking again draws nothing new.
    """
    return int.from_bytes(draw[:_DRAW_BYTES]) * 100 < percent << (8 * _DRAW_BYTES)
