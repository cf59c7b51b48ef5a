"""Rooms of a slot as groups of people, and the arithmetic that needs no solver.

A course fills whole rooms; what is left of it, its remainder, sits in one room, which at most 6
remainders share (DOMAIN section 5).
"""

from collections.abc import Iterable, Mapping
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
