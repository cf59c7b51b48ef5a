"""Rooms of a slot as groups of people, and the arithmetic that needs no solver.

A course fills whole rooms; what is left of it, its remainder, sits in one room, which at most 6
remainders share (DOMAIN section 5).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from zikao_tickets.domain.certificate import MAX_COURSES_PER_ROOM


class Whole(NamedTuple):
    """So many rooms of `capacity` that a course fills alone."""

    course_code: str
    capacity: int
    rooms: int


class Bin(NamedTuple):
    """A room of `capacity` that remainders share: course to people."""

    capacity: int
    groups: tuple[tuple[str, int], ...]

    @property
    def people(self) -> int:
        """Seats taken."""
        return sum(people for _, people in self.groups)


@dataclass(frozen=True)
class SlotPacking:
    """All rooms of a slot, by capacity; which ones they are is not said yet."""

    slot: int
    whole: tuple[Whole, ...]
    bins: tuple[Bin, ...]

    @property
    def rooms(self) -> int:
        """Rooms in use."""
        return sum(each.rooms for each in self.whole) + len(self.bins)

    @property
    def packs(self) -> int:
        """(Room, course) paper packs."""
        return sum(each.rooms for each in self.whole) + sum(len(each.groups) for each in self.bins)


def one_size(slot: int, counts: Mapping[str, int], capacity: int) -> SlotPacking:
    """The slot in rooms of one capacity; remainders by two rules, which may not be the fewest."""
    whole = [Whole(course, capacity, people // capacity) for course, people in counts.items()]
    remainders = {course: people % capacity for course, people in counts.items()}
    fits = [best_fit(remainders, capacity), full_fit(remainders, capacity)]
    return SlotPacking(
        slot,
        tuple(each for each in whole if each.rooms),
        tuple(Bin(capacity, groups) for groups in min(fits, key=len)),
    )


def several_sizes(
    slot: int, counts: Mapping[str, int], rooms: Mapping[int, int]
) -> SlotPacking | None:
    """The slot in `rooms` (capacity to rooms) by two rules, which may miss that all fit.

    A course fills the largest rooms first, or the smallest.
    """
    orders = (sorted(rooms, reverse=True), sorted(rooms))
    found = [_by_order(slot, counts, rooms, order) for order in orders]
    return min((each for each in found if each), key=lambda each: each.rooms, default=None)


def _by_order(
    slot: int, counts: Mapping[str, int], rooms: Mapping[int, int], order: Sequence[int]
) -> SlotPacking | None:
    left, whole, remainders = dict(rooms), list[Whole](), list[tuple[int, str]]()
    for course, people in sorted(counts.items(), key=lambda each: (-each[1], each[0])):
        rest = people
        for capacity in order:
            if filled := min(left[capacity], rest // capacity):
                whole.append(Whole(course, capacity, filled))
                left[capacity] -= filled
                rest -= filled * capacity
        if rest:
            remainders.append((rest, course))
    shared: list[tuple[int, list[tuple[str, int]]]] = []
    for people, course in sorted(remainders, reverse=True):
        room = _fullest(shared, people)
        if room is None:
            new = [capacity for capacity, number in left.items() if number and capacity >= people]
            if not new:
                return None
            left[min(new)] -= 1
            shared.append((min(new), room := []))
        room.append((course, people))
    bins = tuple(Bin(capacity, tuple(sorted(groups))) for capacity, groups in shared)
    return SlotPacking(slot, tuple(whole), bins)


def _fullest(
    shared: Iterable[tuple[int, list[tuple[str, int]]]], people: int
) -> list[tuple[str, int]] | None:
    """The room with the fewest free seats that takes a remainder."""
    free = [
        (capacity - sum(number for _, number in groups) - people, at, groups)
        for at, (capacity, groups) in enumerate(shared)
        if len(groups) < MAX_COURSES_PER_ROOM
    ]
    return min((each for each in free if each[0] >= 0), default=(0, 0, None))[2]


def best_fit(remainders: Mapping[str, int], capacity: int) -> list[tuple[tuple[str, int], ...]]:
    """Largest remainder first, each into the fullest room that takes it."""
    rooms: list[list[tuple[str, int]]] = []
    free: list[int] = []
    for people, course in sorted(((n, c) for c, n in remainders.items() if n), reverse=True):
        fitting = [
            at
            for at, room in enumerate(rooms)
            if free[at] >= people and len(room) < MAX_COURSES_PER_ROOM
        ]
        if fitting:
            at = min(fitting, key=free.__getitem__)
        else:
            at = len(rooms)
            rooms.append([])
            free.append(capacity)
        rooms[at].append((course, people))
        free[at] -= people
    return [tuple(sorted(room)) for room in rooms]


def full_fit(remainders: Mapping[str, int], capacity: int) -> list[tuple[tuple[str, int], ...]]:
    """Room by room the largest that leave seats for as many of the smallest as may still join."""
    left = sorted((people, course) for course, people in remainders.items() if people)
    rooms: list[tuple[tuple[str, int], ...]] = []
    while left:
        room = [left.pop()]
        free = capacity - room[0][0]
        while left and left[0][0] <= free and len(room) < MAX_COURSES_PER_ROOM:
            more = MAX_COURSES_PER_ROOM - len(room) - 1
            smallest = [people for people, _ in left[:more]]
            fitting = [
                at
                for at, (people, _) in enumerate(left)
                if people + sum(smallest[:-1] if at < more else smallest) <= free
            ]
            room.append(left.pop(fitting[-1] if fitting else 0))
            free -= room[-1][0]
        rooms.append(tuple(sorted((course, people) for people, course in room)))
    return rooms


def by_pattern(
    remainders: Mapping[str, int], patterns: Iterable[tuple[int, tuple[int, ...]]]
) -> tuple[Bin, ...]:
    """Name the courses of rooms of which only (capacity, sizes of remainders) is known.

    Sizes may be offered more often than there are remainders of them, not less often.
    """
    waiting: dict[int, list[str]] = {}
    for course, people in sorted(remainders.items(), reverse=True):
        waiting.setdefault(people, []).append(course)
    bins: list[Bin] = []
    for capacity, sizes in sorted(patterns, reverse=True):
        groups = tuple(sorted((waiting[size].pop(), size) for size in sizes if waiting.get(size)))
        if groups:
            bins.append(Bin(capacity, groups))
    return tuple(bins)
