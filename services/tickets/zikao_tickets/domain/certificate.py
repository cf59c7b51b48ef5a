"""The stored proof that a slot needs as many rooms as it has: checked by a table, no solver.

Give every remainder size `s` a weight `w[s]` and every room size `Q` a price `p[Q]`, none below 0,
such that no 6 remainders that fit into a room of `Q` weigh more than `D + p[Q]`. A course of `n`
people then costs at least `cheapest[n]`: a room that it fills costs `D + p[Q]`, a remainder its
weight. Whoever has `m[Q]` rooms of each size needs at least
`ceil((sum of cheapest[n] - sum of m[Q] * p[Q]) / D)` rooms, since what rooms are worth is at most
what they cost. With one size and `w[s] = s` that is the bound by seats, with `w[s] = 1` the one by
courses; the best weights are the duals of the pattern model (Gilmore and Gomory 1961).
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

MAX_COURSES_PER_ROOM = 6


class ProofKind(StrEnum):
    """How far the bound can be checked: by weights, or only by solving again."""

    WEIGHTS = "weights"
    SOLVER = "solver"


class RoomSize(NamedTuple):
    """Rooms of one capacity, how many there are, and the price of one in the proof."""

    capacity: int
    rooms: int
    price: int = 0


class SlotProof(NamedTuple):
    """Rooms of a slot and what no arrangement can do without.

    `weights[s - 1]` is the weight of a remainder of `s` people, for every `s` below the largest
    capacity; `sizes` are in descending order of capacity, `packs_bound` is a bound on the
    (room, course) packs of an arrangement with that many rooms.
    """

    slot: int
    rooms: int
    bound: int
    kind: ProofKind
    denominator: int
    weights: tuple[int, ...]
    sizes: tuple[RoomSize, ...]
    packs: int
    packs_bound: int

    def holds(self, counts: Mapping[str, int]) -> bool:
        """Tell whether the bound may be claimed for these courses.

        The weights prove it, or, of kind `solver`, one room less: that this one is needed too only
        solving again tells.
        """
        said_by_solver = self.kind is ProofKind.SOLVER
        return self.bound <= min(self.rooms, self.proven(counts) + said_by_solver)

    def proven(self, counts: Mapping[str, int]) -> int:
        """Rooms that the weights prove to be needed; 0 when they prove nothing."""
        if not self._is_sound():
            return 0
        return rooms_bound(counts.values(), self.denominator, self.weights, self.sizes)

    def reckons_with(self, capacities: Iterable[int]) -> bool:
        """Tell whether it is a proof for a county with rooms of these capacities.

        A room it knows nothing of may save others; one that is worth something may, too.
        """
        known = {size.capacity: size for size in self.sizes}
        return all(
            capacity in known and (known[capacity].price == 0 or rooms <= known[capacity].rooms)
            for capacity, rooms in Counter(capacities).items()
        )

    def _is_sound(self) -> bool:
        capacities = [size.capacity for size in self.sizes]
        return (
            capacities != []
            and capacities == sorted(set(capacities), reverse=True)
            and capacities[-1] > 0
            and len(self.weights) == capacities[0] - 1
            and min(self.weights, default=0) >= 0
            and min(size.price for size in self.sizes) >= 0
            and self.denominator >= least_denominator(self.weights, self.sizes)
        )


def heaviest(weights: Sequence[int], capacity: int) -> list[int]:
    """Most weight of at most 6 remainders with at most `load` people, for every load."""
    worthy = [(size, weight) for size, weight in enumerate(weights, start=1) if weight > 0]
    best = [0] * (capacity + 1)
    for _ in range(MAX_COURSES_PER_ROOM):
        before = best.copy()
        for size, weight in worthy:
            for load in range(size, capacity + 1):
                best[load] = max(best[load], before[load - size] + weight)
    return best


def least_denominator(weights: Sequence[int], sizes: Sequence[RoomSize]) -> int:
    """The smallest `D` with which weights and prices prove anything."""
    best = heaviest(weights, sizes[0].capacity)
    return max(1, *(best[size.capacity] - size.price for size in sizes))


def cheapest(
    most: int, denominator: int, weights: Sequence[int], sizes: Sequence[RoomSize]
) -> list[int]:
    """What a course of `n` people costs at least, for every `n` up to `most`."""
    costs = [0]
    for people in range(1, most + 1):
        choices = [
            denominator + size.price + costs[people - size.capacity]
            for size in sizes
            if size.capacity <= people
        ]
        if people <= len(weights):
            choices.append(weights[people - 1])
        costs.append(min(choices))
    return costs


def rooms_bound(
    counts: Iterable[int], denominator: int, weights: Sequence[int], sizes: Sequence[RoomSize]
) -> int:
    """Rooms that no arrangement of courses with so many people can do without."""
    people = list(counts)
    costs = cheapest(max(people, default=0), denominator, weights, sizes)
    worth = sum(costs[each] for each in people) - sum(size.rooms * size.price for size in sizes)
    return -(-worth // denominator)
