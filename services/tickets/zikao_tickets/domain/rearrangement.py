"""Arranging a county again after late changes: as few seats change as can be (DOMAIN section 5).

Whoever has a published seat and still takes the course keeps the seat. Newcomers of a course sit
with its remainder; where that shares a room they do not fit in, it moves with them as a whole, so
that no course is ever split over two rooms that it does not fill. Only when no room takes it, the
slot is arranged anew. The draws have the labels "late:<slot>:<course>" and
"late:<slot>:<course>:<site>:<room>"; the rooms in use may be more than the fewest.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from zikao_tickets.domain.arrangement import arrange_slot, courses_by_slot
from zikao_tickets.domain.certificate import MAX_COURSES_PER_ROOM
from zikao_tickets.domain.draw import Draw
from zikao_tickets.domain.rooms import Room
from zikao_tickets.domain.roster import Sitting
from zikao_tickets.domain.seating import Seat


def rearrange(
    sittings: Iterable[Sitting],
    rooms: Sequence[Room],
    seed: bytes,
    published: Sequence[Seat],
) -> list[Seat]:
    """Seat every sitting of a county, in the order of slot, room and seat.

    `rooms` in the order in which they are filled; without `published` all is arranged anew.
    Raises RoomsInsufficient.
    """
    homes: dict[str, str] = {}
    seats: list[Seat] = []
    for slot, courses in sorted(courses_by_slot(sittings).items()):
        before = [seat for seat in published if seat.slot == slot]
        seated = _kept_and_added(slot, courses, rooms, seed, before) if before else None
        if seated is None:
            seated = arrange_slot(slot, courses, rooms, homes=homes, seed=seed)
        for seat in seated:
            homes.setdefault(seat.candidate_id, seat.site_code)
        seats += seated
    return seats


def _kept_and_added(
    slot: int,
    courses: Mapping[str, str],
    rooms: Sequence[Room],
    seed: bytes,
    before: Sequence[Seat],
) -> list[Seat] | None:
    """The slot with as few changes as can be; None when the newcomers fit in no room."""
    hall = _Hall(rooms, courses, before)
    waiting: defaultdict[str, list[str]] = defaultdict(list)
    for candidate_id in sorted(courses.keys() - hall.seated()):
        waiting[courses[candidate_id]].append(candidate_id)
    for course in sorted(set(courses.values())):
        group = waiting[course] + hall.clear_smaller_remainders(course)
        if group and not _seat_group(hall, slot, course, group, seed):
            return None
    return hall.seats(slot)


def _seat_group(hall: "_Hall", slot: int, course: str, group: Sequence[str], seed: bytes) -> bool:
    """Seat newcomers of a course; False when there is no room for them."""
    label = f"late:{slot}:{course}"
    drawn = Draw(seed, label).shuffled(sorted(group))
    remainder = hall.remainder(course)
    if remainder and hall.is_shared(remainder) and hall.free(remainder) < len(drawn):
        drawn += hall.clear(remainder, course)
        remainder = None
    while drawn:
        room, remainder = remainder or hall.room_for(len(drawn)), None
        if room is None:
            return False
        numbers = Draw(seed, f"{label}:{room.site_code}:{room.code}").shuffled(
            hall.free_numbers(room)
        )
        for number in numbers[: len(drawn)]:
            hall.taken[room][number] = (drawn.pop(), course)
    return True


class _Hall:
    """The rooms of a slot with who sits in them: seat number to candidate and course."""

    def __init__(
        self, rooms: Sequence[Room], courses: Mapping[str, str], before: Sequence[Seat]
    ) -> None:
        self.taken: dict[Room, dict[int, tuple[str, str]]] = {room: {} for room in rooms}
        by_key = {(room.site_code, room.code): room for room in rooms}
        for seat in before:
            room = by_key.get((seat.site_code, seat.room_code))
            still_taken = courses.get(seat.candidate_id) == seat.course_code
            if room and still_taken and seat.seat_number <= room.capacity:
                self.taken[room][seat.seat_number] = (seat.candidate_id, seat.course_code)

    def seated(self) -> set[str]:
        """Everyone who has a seat."""
        return {candidate for seats in self.taken.values() for candidate, _ in seats.values()}

    def free(self, room: Room) -> int:
        """Seats left."""
        return room.capacity - len(self.taken[room])

    def free_numbers(self, room: Room) -> list[int]:
        """Numbers of the seats left."""
        return [number for number in range(1, room.capacity + 1) if number not in self.taken[room]]

    def is_shared(self, room: Room) -> bool:
        """Tell whether several courses sit in a room."""
        return len({course for _, course in self.taken[room].values()}) > 1

    def remainder(self, course: str) -> Room | None:
        """The room that the course sits in without filling it."""
        return next(iter(self._remainders(course)), None)

    def clear_smaller_remainders(self, course: str) -> list[str]:
        """Leave the course one remainder, the largest; who must leave another room."""
        smaller = self._remainders(course)[1:]
        return [candidate for room in smaller for candidate in self.clear(room, course)]

    def clear(self, room: Room, course: str) -> list[str]:
        """Take the course out of a room; who it was."""
        leaving = [
            number for number, (_, other) in sorted(self.taken[room].items()) if other == course
        ]
        return [self.taken[room].pop(number)[0] for number in leaving]

    def room_for(self, size: int) -> Room | None:
        """The fullest room that takes a group whole, else an empty one, which it may fill."""
        sharing = [
            room
            for room, seats in self.taken.items()
            if seats and self.free(room) >= size and self._takes_a_course(room)
        ]
        empty = [room for room, seats in self.taken.items() if not seats]
        largest = max((room.capacity for room in empty), default=0)
        whole = [room for room in empty if room.capacity >= size or room.capacity == largest]
        return min(sharing, key=self.free, default=next(iter(whole), None))

    def seats(self, slot: int) -> list[Seat]:
        """All seats in the order of rooms and numbers."""
        return [
            Seat(slot, room.site_code, room.code, number, *taken)
            for room, seats in self.taken.items()
            for number, taken in sorted(seats.items())
        ]

    def _remainders(self, course: str) -> list[Room]:
        """Rooms in which the course sits without filling them, those with most of it first."""
        people = {
            room: Counter(other for _, other in seats.values())[course]
            for room, seats in self.taken.items()
        }
        partly = [room for room, count in people.items() if 0 < count < room.capacity]
        return sorted(partly, key=lambda room: -people[room])

    def _takes_a_course(self, room: Room) -> bool:
        return len({course for _, course in self.taken[room].values()}) < MAX_COURSES_PER_ROOM
