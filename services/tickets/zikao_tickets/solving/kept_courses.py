"""Which courses stay whole in the first half of a cut, and whom that forces to sit there.

Courses with few rooms are the lumps that make a cut hard: they pull their people apart when some
are on either side. With all small ones in one half nobody is pulled, as long as what they bring
along of other courses fits there; what is left has many rooms a course, and is divided easily.
"""

from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zikao_tickets.solving.cut_model import CutModel
from zikao_tickets.solving.highs import Numbers

FILLED = 0.99
"""Of the seats that a half may use: so much is wanted there."""
BISECTIONS = 20


@dataclass(frozen=True)
class Kept:
    """Which columns of rooms the half has all of, and by course sittings that it has.

    `forced`, of who takes a course that is kept; `wanted`, in all.
    """

    rooms: NDArray[np.bool_]
    forced: Numbers
    wanted: Numbers


class CourseKeeper:
    """Finds them for a cut; `shared_here`, the half has all shared rooms in any case."""

    def __init__(self, model: CutModel, *, shared_here: bool) -> None:
        self._model = model
        wholes = len(model.load.wholes)
        self._is_shared = np.arange(len(model.most)) >= wholes
        self._always = self._is_shared & shared_here
        self._shapes = list(model.shapes())
        self._total = model.seats @ model.most
        self._slot = np.array([slot for slot, _ in model.courses])
        # Who has more of a course than all but its smallest part has all of it.
        parts = np.where((model.seats > 0) & ~self._always, model.seats, np.inf)
        smallest = parts.min(axis=1, initial=np.inf)
        self._all_but_one = self._total - np.where(np.isinf(smallest), self._total, smallest)
        self._seats = self._seats_here()

    def keep(self, free: float) -> Kept | None:
        """As many courses, the smallest first, as leave `free` of the half's seats to others.

        Nothing where the half has not even room for what it has in any case.
        """
        model = self._model
        courses: frozenset[int] = frozenset()
        forced = np.zeros(len(model.kinds), dtype=bool)
        if not self._has_rooms(self._rooms(courses)):
            return None
        for course in np.argsort(self._total, kind="stable").tolist():
            more, forced_by_more = self._closed(courses | {course}, forced | model.takers(course))
            rooms, people = self._rooms(more), np.where(forced_by_more, model.people, 0.0)
            if not self._has_rooms(rooms) or self._fullest(people, rooms) > 1 - free:
                break
            courses, forced = more, forced_by_more
        rooms, people = self._rooms(courses), np.where(forced, model.people, 0.0)
        return Kept(rooms, model.sittings(people), self._wanted(people, rooms))

    def _closed(
        self, courses: frozenset[int], forced: NDArray[np.bool_]
    ) -> tuple[frozenset[int], NDArray[np.bool_]]:
        """With all courses of which so many are forced that all must follow."""
        while True:
            sittings = self._model.sittings(np.where(forced, self._model.people, 0.0))
            more = set(np.flatnonzero(sittings > self._all_but_one).tolist()) - courses
            if not more:
                return courses, forced
            courses |= more
            for course in more:
                forced = forced | self._model.takers(course)

    def _rooms(self, courses: frozenset[int]) -> NDArray[np.bool_]:
        """What the half has all of when it keeps these."""
        seats = self._model.seats[sorted(courses)].sum(axis=0)
        return np.asarray((seats > 0) | self._always, dtype=bool)

    def _has_rooms(self, rooms: NDArray[np.bool_]) -> bool:
        used: Counter[tuple[int, int]] = Counter()
        for at in np.flatnonzero(rooms).tolist():
            used[self._shapes[at]] += int(self._model.most[at])
        here = self._model.here.rooms
        return all(number <= here.get(capacity, 0) for (_, capacity), number in used.items())

    def _wanted(self, forced: Numbers, rooms: NDArray[np.bool_]) -> Numbers:
        """By course, with who is forced and such a share of all others that the half is full."""
        others = self._model.people - forced
        low, high = 0.0, 1.0
        for _ in range(BISECTIONS):
            share = (low + high) / 2
            fits = self._fullest(forced + share * others, rooms) <= FILLED
            low, high = (share, high) if fits else (low, share)
        return self._model.sittings(forced + low * others)

    def _fullest(self, people: Numbers, rooms: NDArray[np.bool_]) -> float:
        """The part of its seats that the half needs in the fullest slot, empty ones included."""
        shared = rooms & self._is_shared
        beside = np.maximum(
            0.0, self._model.sittings(people) - self._model.seats[:, shared].sum(axis=1)
        )
        taken: Counter[int] = Counter()
        for at in np.flatnonzero(shared).tolist():
            slot, capacity = self._shapes[at]
            taken[slot] += capacity
        return max(
            (taken[slot] + float(beside[self._slot == slot].sum())) / max(1, seats)
            for slot, seats in self._seats.items()
        )

    def _seats_here(self) -> Counter[int]:
        """By slot, in as many of the half's rooms as the load may use."""
        here = self._model.here.rooms
        seats = Counter(dict.fromkeys(self._slot.tolist(), 0))
        for (slot, capacity), used in self._model.rooms_used().items():
            seats[slot] += capacity * min(used, here.get(capacity, 0))
        return seats
