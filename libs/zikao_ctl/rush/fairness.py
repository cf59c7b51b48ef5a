"""Whether the draw of a waiting room was fair: what was told, against seed and order of coming."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

MOST_PARTS = 20
# Chi-square is no good where fewer are to be expected in a cell.
LEAST_IN_A_CELL = 5

Table = Sequence[Sequence[int]]


class ChiSquare(NamedTuple):
    """Pearson's statistic of independence, and its degrees of freedom."""

    value: float
    degrees: int

    @property
    def p(self) -> float:
        """The chance of a table at least as uneven, by Wilson and Hilferty (good from 30 on)."""
        if not self.degrees:
            return 1.0
        spread = 2 / (9 * self.degrees)
        deviation = ((self.value / self.degrees) ** (1 / 3) - (1 - spread)) / math.sqrt(spread)
        return 0.5 * math.erfc(deviation / math.sqrt(2))


def chi_square(table: Table) -> ChiSquare:
    """Of a table whose rows and columns have fixed sums, as those of permutations do."""
    rows = [sum(row) for row in table]
    columns = [sum(column) for column in zip(*table, strict=True)]
    total = sum(rows)
    value = sum(
        (seen - row * column / total) ** 2 / (row * column / total)
        for row, cells in zip(rows, table, strict=True)
        for column, seen in zip(columns, cells, strict=True)
        if row and column
    )
    degrees = math.prod(max(0, sum(map(bool, sums)) - 1) for sums in (rows, columns))
    return ChiSquare(value, degrees)


def table_of(numbers: Sequence[int]) -> list[list[int]]:
    """How many of each part of the order of coming in were told a place in each part of the draw.

    `numbers`: from 1, of all who were drawn, in the order of their coming in; 0 for who was told
    none. Parts are as many as there are people for.
    """
    count = len(numbers)
    parts = min(MOST_PARTS, math.isqrt(count // LEAST_IN_A_CELL))
    table = [[0] * parts for _ in range(parts)]
    for came, number in enumerate(numbers if parts else ()):
        if number:
            table[came * parts // count][(number - 1) * parts // count] += 1
    return table


@dataclass(frozen=True)
class Place:
    """A place as it is stored at the end; a late number counts behind all who were drawn."""

    candidate_id: UUID
    drawn: bool
    late_number: int | None
    late_turns: int


def ranks_of(seed: bytes, places: Iterable[Place]) -> dict[UUID, int]:
    """The draw, made once more: from 1, the lower the sum over seed and id the lower the number."""
    came = [place.candidate_id for place in places if place.drawn]
    order = sorted(came, key=lambda each: hashlib.sha256(seed + each.bytes).digest())
    return {candidate: number for number, candidate in enumerate(order, start=1)}


def told_of_draw(
    places: Iterable[Place], told: Mapping[UUID, Sequence[int]], drawn_count: int
) -> list[int]:
    """The numbers of the draw that candidates were told, of those drawn, as they came in; 0: none.

    `told`: all that somebody was told, one after the other.
    """
    return [
        next((each for each in told.get(place.candidate_id, ()) if each <= drawn_count), 0)
        for place in places
        if place.drawn
    ]


def wrongly_told(
    places: Iterable[Place],
    ranks: Mapping[UUID, int],
    told: Mapping[UUID, Sequence[int]],
) -> Iterator[str]:
    """Who was told a number that is not theirs by seed and by what is stored.

    Somebody who came late more than once had numbers in between that are stored nowhere.
    """
    for place in places:
        right = {ranks.get(place.candidate_id, 0)}
        if place.late_number is not None:
            right.add(len(ranks) + place.late_number)
        for number in told.get(place.candidate_id, ()):
            is_in_between = place.late_turns > 1 and len(ranks) < number < max(right)
            if number not in right and not is_in_between:
                yield f"{place.candidate_id}: {number}"
