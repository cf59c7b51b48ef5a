"""The exact models of a slot's rooms: arc flow for shared rooms, options for the courses.

A shared room is a path of at most 6 arcs from (0 courses, 0 people); an arc takes one remainder,
the largest first (Valério de Carvalho 1999). With rooms of several sizes a course has options: so
many rooms of each size that it fills, and the remainder that this leaves. Options come by column
generation: `cheapest` of the certificate tells which one the duals miss.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from math import prod
from typing import NamedTuple

import numpy as np

from zikao_tickets.domain.certificate import (
    MAX_COURSES_PER_ROOM,
    RoomSize,
    cheapest,
    least_denominator,
)
from zikao_tickets.domain.packing import SlotPacking, Whole, by_pattern
from zikao_tickets.domain.room_plan import Packed, Weights
from zikao_tickets.solving.highs import INFINITY, TOLERANCE, Answer, Program, Solver

DENOMINATOR = 1_000_000
MAX_NODES = 2_000
# Halls of hundreds of seats make programs that take minutes: those are not tried.
MAX_COLUMNS, MAX_COLUMNS_OF_ONE_SIZE, MAX_COLUMN_NODES = 6_000, 20_000, 2_000_000
MAX_ROUNDS = 60
MAX_OPTIONS, MAX_OPTIONS_LOOKED_AT = 1_000, 200_000

Arc = tuple[tuple[int, int], int]
"""From (courses, people), a remainder of so many people is added."""


class Option(NamedTuple):
    """What a course of a kind may do: rooms by size that it fills, and a remainder."""

    people: int
    filled: tuple[int, ...]
    remainder: int

    @property
    def packs(self) -> int:
        """(Room, course) paper packs."""
        return sum(self.filled) + (self.remainder > 0)


class _TooLarge(Exception):  # noqa: N818 - says what it is
    """A program has more columns than are tried."""


class RoomModels:
    """Implements RoomSolver."""

    def weights(self, counts: Mapping[str, int], sizes: Sequence[RoomSize]) -> Weights | None:
        """Weights whose bound is the best that pattern models give; nothing without a room."""
        try:
            _, duals = _generate(counts, sizes)
        except _TooLarge:
            return None
        return duals

    def pack(
        self, slot: int, counts: Mapping[str, int], sizes: Sequence[RoomSize]
    ) -> Packed | None:
        """The fewest rooms, then the fewest packs; nothing without room for all, or if too large.

        Where several sizes make too many options, those are looked at that a bound asks for: what
        is proven then is what the weights prove.
        """
        try:
            return self._packed(slot, counts, sizes)
        except _TooLarge:
            return None

    def _packed(
        self, slot: int, counts: Mapping[str, int], sizes: Sequence[RoomSize]
    ) -> Packed | None:
        options = (
            _only_options(counts, sizes[0]) if len(sizes) == 1 else _generate(counts, sizes)[0]
        )
        fewest = _Model(counts, sizes, options)
        found = fewest.solve(integer=True)
        if found is None and len(sizes) > 1:
            options = _every_option(counts, sizes)
            fewest = _Model(counts, sizes, options)
            found = fewest.solve(integer=True)
        if found is None:
            return None
        if len(sizes) == 1:
            packing = fewest.packing(slot, found)
            return Packed(packing, _ceiling(found.bound), packing.packs)
        thrifty = _Model(counts, sizes, options, most_rooms=round(found.objective))
        fewest_packs = thrifty.solve(integer=True)
        assert fewest_packs is not None, "what was found before keeps within the rooms it takes"
        least = sum(-(-people // sizes[0].capacity) for people in counts.values())
        return Packed(thrifty.packing(slot, fewest_packs), 0, least)


def _generate(
    counts: Mapping[str, int], sizes: Sequence[RoomSize]
) -> tuple[set[Option], Weights | None]:
    """Options that the best bound knows, and its weights; no weights if there is no room."""
    seats = tuple(range(1, sizes[0].capacity))
    options = _best_options(counts, Weights(seats, tuple(sizes)))
    if len(sizes) > 1:
        few = _number_of_options(counts, sizes) <= MAX_OPTIONS
        options |= (_every_option if few else _fewest_rooms_options)(counts, sizes)
    for _ in range(MAX_ROUNDS):
        model = _Model(counts, sizes, options)
        answer = model.solve(integer=False)
        if answer is None:
            return options, None
        duals = model.weights(answer)
        missed = _best_options(counts, duals) - options
        if not missed:
            break
        options |= missed
    return options, duals


def _best_options(counts: Mapping[str, int], by: Weights) -> set[Option]:
    """For each number of people the cheapest option."""
    denominator = least_denominator(by.weights, by.sizes)
    costs = cheapest(max(counts.values()), denominator, by.weights, by.sizes)
    return {_option(people, costs, denominator, by) for people in sorted(set(counts.values()))}


def _option(people: int, costs: Sequence[int], denominator: int, by: Weights) -> Option:
    """How the cost of `people` came about."""
    filled, left = [0] * len(by.sizes), people
    while left and not (left <= len(by.weights) and costs[left] == by.weights[left - 1]):
        at = next(
            at
            for at, size in enumerate(by.sizes)
            if size.capacity <= left
            and costs[left] == denominator + size.price + costs[left - size.capacity]
        )
        filled[at] += 1
        left -= by.sizes[at].capacity
    return Option(people, tuple(filled), left)


def _fewest_rooms_options(counts: Mapping[str, int], sizes: Sequence[RoomSize]) -> set[Option]:
    """For each number of people and each room size, as many rooms of it as can be filled."""
    return {
        Option(people, tuple(least if at == k else 0 for k in range(len(sizes))), left)
        for people in set(counts.values())
        for at, size in enumerate(sizes)
        for least, left in [divmod(people, size.capacity)]
    }


def _only_options(counts: Mapping[str, int], size: RoomSize) -> set[Option]:
    """With rooms of one size."""
    return {Option(n, (n // size.capacity,), n % size.capacity) for n in counts.values()}


def _number_of_options(counts: Mapping[str, int], sizes: Sequence[RoomSize]) -> int:
    """As many at most as `_every_option` finds."""
    return sum(
        prod(min(size.rooms, people // size.capacity) + 1 for size in sizes)
        for people in set(counts.values())
    )


def _every_option(counts: Mapping[str, int], sizes: Sequence[RoomSize]) -> set[Option]:
    """All that leave a remainder which a room may hold."""
    if _number_of_options(counts, sizes) > MAX_OPTIONS_LOOKED_AT:
        raise _TooLarge
    most = max(counts.values())
    ranges = (range(min(size.rooms, most // size.capacity) + 1) for size in sizes)
    filled = [
        (sum(n * size.capacity for n, size in zip(rooms, sizes, strict=True)), rooms)
        for rooms in product(*ranges)
    ]
    return {
        Option(people, rooms, people - seated)
        for people in set(counts.values())
        for seated, rooms in filled
        if 0 <= people - seated < sizes[0].capacity
    }


class _Model:
    """The program of a slot, over some options; courses of one number of people are alike."""

    def __init__(
        self,
        counts: Mapping[str, int],
        sizes: Sequence[RoomSize],
        options: Iterable[Option],
        most_rooms: int | None = None,
    ) -> None:
        self._counts, self._sizes, self._options = counts, sizes, sorted(options)
        self._packs = most_rooms is not None
        self._program = Program()
        self._course_rows = {
            people: self._program.row(number, number)
            for people, number in sorted(Counter(counts.values()).items())
        }
        remainders = sorted({each.remainder for each in self._options} - {0}, reverse=True)
        self._remainder_rows = {size: self._program.row(0, INFINITY) for size in remainders}
        self._size_rows = [self._program.row(-INFINITY, size.rooms) for size in sizes]
        self._all_rows = [] if most_rooms is None else [self._program.row(-INFINITY, most_rooms)]
        for option in self._options:
            self._add_option(option)
        self._arcs = [self._add_arcs(at, remainders) for at in range(len(sizes))]

    def solve(self, *, integer: bool) -> Answer | None:
        """The fewest rooms (or packs); nothing if there is no room for all."""
        if not self._options:
            return None
        nodes = min(MAX_NODES, MAX_COLUMN_NODES // len(self._program.cost))
        limits = {"mip_max_nodes": nodes} if integer else {}
        return Solver(self._program, relaxed=not integer, **limits).solve()

    def weights(self, answer: Answer) -> Weights:
        """The duals as whole numbers, which the certificate's table makes a proof of."""
        scaled = np.rint(answer.duals * DENOMINATOR).astype(int)
        rows = self._remainder_rows
        weights = tuple(
            max(0, int(scaled[rows[size]])) if size in rows else 0
            for size in range(1, self._sizes[0].capacity)
        )
        prices = (max(0, -int(scaled[row])) for row in self._size_rows)
        sizes = (
            size._replace(price=price) for size, price in zip(self._sizes, prices, strict=True)
        )
        return Weights(weights, tuple(sizes))

    def packing(self, slot: int, answer: Answer) -> SlotPacking:
        """Rooms with the courses in them."""
        taken = iter(np.rint(answer.values).astype(int))
        chosen: defaultdict[int, list[Option]] = defaultdict(list)
        for option in self._options:
            chosen[option.people] += [option] * next(taken)
        whole: list[Whole] = []
        remainders: dict[str, int] = {}
        for course, people in sorted(self._counts.items()):
            option = chosen[people].pop()
            remainders[course] = option.remainder
            whole += [
                Whole(course, size.capacity, rooms)
                for size, rooms in zip(self._sizes, option.filled, strict=True)
                if rooms
            ]
        patterns = [
            (size.capacity, pattern)
            for size, arcs in zip(self._sizes, self._arcs, strict=True)
            for pattern in _paths({arc: next(taken) for arc in arcs})
        ]
        return SlotPacking(slot, tuple(whole), by_pattern(remainders, patterns))

    def _add_option(self, option: Option) -> None:
        rooms = sum(option.filled)
        entries = [(self._course_rows[option.people], 1.0)]
        entries += [
            (row, float(filled))
            for row, filled in zip(self._size_rows, option.filled, strict=True)
            if filled
        ]
        entries += [(row, float(rooms)) for row in self._all_rows]
        if option.remainder:
            entries.append((self._remainder_rows[option.remainder], -1.0))
        cost = option.packs if self._packs else rooms
        self._program.column(entries, cost=cost, integer=True)

    def _add_arcs(self, at: int, remainders: Sequence[int]) -> list[Arc]:
        """Shared rooms of the size `at`."""
        arcs = _arcs(remainders, self._sizes[at].capacity)
        most = MAX_COLUMNS_OF_ONE_SIZE if len(self._sizes) == 1 else MAX_COLUMNS
        if len(self._program.cost) + len(arcs) > most:
            raise _TooLarge
        nodes = {(courses + 1, people + size) for (courses, people), size in arcs}
        rows = {node: self._program.row(0, INFINITY) for node in sorted(nodes)}
        for (courses, people), size in arcs:
            entries = [(rows[courses + 1, people + size], 1.0), (self._remainder_rows[size], 1.0)]
            starts = courses == 0
            if starts:
                entries.append((self._size_rows[at], 1.0))
                entries += [(row, 1.0) for row in self._all_rows]
            else:
                entries.append((rows[courses, people], -1.0))
            cost = 1.0 if starts and not self._packs else 0.0
            self._program.column(entries, cost=cost, integer=True)
        return arcs


