"""Rows as one list a column: how many rows travel in one statement (`unnest`)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any


def columns(rows: Iterable[Sequence[Any]], width: int) -> list[list[Any]]:
    """Return `width` lists of one value a row, in the order of `rows`; empty lists for no rows.

    Raises ValueError for a row that has not `width` values.
    """
    collected = [list(column) for column in zip(*rows, strict=True)] or [[] for _ in range(width)]
    if len(collected) != width:
        raise ValueError(f"rows of {len(collected)} values instead of {width}")
    return collected
