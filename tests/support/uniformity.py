"""Whether a table of counts is what chance makes of it: chi-square, and how likely that is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple


class ChiSquare(NamedTuple):
    """The statistic of a table and its degrees of freedom."""

    value: float
    degrees: int


def chi_square(table: Sequence[Sequence[int]]) -> ChiSquare:
    """Of a table whose rows and columns have fixed sums, as those of permutations do."""
    rows = [sum(row) for row in table]
    columns = [sum(column) for column in zip(*table, strict=True)]
    total = sum(rows)
    value = sum(
        (seen - rows[i] * columns[j] / total) ** 2 / (rows[i] * columns[j] / total)
        for i, row in enumerate(table)
        for j, seen in enumerate(row)
    )
    return ChiSquare(value, (len(rows) - 1) * (len(columns) - 1))


def p_value(value: float, degrees: int) -> float:
    """How likely a table at least as uneven is, by Wilson and Hilferty (good from 30 degrees)."""
    spread = 2 / (9 * degrees)
    deviation = ((value / degrees) ** (1 / 3) - (1 - spread)) / math.sqrt(spread)
    return 0.5 * math.erfc(deviation / math.sqrt(2))
