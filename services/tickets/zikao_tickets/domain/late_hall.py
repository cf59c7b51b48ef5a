"""The rooms of a slot while late changes are being seated: who is kept, and who could be added."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from zikao_tickets.domain.certificate import MAX_COURSES_PER_ROOM
from zikao_tickets.domain.plan import Group, Share
from zikao_tickets.domain.rooms import Room, RoomUse
from zikao_tickets.domain.seat import Seat


@dataclass
class Taken:
    """A room with its people by course; `needing` of them need an accessible seat."""

    room: Room
    people: Counter[str] = field(default_factory=Counter)
    needing: Counter[str] = field(default_factory=Counter)
    was: Counter[str] = field(default_factory=Counter)
    """Kept people of before, who count as moved if they have to leave."""
    base: Counter[str] = field(default_factory=Counter)
    """Everyone of before."""
    accessible_free: int = 0

    @property
    def free(self) -> int:
        """Seats left."""
        return self.room.capacity - self.people.total()

    @property
    def courses(self) -> set[str]:
        """Courses with people in the room."""
        return {course for course, people in self.people.items() if people}

    @property
    def accessible_left(self) -> int:
        """Accessible seats that nobody has who needs one; their holders may change seats."""
        return len(self.room.accessible) - self.needing.total()

    def takes(self, course: str, people: int) -> bool:
        """Tell whether so many of a course may join."""
        courses = self.courses | {course}
        return self.free >= people and len(courses) <= MAX_COURSES_PER_ROOM

    def is_remainder(self, course: str) -> bool:
        """Tell whether the course sits here without filling the room, now and before."""
        return 0 < self.people[course] < self.room.capacity and not self.was_whole(course)

    def was_whole(self, course: str) -> bool:
        """Tell whether the course filled the room before."""
        return self.base[course] >= self.room.capacity


class Hall:
    """All rooms of a slot that late changes may use, in the order in which they are filled."""

    def __init__(
        self,
        slot: int,
        rooms: Sequence[Room],
        kept: Iterable[Seat],
        before: Iterable[Seat],
        accessible: frozenset[str],
    ) -> None:
        self.slot = slot
        self.rooms = [Taken(room) for room in rooms if room.use is not RoomUse.CLOSED]
        self.cleared: set[Group] = set()
        by_key = {(each.room.site_code, each.room.code): each for each in self.rooms}
        for seat in before:
            if taken := by_key.get((seat.site_code, seat.room_code)):
                taken.base[seat.course_code] += 1
        held: Counter[tuple[str, str]] = Counter()
        for seat in kept:
            key = (seat.site_code, seat.room_code)
            by_key[key].people[seat.course_code] += 1
            by_key[key].was[seat.course_code] += 1
            by_key[key].needing[seat.course_code] += seat.candidate_id in accessible
            held[key] += seat.seat_number in by_key[key].room.accessible
        for key, taken in by_key.items():
            taken.accessible_free = len(taken.room.accessible) - held[key]

    def of(self, course: str) -> Iterator[Taken]:
        """The rooms a course sits in: those it filled before, then its remainder."""
        there = [each for each in self.rooms if each.people[course]]
        return iter(sorted(there, key=lambda each: not each.was_whole(course)))

    def remainder(self, course: str) -> Taken | None:
        """The room that the course does not fill, the largest if late changes made several."""
        partly = [each for each in self.rooms if each.is_remainder(course)]
        return max(partly, key=lambda each: each.people[course], default=None)

    def room_for(
        self, course: str, people: int, sites: Mapping[str, int], *, reserve: bool = False
    ) -> Taken | None:
        """The fullest room that takes a group whole, at a site that its people have, if any."""
        fitting = [
            each
            for each in self.rooms
            if each.takes(course, people)
            and not each.people[course]
            and (reserve or each.room.use is RoomUse.NORMAL)
        ]
        return min(
            fitting,
            key=lambda each: (
                each.room.use is RoomUse.RESERVE,
                -sites.get(each.room.site_code, 0),
                each.free,
            ),
            default=None,
        )

    def clear(self, taken: Taken, course: str) -> int:
        """Take a course out of a room; how many people that moves."""
        if taken.was[course]:
            room = taken.room
            self.cleared.add(Group(self.slot, room.site_code, room.code, course))
        moved = taken.was.pop(course, 0)
        taken.people.pop(course)
        return moved

    def shares(self) -> list[Share]:
        """What sits where in the end; of several rooms that a course does not fill all but one
        are late, and so is whatever is in the reserve.
        """
        left = {course for each in self.rooms for course in each.courses}
        remainders = {course: self.remainder(course) for course in left}
        return [
            Share(
                self.slot,
                taken.room.site_code,
                taken.room.code,
                course,
                taken.people[course],
                taken.needing[course],
                taken.room.use is RoomUse.RESERVE
                or (taken.is_remainder(course) and taken is not remainders[course]),
            )
            for taken in self.rooms
            for course in sorted(taken.courses)
        ]
