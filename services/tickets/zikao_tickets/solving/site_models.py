"""The exact models of a cut of sites in two halves."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from math import ceil

import numpy as np

from zikao_tickets.domain.packing import Bin
from zikao_tickets.domain.site_plan import Cut, Load, Side, SlotBin
from zikao_tickets.solving.highs import TOLERANCE, Answer, Numbers, Program, Solver

LARGE_FROM_ROOMS_A_SITE = 4
FIXED_A_ROUND, FIXED_A_LATER_ROUND = 0.25, 0.1
FINISHED_WITH = 600
MAX_NODES = 20
DIVE_ABOVE, SMALL_LOAD = 4_000, 500
MAX_FINISH_NODES = 2_000
SOLVED = 0.5
"""An objective below is no sitting left over."""


class SiteModels:
    """Implements SiteSolver."""

    def cut(self, load: Load, here: Side, there: Side) -> Cut:
        """The cut with the fewest sittings left over that is found."""
        model = _CutModel(load, here, there)
        best: Cut | None = None
        for attempt in model.attempts():
            if best is not None and best.left_over == 0:
                break
            answer = attempt()
            if answer is None:
                continue
            found = model.finish(answer)
            best = min(best or found, found, key=lambda each: each.left_over)
        if best is None or (best.left_over and model.is_small):
            answer = model.branch(small_apart=False)
            assert answer is not None, "everything fits into the rooms of both halves"
            found = model.finish(answer)
            best = min(best or found, found, key=lambda each: each.left_over)
        return best

    def left_over_bound(self, load: Load, here: Side, there: Side) -> int:
        """Sittings that are left over at any cut, whichever rooms the remainders share."""
        alone = tuple(
            SlotBin(slot, Bin(shared.capacity, (group,)))
            for slot, shared in load.bins
            for group in shared.groups
        )
        model = _CutModel(replace(load, bins=alone), here, there, by_seats=True)
        return max(0, ceil(model.branch_bound() - TOLERANCE))


class _CutModel:
    """People continuous, whole and shared rooms integer; the slack of a course is left over."""

    def __init__(self, load: Load, here: Side, there: Side, *, by_seats: bool = False) -> None:
        self._load, self._by_seats = load, by_seats
        self._kinds = sorted(load.kinds)
        self._courses = sorted(
            {(each.slot, each.whole.course_code) for each in load.wholes}
            | {(each.slot, course) for each in load.bins for course, _ in each.shared.groups}
            | {taken for kind in self._kinds for taken in kind.choice}
        )
        self._here, self._there = here, there
        self._program = Program()
        self._build()

    def _build(self) -> None:
        program, load = self._program, self._load
        rows = {course: program.row(0, 0) for course in self._courses}
        rooms = self._room_rows()
        needs = self._accessible_rows()
        for kind in self._kinds:
            entries = [(rows[taken], 1.0) for taken in kind.choice]
            if kind.accessible:
                entries += [(needs[slot], 1.0) for slot, _ in kind.choice]
            program.column(entries, upper=load.kinds[kind])
        for slot, whole in load.wholes:
            course = rows[slot, whole.course_code]
            entries = [(course, -float(whole.capacity)), self._use(rooms, slot, whole.capacity)]
            program.column(entries, upper=whole.rooms, integer=True)
        for slot, shared in load.bins:
            entries = [(rows[slot, course], -float(people)) for course, people in shared.groups]
            entries.append(self._use(rooms, slot, shared.capacity, shared.people))
            program.column(entries, upper=1, integer=True)
        for row in rows.values():
            program.column([(row, 1.0)], cost=1)
            program.column([(row, -1.0)], cost=1)

    def _use(
        self, rows: dict[tuple[int, int], int], slot: int, capacity: int, people: int | None = None
    ) -> tuple[int, float]:
        """What a room takes of its row: itself, or seats."""
        if self._by_seats:
            return rows[slot, 0], float(capacity if people is None else people)
        return rows[slot, capacity], 1.0

    def _room_rows(self) -> dict[tuple[int, int], int]:
        """For (slot, capacity) what the half must take for the other one to suffice, and may."""
        used: Counter[tuple[int, int]] = Counter()
        for slot, whole in self._load.wholes:
            seats = whole.capacity * whole.rooms
            used[slot, 0 if self._by_seats else whole.capacity] += (
                seats if self._by_seats else whole.rooms
            )
        for slot, shared in self._load.bins:
            used[slot, 0 if self._by_seats else shared.capacity] += (
                shared.people if self._by_seats else 1
            )
        here, there = self._limits(self._here), self._limits(self._there)
        return {
            (slot, capacity): self._program.row(taken - there[capacity], here[capacity])
            for (slot, capacity), taken in sorted(used.items())
        }

    def _limits(self, side: Side) -> Counter[int]:
        if self._by_seats:
            return Counter({0: sum(size * rooms for size, rooms in side.rooms.items())})
        return Counter(side.rooms)

    def _accessible_rows(self) -> dict[int, int]:
        """For each slot the half's share of those who need an accessible seat, one more or less.

        By its rooms that have some: people of several courses hardly ever share one.
        """
        needing: dict[int, int] = {}
        for kind, people in self._load.kinds.items():
            if kind.accessible:
                for slot, _ in kind.choice:
                    needing[slot] = needing.get(slot, 0) + people
        rooms = max(1, self._here.accessible + self._there.accessible)
        here, there = self._here.accessible / rooms, self._there.accessible / rooms
        return {
            slot: self._program.row(people - ceil(people * there) - 1, ceil(people * here) + 1)
            for slot, people in sorted(needing.items())
        }

    @property
    def _is_large(self) -> bool:
        return sum(self._load.kinds.values()) > DIVE_ABOVE

    @property
    def is_small(self) -> bool:
        """Whether the whole program is solved in a moment."""
        return sum(self._load.kinds.values()) <= SMALL_LOAD

    @property
    def _first_room(self) -> int:
        return len(self._kinds)

    @property
    def _first_slack(self) -> int:
        return len(self._kinds) + len(self._load.wholes) + len(self._load.bins)

    def _small(self) -> list[int]:
        """Columns of courses that no room is filled by: they pull their people apart."""
        filled = {(each.slot, each.whole.course_code) for each in self._load.wholes}
        first = self._first_room + len(self._load.wholes)
        return [
            first + at
            for at, (slot, shared) in enumerate(self._load.bins)
            if any((slot, course) not in filled for course, _ in shared.groups)
        ]

    def attempts(self) -> Iterator[Callable[[], Answer | None]]:
        """Ways to an answer, the cheapest first."""
        if self._is_large:
            yield lambda: self.dive(FIXED_A_ROUND, centred=True)
            yield lambda: self.dive(FIXED_A_ROUND, centred=False)
            yield lambda: self.dive(FIXED_A_LATER_ROUND, centred=True)
        yield lambda: self.branch(small_apart=True)

    def dive(self, fixed_a_round: float, *, centred: bool) -> Answer | None:
        """Round some of the rooms that are nearest to whole numbers, again and again."""
        solver = Solver(self._program, relaxed=True)
        if centred:
            self._centre(solver)
        free = set(range(self._first_room, self._first_slack)) - self._set_small_apart(solver)
        while (answer := solver.solve()) and free:
            waiting = sorted(free)
            distance = np.abs(answer.values[waiting] - np.rint(answer.values[waiting]))
            nearest = np.argsort(distance, kind="stable")
            chosen = [waiting[at] for at in nearest[: max(1, int(len(free) * fixed_a_round))]]
            values = np.rint(answer.values[chosen])
            solver.bound(chosen, values, values)
            free -= set(chosen)
        return answer

    def branch(self, *, small_apart: bool) -> Answer | None:
        """The integer program."""
        solver = Solver(self._program, mip_max_nodes=MAX_NODES, objective_target=SOLVED)
        if small_apart:
            self._set_small_apart(solver)
        return solver.solve()

    def branch_bound(self) -> float:
        """What the integer program proves of its objective within the limits."""
        answer = Solver(self._program, mip_max_nodes=MAX_NODES).solve()
        return answer.bound if answer else 0.0

    def _centre(self, solver: Solver) -> None:
        """Of every large course the half's share of its rooms, one more or less.

        Of courses with few rooms a site, as with small ones, people are better kept together.
        """
        rooms = sum(self._here.rooms.values())
        share = rooms / (rooms + sum(self._there.rooms.values()))
        large = LARGE_FROM_ROOMS_A_SITE * len(self._here.sites + self._there.sites)
        wholes = [each.whole.rooms for each in self._load.wholes]
        at = [number for number, rooms in enumerate(wholes) if rooms >= large]
        middle = np.array([share * wholes[number] for number in at])
        solver.bound([self._first_room + each for each in at], np.floor(middle), np.ceil(middle))

    def _set_small_apart(self, solver: Solver) -> set[int]:
        """All small courses to the half with more rooms; which columns that are.

        Where they are at both sides they pull the people of a course, who are few, apart.
        """
        small = self._small()
        here = sum(self._here.rooms.values()) > sum(self._there.rooms.values())
        values = np.full(len(small), float(here))
        solver.bound(small, values, values)
        return set(small)

    def finish(self, answer: Answer) -> Cut:
        """Whole people: those that are cut and some others once more, the rooms as they are."""
        first, rooms_at = self._first_room, range(self._first_room, self._first_slack)
        rooms = np.rint(answer.values[first : self._first_slack])
        solver = Solver(self._program, relaxed=True)
        solver.bound(rooms_at, rooms, rooms)
        vertex = solver.solve()
        assert vertex is not None, "the rooms are those of an answer"
        whole = np.rint(vertex.values[:first])
        is_free = np.abs(vertex.values[:first] - whole) > TOLERANCE
        is_free[:: max(1, first // FINISHED_WITH)] = True
        kept = np.flatnonzero(~is_free)
        integer = [*is_free.tolist(), *self._program.integer[first:]]
        finisher = Solver(
            replace(self._program, integer=integer),
            mip_max_nodes=MAX_FINISH_NODES,
            objective_target=SOLVED,
        )
        values = np.concatenate([whole[kept], rooms])
        finisher.bound([*kept.tolist(), *rooms_at], values, values)
        found = finisher.solve()
        assert found is not None, "slack takes what does not fit"
        return self._cut(np.rint(found.values[:first]), rooms, found.objective)

    def _cut(self, people: Numbers, rooms: Numbers, left_over: float) -> Cut:
        wholes = len(self._load.wholes)
        return Cut(
            {kind: int(number) for kind, number in zip(self._kinds, people, strict=True)},
            tuple(int(each) for each in rooms[:wholes]),
            tuple(bool(each) for each in rooms[wholes:]),
            round(left_over),
        )
