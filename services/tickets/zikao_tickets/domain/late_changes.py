"""Changing a published arrangement as little as can be (DOMAIN section 5).

Whoever has a seat that can still be used keeps it. For k candidates who changed, at most 3 k others
get another seat, by construction: what people of a course need is first taken where it moves
nobody; then, the cheapest course first and within those 3 k, a remainder moves as a whole (the own
one, or one that shares its room). What is left gets a second room that its course does not fill: a
late share, marked and counted, which an arrangement made anew removes.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from zikao_tickets.domain.cannot_arrange import (
    AccessibleSeatsMissing,
    RoomsInsufficient,
    TooManyMoved,
)
from zikao_tickets.domain.certificate import RoomSize, least_denominator, rooms_bound
from zikao_tickets.domain.late_hall import Hall, Taken
from zikao_tickets.domain.plan import Figures, GapReason, Plan, Share
from zikao_tickets.domain.rooms import Room, RoomUse
from zikao_tickets.domain.roster import Roster
from zikao_tickets.domain.seat import Kept, Seat, kept_seats

MOVED_PER_CHANGE = 3


def plan_changes(roster: Roster, rooms: Sequence[Room], published: Sequence[Seat]) -> Plan:
    """The plan that changes `published`.

    Raises RoomsInsufficient, AccessibleSeatsMissing, TooManyMoved.
    """
    kept = kept_seats(roster, rooms, published)
    work = _Changes(roster, rooms, published, kept)
    shares = work.seat_everyone()
    known = {each[1:3] for each in [*shares, *published]}
    usable = [room for room in rooms if room.use is not RoomUse.CLOSED]
    return Plan(
        rooms=tuple(room for room in usable if (room.site_code, room.code) in known),
        shares=tuple(shares),
        itineraries=(),
        proofs=(),
        figures=_figures(roster, rooms, shares, len(kept.changed)),
        is_late=True,
        cleared=tuple(sorted(group for hall in work.halls for group in hall.cleared)),
    )


@dataclass
class _Waiting:
    """People of a course without a seat, and how many of them have other sittings at a site."""

    hall: Hall
    course: str
    people: int
    sites: Counter[str]


@dataclass(frozen=True)
class _Step:
    """A way to seat people who wait: others it moves, and how to do it."""

    moves: int
    take: Callable[[], int]


class _Changes:
    """All slots, and how many others may still be moved."""

    def __init__(
        self, roster: Roster, rooms: Sequence[Room], published: Sequence[Seat], kept: Kept
    ) -> None:
        self._roster = roster
        self._changed = len(kept.changed)
        self._may_move = self._allowed = MOVED_PER_CHANGE * self._changed
        seated = {(seat.slot, seat.candidate_id): seat.site_code for seat in kept.seats}
        self._sites: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for (_, candidate_id), site in seated.items():
            self._sites[candidate_id][site] += 1
        slots = sorted({slot for choice in roster.choices.values() for slot, _ in choice})
        by_slot = {slot: [seat for seat in kept.seats if seat.slot == slot] for slot in slots}
        self.halls = [
            Hall(
                slot,
                rooms,
                by_slot[slot],
                (seat for seat in published if seat.slot == slot),
                roster.accessible,
            )
            for slot in slots
        ]
        self._unseated: defaultdict[tuple[int, str], list[str]] = defaultdict(list)
        for candidate_id, choice in sorted(roster.choices.items()):
            for slot, course in choice:
                if (slot, candidate_id) not in seated:
                    self._unseated[slot, course].append(candidate_id)

    def seat_everyone(self) -> list[Share]:
        """The shares of all slots. Raises TooManyMoved when accessible seats alone take too many.

        They are seated whatever it takes: a free accessible seat first, in any room.
        """
        halls = {hall.slot: hall for hall in self.halls}
        waiting: list[_Waiting] = []
        for (slot, course), people in sorted(self._unseated.items()):
            needing = [each for each in people if each in self._roster.accessible]
            for candidate_id in needing:
                self._seat_accessible(halls[slot], course, self._sites[candidate_id])
            sites = sum((self._sites[each] for each in people), Counter[str]())
            others = len(people) - len(needing)
            waiting.append(_Waiting(halls[slot], course, others, sites))
        if self._may_move < 0:
            raise TooManyMoved(self._changed, self._allowed - self._may_move, self._allowed)
        for each in waiting:
            _join_own_rooms(each)
        self._take_steps(waiting)
        for each in waiting:
            _share_late(each)
        return [share for hall in self.halls for share in hall.shares()]

    def _seat_accessible(self, hall: Hall, course: str, sites: Counter[str]) -> None:
        """One who needs an accessible seat: with the own course if that moves nobody."""
        fitting = [
            each for each in hall.rooms if each.takes(course, 1) and each.accessible_left > 0
        ]
        if not fitting:
            raise AccessibleSeatsMissing(hall.slot, *self._accessible_seats(hall))
        chosen = min(
            fitting,
            key=lambda each: (
                each.accessible_free <= 0,
                not each.people[course],
                each.room.use is RoomUse.RESERVE,
                -sites[each.room.site_code],
            ),
        )
        self._may_move -= chosen.accessible_free <= 0
        chosen.accessible_free = max(0, chosen.accessible_free - 1)
        chosen.people[course] += 1
        chosen.needing[course] += 1

    def _accessible_seats(self, hall: Hall) -> tuple[int, int]:
        """How many are needed in a slot, and how many rooms have."""
        needed = sum(
            slot == hall.slot
            for candidate_id in self._roster.accessible
            for slot, _ in self._roster.choices[candidate_id]
        )
        return needed, min(needed - 1, sum(len(each.room.accessible) for each in hall.rooms))

    def _take_steps(self, waiting: Sequence[_Waiting]) -> None:
        """The cheapest step of all, again and again, while it is allowed."""
        steps = {at: step for at, each in enumerate(waiting) if (step := _cheapest_step(each))}
        while allowed := [
            (step.moves, at) for at, step in steps.items() if step.moves <= self._may_move
        ]:
            _, at = min(allowed)
            self._may_move -= steps.pop(at).take()
            for other, each in enumerate(waiting):
                if each.hall is waiting[at].hall:
                    steps.pop(other, None)
                    if step := _cheapest_step(each):
                        steps[other] = step


def _join_own_rooms(waiting: _Waiting) -> None:
    """Free seats of rooms that the course is in."""
    for taken in waiting.hall.of(waiting.course):
        _add(waiting, taken, min(waiting.people, taken.free))


def _add(waiting: _Waiting, taken: Taken, people: int) -> None:
    if people > 0:
        taken.people[waiting.course] += people
        waiting.people -= people


def _cheapest_step(waiting: _Waiting) -> _Step | None:
    """What seats them without a second remainder; nothing if nobody waits, or for want of room."""
    if not waiting.people:
        return None
    steps = [*_filling(waiting), *_beside(waiting), *_evicting(waiting), *_moving_along(waiting)]
    return min(steps, key=lambda step: step.moves, default=None)


def _filling(waiting: _Waiting) -> list[_Step]:
    """An empty room that they fill."""

    def fill(taken: Taken) -> int:
        _add(waiting, taken, taken.room.capacity)
        return 0

    empty = [
        each
        for each in waiting.hall.rooms
        if not each.people.total()
        and each.room.use is RoomUse.NORMAL
        and each.room.capacity <= waiting.people
    ]
    empty.sort(key=lambda each: (-each.room.capacity, -waiting.sites[each.room.site_code]))
    return [_Step(0, lambda: fill(empty[0]))] if empty else []


def _beside(waiting: _Waiting) -> list[_Step]:
    """A room for all of them, as long as the course has no remainder elsewhere."""

    def join(taken: Taken) -> int:
        _add(waiting, taken, waiting.people)
        return 0

    if waiting.hall.remainder(waiting.course):
        return []
    found = waiting.hall.room_for(waiting.course, waiting.people, waiting.sites)
    return [_Step(0, lambda: join(found))] if found else []


def _evicting(waiting: _Waiting) -> list[_Step]:
    """Another remainder leaves the room of the own one."""
    hall, own = waiting.hall, waiting.hall.remainder(waiting.course)
    if own is None:
        return []

    def evict(course: str, to: Taken) -> int:
        people = own.people[course]
        moved = hall.clear(own, course)
        to.people[course] += people
        _add(waiting, own, waiting.people)
        return moved

    steps = []
    for course in sorted(own.courses - {waiting.course}):
        people = own.people[course]
        to = hall.room_for(course, people, {own.room.site_code: 1})
        enough = own.free + people >= waiting.people
        if to and to is not own and enough and not own.needing[course]:
            steps.append(_Step(own.was[course], partial(evict, course, to)))
    return steps


def _moving_along(waiting: _Waiting) -> list[_Step]:
    """The own remainder moves to where all of them have room."""
    hall, own = waiting.hall, waiting.hall.remainder(waiting.course)
    if own is None or own.needing[waiting.course]:
        return []
    people = own.people[waiting.course]
    to = hall.room_for(waiting.course, people + waiting.people, {own.room.site_code: 1})

    def move(to: Taken) -> int:
        moved = hall.clear(own, waiting.course)
        to.people[waiting.course] += people
        _add(waiting, to, waiting.people)
        return moved

    return [_Step(own.was[waiting.course], lambda: move(to))] if to else []


def _share_late(waiting: _Waiting) -> None:
    """Whoever is left sits in as few further rooms as can be. Raises RoomsInsufficient."""
    hall, course = waiting.hall, waiting.course
    while waiting.people:
        whole = hall.room_for(course, waiting.people, waiting.sites, reserve=True)
        rooms = [each for each in hall.rooms if each.takes(course, 1)]
        chosen = whole or max(rooms, key=lambda each: each.free, default=None)
        if chosen is None:
            used = sum(bool(each.people.total()) for each in hall.rooms)
            raise RoomsInsufficient(hall.slot, used + 1, len(hall.rooms))
        _add(waiting, chosen, min(waiting.people, chosen.free))


def _figures(
    roster: Roster, rooms: Sequence[Room], shares: Sequence[Share], changed: int
) -> Figures:
    """What is known before the draw; `late_seating.recounted` adds who moves and changes site."""
    usable = [room.capacity for room in rooms if room.use is not RoomUse.CLOSED]
    sizes = [RoomSize(size, usable.count(size)) for size in sorted(set(usable), reverse=True)]
    weights = tuple(range(1, sizes[0].capacity))
    by_seats = least_denominator(weights, sizes)
    counts = [list(courses.values()) for courses in roster.counts().values()]
    return Figures(
        rooms=len({share[:3] for share in shares}),
        rooms_bound=sum(rooms_bound(each, by_seats, weights, sizes) for each in counts),
        packs=len(shares),
        packs_bound=sum(-(-people // sizes[0].capacity) for each in counts for people in each),
        gap_reason=GapReason.LATE_CHANGES,
        changed=changed,
        late_shares=sum(share.late for share in shares),
    )
