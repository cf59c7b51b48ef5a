"""The exact model of accessible seats: which groups get the rooms that have some."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from zikao_tickets.domain.rooms import Room
from zikao_tickets.domain.site_rooms import Groups, Hosted
from zikao_tickets.solving.highs import INFINITY, Program, Solver

MAX_NODES = 2_000


class AccessibleModels:
    """Implements AccessibleSolver."""

    def host(
        self,
        needing: Counter[str],
        waiting: Sequence[tuple[int, Groups]],
        rooms: Sequence[Room],
    ) -> tuple[dict[int, Hosted], int]:
        """Number of a room to what it hosts, and how many of `needing` have no seat there.

        A column tells whether a room hosts a group, and one a course of it how many of its people
        have an accessible seat there.
        """
        program = Program()
        needs = {course: program.row(people, people) for course, people in needing.items()}
        kinds = sorted(
            (each, number)
            for each, number in Counter(waiting).items()
            if any(course in needing for course, _ in each[1])
        )
        taken = [program.row(0, number) for _, number in kinds]
        for row in needs.values():
            program.column([(row, 1.0)], cost=1)
        hosts: list[tuple[int, Groups, int]] = []
        for at, room in enumerate(rooms):
            if not room.accessible:
                continue
            once, seats = program.row(0, 1), program.row(-INFINITY, 0)
            for kind, ((capacity, groups), _) in enumerate(kinds):
                if capacity != room.capacity:
                    continue
                rows = [program.row(-INFINITY, 0) for _ in groups]
                entries = [(once, 1.0), (taken[kind], 1.0), (seats, -float(len(room.accessible)))]
                entries += [(row, -float(n)) for row, (_, n) in zip(rows, groups, strict=True)]
                hosting = program.column(entries, upper=1, integer=True)
                for row, (course, people) in zip(rows, groups, strict=True):
                    served = [(row, 1.0), (seats, 1.0)]
                    served += [(needs[course], 1.0)] if course in needs else []
                    upper = people if course in needs else 0
                    program.column(served, upper=upper, integer=True)
                hosts.append((at, groups, hosting + 1))
        answer = Solver(program, mip_max_nodes=MAX_NODES).solve()
        assert answer is not None, "everybody may be without a seat"
        values = np.rint(answer.values).astype(int)
        hosted = {
            at: Hosted(groups, tuple(int(n) for n in values[first : first + len(groups)]))
            for at, groups, first in hosts
            if values[first - 1]
        }
        return hosted, round(answer.objective)
