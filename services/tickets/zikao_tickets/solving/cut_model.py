"""The program of a cut of sites in two halves: what of a load goes with the first one.

People of a kind are continuous, whole and shared rooms are integer, and what a course has too many
or too few of on one side is slack: sittings that are left over.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from math import ceil

import numpy as np
from numpy.typing import NDArray

from zikao_tickets.domain.site_plan import Cut, Load, Side
from zikao_tickets.solving.highs import (
    TOLERANCE,
    Answer,
    Numbers,
    Program,
    Solver,
)

FREE_TO_FINISH = 600
MAX_NODES, MAX_FINISH_NODES = 20, 2_000
SMALL_LOAD = 500
SOLVED = 0.5
"""An objective below is no sitting left over."""
MISPLACED_COST = 4.0
"""Of one more who needs an accessible seat than a half's share of them, in sittings left over."""


class CutModel:
    """The program, and what searches need of it: arrays by course (a row), kind and room (columns).

    `by_seats`, the rooms of a half are so many seats, and nobody needs an accessible one: any
    arrangement keeps within that, whichever rooms its remainders share.
    """

    def __init__(self, load: Load, here: Side, there: Side, *, by_seats: bool = False) -> None:
        self.load, self.here, self.there = load, here, there
        self._by_seats = by_seats
        self.kinds = sorted(load.kinds)
        self.people = np.array([load.kinds[kind] for kind in self.kinds], dtype=float)
        self.courses = sorted(
            {(each.slot, each.whole.course_code) for each in load.wholes}
            | {(each.slot, course) for each in load.bins for course, _ in each.shared.groups}
            | {taken for kind in self.kinds for taken in kind.choice}
        )
        self.row = {course: at for at, course in enumerate(self.courses)}
        taken = [(at, self.row[each]) for at, kind in enumerate(self.kinds) for each in kind.choice]
        self._takers, self._taken = np.array(taken, dtype=int).reshape(-1, 2).T
        self.most = np.array([each.whole.rooms for each in load.wholes] + [1] * len(load.bins))
        self.seats = self._seats()
        self._program = Program()
        self._build()
        self._relaxed = Solver(self._program, relaxed=True)

    def takers(self, course: int) -> NDArray[np.bool_]:
        """Which kinds take it."""
        found = np.zeros(len(self.kinds), dtype=bool)
        found[self._takers[self._taken == course]] = True
        return found

    def sittings(self, people: Numbers) -> Numbers:
        """By course, of so many people of each kind."""
        weights, courses = people[self._takers], len(self.courses)
        return np.bincount(self._taken, weights=weights, minlength=courses).astype(float)

    def shapes(self) -> Iterator[tuple[int, int]]:
        """(Slot, capacity) of each column of rooms."""
        yield from ((slot, whole.capacity) for slot, whole in self.load.wholes)
        yield from ((slot, shared.capacity) for slot, shared in self.load.bins)

    def rooms_used(self) -> Counter[tuple[int, int]]:
        """By (slot, capacity), in both halves."""
        used: Counter[tuple[int, int]] = Counter()
        for shape, rooms in zip(self.shapes(), self.most.tolist(), strict=True):
            used[shape] += rooms
        return used

    def ask(self, rooms: Numbers) -> Answer:
        """What is left over with these rooms in the half, and the prices of its courses."""
        self._relaxed.bound(self._rooms_at, rooms, rooms)
        answer = self._relaxed.solve()
        assert answer is not None, "slack takes what does not fit"
        return answer

    def branch(self, all_of: NDArray[np.bool_]) -> Answer | None:
        """The integer program within limits; the half has `all_of` these rooms."""
        solver = Solver(self._program, mip_max_nodes=MAX_NODES, objective_target=SOLVED)
        rooms = self.most[all_of].astype(float)
        solver.bound(self._rooms_at[all_of], rooms, rooms)
        return solver.solve()

    def branch_bound(self) -> float:
        """What the integer program proves of its objective within the limits."""
        answer = Solver(self._program, mip_max_nodes=MAX_NODES).solve()
        return answer.bound if answer else 0.0

    @property
    def is_small(self) -> bool:
        """Whether the whole program is solved in a moment."""
        return sum(self.load.kinds.values()) <= SMALL_LOAD

    def rooms_of(self, answer: Answer) -> Numbers:
        """The whole and shared rooms of an answer."""
        return np.rint(answer.values[self._rooms_at])

    def finish(self, rooms: Numbers) -> Cut:
        """Whole people: those that are cut and some others once more, the rooms as they are."""
        vertex, kinds = self.ask(rooms), len(self.kinds)
        whole = np.rint(vertex.values[:kinds])
        is_free = np.abs(vertex.values[:kinds] - whole) > TOLERANCE
        is_free[:: max(1, kinds // FREE_TO_FINISH)] = True
        kept = np.flatnonzero(~is_free)
        integer = [*is_free.tolist(), *self._program.integer[kinds:]]
        finisher = Solver(
            replace(self._program, integer=integer),
            mip_max_nodes=MAX_FINISH_NODES,
            objective_target=SOLVED,
        )
        values = np.concatenate([whole[kept], rooms])
        finisher.bound(np.concatenate([kept, self._rooms_at]), values, values)
        found = finisher.solve()
        assert found is not None, "slack takes what does not fit"
        return self._cut(np.rint(found.values[:kinds]), rooms, found.objective)

    def _cut(self, people: Numbers, rooms: Numbers, objective: float) -> Cut:
        wholes = len(self.load.wholes)
        left_over = np.abs(self.sittings(people) - self.seats @ rooms).sum()
        return Cut(
            {kind: int(number) for kind, number in zip(self.kinds, people, strict=True)},
            tuple(int(each) for each in rooms[:wholes]),
            tuple(bool(each) for each in rooms[wholes:]),
            round(left_over),
            objective,
            is_searched=objective < SOLVED,
        )

    def _seats(self) -> Numbers:
        """People of a course (row) in a room (column)."""
        seats = np.zeros((len(self.courses), len(self.most)))
        for at, (slot, whole) in enumerate(self.load.wholes):
            seats[self.row[slot, whole.course_code], at] = whole.capacity
        for at, (slot, shared) in enumerate(self.load.bins, start=len(self.load.wholes)):
            for course, people in shared.groups:
                seats[self.row[slot, course], at] = people
        return seats

    def _build(self) -> None:
        program = self._program
        for _ in self.courses:
            program.row(0, 0)
        needs = {} if self._by_seats else self._accessible_rows()
        for kind, people in zip(self.kinds, self.people, strict=True):
            entries = [(self.row[taken], 1.0) for taken in kind.choice]
            if kind.accessible:
                entries += [(needs[slot], 1.0) for slot, _ in kind.choice if slot in needs]
            program.column(entries, upper=people)
        first = len(program.cost)
        self._add_rooms()
        self._rooms_at = np.arange(first, len(program.cost))
        for row in range(len(self.courses)):
            program.column([(row, 1.0)], cost=1)
            program.column([(row, -1.0)], cost=1)
        for row in needs.values():
            program.column([(row, 1.0)], cost=MISPLACED_COST)
            program.column([(row, -1.0)], cost=MISPLACED_COST)

    def _add_rooms(self) -> None:
        rows = self._seat_rows() if self._by_seats else self.add_room_rows(self._program)
        for at, (slot, capacity) in enumerate(self.shapes()):
            courses = np.flatnonzero(self.seats[:, at]).tolist()
            entries = [(course, -float(self.seats[course, at])) for course in courses]
            seats = float(self.seats[:, at].sum())
            entries.append(
                (rows[slot, 0], seats) if self._by_seats else (rows[slot, capacity], 1.0)
            )
            self._program.column(entries, upper=self.most[at], integer=True)

    def add_room_rows(self, program: Program) -> dict[tuple[int, int], int]:
        """For (slot, capacity) what the half must take for the other one to suffice, and may."""
        here, there = self.here.rooms, self.there.rooms
        return {
            (slot, capacity): program.row(taken - there.get(capacity, 0), here.get(capacity, 0))
            for (slot, capacity), taken in sorted(self.rooms_used().items())
        }

    def _seat_rows(self) -> dict[tuple[int, int], int]:
        """The same of seats, by (slot, 0)."""
        here, there = (
            sum(size * rooms for size, rooms in side.rooms.items())
            for side in (self.here, self.there)
        )
        taken: Counter[int] = Counter()
        for at, (slot, _) in enumerate(self.shapes()):
            taken[slot] += round(self.seats[:, at].sum() * self.most[at])
        return {
            (slot, 0): self._program.row(seats - there, here)
            for slot, seats in sorted(taken.items())
        }

    def _accessible_rows(self) -> dict[int, int]:
        """For each slot the half's share of those who need an accessible seat, one more or less.

        By its rooms that have some: people of several courses hardly ever share one.
        """
        needing: Counter[int] = Counter()
        for kind, people in self.load.kinds.items():
            if kind.accessible:
                needing.update(dict.fromkeys((slot for slot, _ in kind.choice), people))
        rooms = max(1, self.here.accessible + self.there.accessible)
        here, there = self.here.accessible / rooms, self.there.accessible / rooms
        return {
            slot: self._program.row(
                people - ceil(people * there) - bool(there), ceil(people * here) + bool(here)
            )
            for slot, people in sorted(needing.items())
        }
