"""Rows as one array a column: how many rows travel in one statement (`unnest`)."""

from collections.abc import Sequence
from typing import Any


def columns(rows: Sequence[Sequence[Any]], width: int) -> list[list[Any]]:
    """`width` arrays of one value a row; empty arrays for no rows."""
    return [[row[at] for row in rows] for at in range(width)]
