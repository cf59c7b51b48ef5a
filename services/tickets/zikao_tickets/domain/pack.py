"""How many rooms a slot needs: whole rooms a course first, then remainders that share rooms.

Rooms hold at most 6 courses and a remainder is not split (DOMAIN section 5), which makes this
bin packing with a bound on the items. Best fit is nearly always as good as the lower bound;
where it is not, an exhaustive search looks for fewer rooms within a budget.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

MAX_COURSES_PER_ROOM = 6
# Rooms looked at in one slot, about half a second.
SEARCH_LOOKS = 200_000
# The search is recursive, one level a course; more courses than this are left to best fit.
MAX_SEARCHED_COURSES = 500

Groups = dict[str, int]
"""Course code to number of candidates, in one room."""


@dataclass
class Bin:
    """One room's share while it is being filled."""

    capacity: int
    groups: Groups = field(default_factory=dict)

    @property
    def free(self) -> int:
        """Seats left."""
        return self.capacity - sum(self.groups.values())

    def takes(self, size: int) -> bool:
        """Tell whether one more course of `size` candidates fits."""
        return len(self.groups) < MAX_COURSES_PER_ROOM and size <= self.free


def pack(counts: Mapping[str, int], capacities: Sequence[int]) -> list[Bin]:
    """Spread courses over rooms: bin `i` goes to the `i`-th of `capacities`, in descending order.

    When they do not suffice, further rooms of the largest capacity are assumed: the answer then
    has more bins than capacities, and their number is what would be needed.
    """
    whole, rest = _whole_rooms(counts, capacities)
    remainders = sorted(((size, course) for course, size in rest.items() if size), reverse=True)
    open_rooms = [*capacities[len(whole) :], *[capacities[0]] * sum(rest.values())]
    shared = _best_fit(remainders, open_rooms)
    at_least = _lower_bound(remainders, open_rooms)
    return [*whole, *(_fewer(remainders, open_rooms, at_least, len(shared)) or shared)]


def _whole_rooms(
    counts: Mapping[str, int], capacities: Sequence[int]
) -> tuple[list[Bin], dict[str, int]]:
    """Rooms that one course fills, course by course, and what is left of each course."""
    rest: dict[str, int] = {}
    filled: list[Bin] = []
    for course, count in sorted(counts.items()):
        left = count
        while left >= (size := _next(capacities, len(filled))):
            filled.append(Bin(size, {course: size}))
            left -= size
        rest[course] = left
    return filled, rest


def _next(capacities: Sequence[int], used: int) -> int:
    return capacities[used] if used < len(capacities) else capacities[0]


def _best_fit(remainders: Sequence[tuple[int, str]], capacities: Sequence[int]) -> list[Bin]:
    """Largest remainder first, each into the fullest room that takes it whole."""
    bins: list[Bin] = []
    waiting = list(remainders)
    while waiting:
        size, course = waiting.pop(0)
        fitting = [room for room in bins if room.takes(size)]
        if fitting:
            min(fitting, key=lambda room: room.free).groups[course] = size
            continue
        room = Bin(capacities[len(bins)])
        # Smaller rooms than the ones before: the course fills this one, the rest goes on.
        room.groups[course] = min(size, room.capacity)
        bins.append(room)
        if size > room.capacity:
            waiting.append((size - room.capacity, course))
            waiting.sort(reverse=True)
    return bins


def _lower_bound(remainders: Sequence[tuple[int, str]], capacities: Sequence[int]) -> int:
    """Rooms no packing can do without: by seats, and by courses."""
    seats = sum(size for size, _ in remainders)
    by_courses = -(-len(remainders) // MAX_COURSES_PER_ROOM)
    by_seats = 0
    while seats > 0:
        seats -= capacities[by_seats]
        by_seats += 1
    return max(by_seats, by_courses)


def _fewer(
    remainders: Sequence[tuple[int, str]], capacities: Sequence[int], at_least: int, known: int
) -> list[Bin]:
    """A packing into fewer rooms than `known`; none when there is none or the budget runs out."""
    if len(remainders) > MAX_SEARCHED_COURSES:
        return []
    looks = SEARCH_LOOKS // max(1, known - at_least)
    for rooms in range(at_least, known):
        search = _Search(remainders, capacities[:rooms], looks)
        if search.place(0):
            return search.bins
    return []


class _Search:
    """Depth-first: every remainder into every room that differs from those tried."""

    def __init__(
        self, remainders: Sequence[tuple[int, str]], capacities: Sequence[int], looks: int
    ) -> None:
        self.bins = [Bin(capacity) for capacity in capacities]
        self.looks = looks
        self._remainders = remainders

    def place(self, at: int) -> bool:
        """Place the remainders from `at` on; False when impossible or out of looks."""
        if at == len(self._remainders):
            return True
        size, course = self._remainders[at]
        tried: set[tuple[int, int]] = set()
        for room in self.bins:
            self.looks -= 1
            if self.looks <= 0:
                return False
            shape = (room.free, len(room.groups))
            if shape in tried or not room.takes(size):
                continue
            tried.add(shape)
            room.groups[course] = size
            if self.place(at + 1):
                return True
            del room.groups[course]
        return False
