"""Rows as one list a column: how many rows travel in one statement (`unnest`)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any


def columns(rows: Iterable[Sequence[Any]], width: int) -> list[list[Any]]:
    """Return `width` lists of one value a row, in the order of `rows`; empty lists for no rows.

    Raises ValueError for a row that has not `width` values.
    """
    collected: list[list[Any]] = [[] for _ in range(width)]
    for row in rows:
        for column, value in zip(collected, row, strict=True):
            column.append(value)
    return collected
