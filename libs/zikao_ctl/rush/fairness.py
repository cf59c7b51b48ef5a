"""Whether the draw of a waiting room was fair: places against the order of coming in."""

from __future__ import annotations

import math
from collections.abc import Sequence

PARTS = 20


def table_of(numbers: Sequence[int], parts: int = PARTS) -> list[list[int]]:
    """How many of each part of the order of coming in got a place in each part of the numbers.

    `numbers`: from 1, of all who were drawn, in the order of their coming in.
    """
    table = [[0] * parts for _ in range(parts)]
    count = len(numbers)
    for came, number in enumerate(numbers):
        table[came * parts // count][(number - 1) * parts // count] += 1
    return table


def chi_square(table: Sequence[Sequence[int]]) -> tuple[float, float]:
    """Pearson's statistic of independence, and its p by Wilson and Hilferty's approximation."""
    rows = [sum(row) for row in table]
    columns = [sum(column) for column in zip(*table, strict=True)]
    total = sum(rows)
    if not total:
        return 0.0, 1.0
    statistic = sum(
        (seen - row * column / total) ** 2 / (row * column / total)
        for row, cells in zip(rows, table, strict=True)
        for column, seen in zip(columns, cells, strict=True)
        if row and column
    )
    freedom = (sum(map(bool, rows)) - 1) * (sum(map(bool, columns)) - 1)
    return statistic, p_of(statistic, freedom) if freedom else 1.0


def p_of(statistic: float, freedom: int) -> float:
    """The chance of at least such a statistic with so many degrees of freedom."""
    spread = 2 / (9 * freedom)
    normal = ((statistic / freedom) ** (1 / 3) - (1 - spread)) / math.sqrt(spread)
    return 0.5 * math.erfc(normal / math.sqrt(2))