def _arcs(remainders: Sequence[int], capacity: int) -> list[Arc]:
    """All arcs of a room; `remainders` from the largest, since a path adds them in that order."""
    found: set[tuple[tuple[int, int], int]] = set()
    frontier = {(0, 0): 0}
    for _ in range(MAX_COURSES_PER_ROOM):
        reached: dict[tuple[int, int], int] = {}
        for (courses, people), first in frontier.items():
            for at in range(first, len(remainders)):
                size = remainders[at]
                if people + size <= capacity:
                    found.add(((courses, people), size))
                    node = (courses + 1, people + size)
                    reached[node] = min(reached.get(node, at), at)
        frontier = reached
    return sorted(found)


def _paths(flow: dict[Arc, int]) -> list[tuple[int, ...]]:
    """The rooms of a flow, each as the sizes of its remainders."""
    leaving: defaultdict[tuple[int, int], list[int]] = defaultdict(list)
    for (node, size), times in sorted(flow.items()):
        leaving[node] += [size] * times
    paths: list[tuple[int, ...]] = []
    while leaving[0, 0]:
        sizes: list[int] = []
        while leaving[len(sizes), sum(sizes)]:
            sizes.append(leaving[len(sizes), sum(sizes)].pop())
        paths.append(tuple(sizes))
    return paths


def _ceiling(bound: float) -> int:
    return int(np.ceil(bound - TOLERANCE))
