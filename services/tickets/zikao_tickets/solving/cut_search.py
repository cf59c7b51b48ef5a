"""The rooms of a cut by a small program that learns from the large one (Benders 1962).

The small program has no people, only what they would take: it chooses rooms near to that. For
given rooms the large one is linear, and its duals tell how much other rooms leave over at least:
a row more for the small program, until nothing is left over or no rooms are left to try.
"""

from collections.abc import Iterator
from itertools import product

import numpy as np
from numpy.typing import NDArray

from zikao_tickets.solving.cut_model import SOLVED, CutModel
from zikao_tickets.solving.highs import INFINITY, TOLERANCE, Answer, Numbers, Program, Solver
from zikao_tickets.solving.kept_courses import CourseKeeper, Kept

# Part of the half's seats for people who are free to sit at either side; the likeliest first.
FREE_SHARES = (0.5, 0.6, 0.45, 0.55, 0.4, 0.65, 0.35, 0.7, 0.3, 0.25, 0.8, 0.2)
BRANCHED_WITH_FREE = 0.3
ROUNDS, PATIENCE = 6, 48
"""Rooms that are tried by one small program, and in all after the best of them."""
MAX_NODES, GAP = 50, 0.05


def likely_rooms(model: CutModel) -> Numbers | None:
    """Rooms of the half that leave the least over of all that are tried; nothing without any."""
    best, least, best_try = None, INFINITY, 0
    for number, (rooms, left_over) in enumerate(_tries(model)):
        if left_over < least - TOLERANCE:
            best, least, best_try = rooms, left_over, number
        if least < SOLVED or number - best_try > PATIENCE:
            break
    return best


def _tries(model: CutModel) -> Iterator[tuple[Numbers, float]]:
    """Rooms and what they leave over."""
    keepers = [CourseKeeper(model, shared_here=here) for here in (True, False)]
    for free, keeper in product(FREE_SHARES, keepers):
        if (kept := keeper.keep(free)) is None:
            continue
        program = _RoomProgram(model, kept)
        for _ in range(ROUNDS):
            rooms = program.rooms()
            if rooms is None:
                break
            answer = model.ask(rooms)
            yield rooms, answer.objective
            program.learn(rooms, answer)


def kept_rooms(model: CutModel) -> Iterator[NDArray[np.bool_]]:
    """Rooms that the half has all of in ways to divide the others that are worth a search."""
    for shared_here in (True, False):
        kept = CourseKeeper(model, shared_here=shared_here).keep(BRANCHED_WITH_FREE)
        if kept is not None:
            yield kept.rooms


class _RoomProgram:
    """The small program."""

    def __init__(self, model: CutModel, kept: Kept) -> None:
        self._model = model
        program = Program()
        limits = model.add_room_rows(program)
        total = model.seats @ model.most
        near = [program.row(people, people) for people in kept.wanted]
        # What is forced may be more than there is, after a cut that left sittings over.
        forced = [program.row(people, INFINITY) for people in np.minimum(kept.forced, total)]
        for at, shape in enumerate(model.shapes()):
            entries = [(limits[shape], 1.0)]
            for course in np.flatnonzero(model.seats[:, at]).tolist():
                seats = float(model.seats[course, at])
                entries += [(near[course], seats), (forced[course], seats)]
            program.column(entries, upper=model.most[at], integer=True)
            if kept.rooms[at]:
                program.lower[-1] = float(model.most[at])
        for course, row in enumerate(near):
            # Of many sittings it is easier to have some more or less.
            cost = 1 / np.sqrt(max(1.0, total[course]))
            program.column([(row, 1.0)], cost=cost)
            program.column([(row, -1.0)], cost=cost)
        self._solver = Solver(program, mip_max_nodes=MAX_NODES, mip_rel_gap=GAP)

    def rooms(self) -> Numbers | None:
        """The best rooms as far as it knows; nothing when none are left."""
        answer = self._solver.solve()
        return None if answer is None else np.rint(answer.values[: len(self._model.most)])

    def learn(self, rooms: Numbers, answer: Answer) -> None:
        """That rooms like these leave something over."""
        prices = answer.duals[: len(self._model.courses)] @ self._model.seats
        self._solver.row(-INFINITY, float(prices @ rooms) - answer.objective, prices)
