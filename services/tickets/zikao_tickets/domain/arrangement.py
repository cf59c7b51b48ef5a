"""Giving every sitting of a county a room and a seat (DOMAIN section 5).

In this order: fewest rooms in a slot (`pack`), few candidates who change site between their
slots, fewest (room, course) paper packs. Who of a course sits in which room, and on which seat,
is drawn (`draw`) with the labels "course:<slot>:<course>" and "seat:<slot>:<site>:<room>"; the
people drawn are taken in the order of their ids, so the order of the input does not matter.
"""

import heapq
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from zikao_tickets.domain.cannot_arrange import RoomsInsufficient
from zikao_tickets.domain.draw import Draw
from zikao_tickets.domain.pack import Bin, pack
from zikao_tickets.domain.rooms import Room
from zikao_tickets.domain.roster import Sitting
from zikao_tickets.domain.seating import Seat


def arrange(sittings: Iterable[Sitting], rooms: Sequence[Room], seed: bytes) -> list[Seat]:
    """Seat every sitting of a county, in the order of slot, room and seat.

    `rooms` in the order in which they are filled. Raises RoomsInsufficient.
    """
    homes: dict[str, str] = {}
    by_slot = sorted(courses_by_slot(sittings).items())
    return [
        seat
        for slot, courses in by_slot
        for seat in arrange_slot(slot, courses, rooms, homes=homes, seed=seed)
    ]


def courses_by_slot(sittings: Iterable[Sitting]) -> dict[int, dict[str, str]]:
    """Slot to candidate to course."""
    by_slot: defaultdict[int, dict[str, str]] = defaultdict(dict)
    for sitting in sorted(sittings):
        by_slot[sitting.slot][sitting.candidate_id] = sitting.course_code
    return by_slot


def arrange_slot(
    slot: int,
    courses: Mapping[str, str],
    rooms: Sequence[Room],
    *,
    homes: dict[str, str],
    seed: bytes,
) -> list[Seat]:
    """Seat one slot; `courses` by candidate. `homes` has the site of each candidate's slots so
    far, and gets those of the others. Raises RoomsInsufficient.
    """
    shares = _share_rooms(slot, courses, rooms, homes)
    return _seat_slot(slot, courses, shares, homes, seed)


class _Share(NamedTuple):
    """A room in a slot with the courses that sit in it."""

    room: Room
    groups: Mapping[str, int]


def _share_rooms(
    slot: int,
    courses: Mapping[str, str],
    rooms: Sequence[Room],
    homes: Mapping[str, str],
) -> list[_Share]:
    """The rooms in use, in the order of `rooms`, with their courses."""
    if not rooms:
        raise RoomsInsufficient(slot, 1, 0)
    largest_first = sorted(rooms, key=lambda room: -room.capacity)
    bins = pack(Counter(courses.values()), [room.capacity for room in largest_first])
    if len(bins) > len(rooms):
        raise RoomsInsufficient(slot, len(bins), len(rooms))
    placed = _place_at_homes(bins, largest_first[: len(bins)], _homes_by_course(courses, homes))
    return [_Share(room, placed[room].groups) for room in rooms if room in placed]


def _homes_by_course(
    courses: Mapping[str, str], homes: Mapping[str, str]
) -> dict[str, Counter[str]]:
    """How many candidates of a course have sat at a site before: course to site to number."""
    known: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for candidate_id, course in courses.items():
        if candidate_id in homes:
            known[course][homes[candidate_id]] += 1
    return known


def _place_at_homes(
    bins: Sequence[Bin], rooms: Sequence[Room], known: Mapping[str, Counter[str]]
) -> dict[Room, Bin]:
    """Which bin goes to which room: always the pair that keeps most candidates at their site.

    What a pair keeps only shrinks while others are placed, so a heap with a look at the pair
    before it is taken finds the best one.
    """
    free: defaultdict[tuple[str, int], list[Room]] = defaultdict(list)
    for room in reversed(rooms):
        free[room.site_code, room.capacity].append(room)
    heap = [
        (-_kept(bins[number], site, known), number, order, site)
        for order, (site, capacity) in enumerate(reversed(free))
        for number in range(len(bins))
        if bins[number].capacity == capacity
    ]
    heapq.heapify(heap)
    placed: dict[int, Room] = {}
    while heap:
        kept, number, order, site = heapq.heappop(heap)
        places = free[site, bins[number].capacity]
        if number in placed or not places:
            continue
        now = -_kept(bins[number], site, known)
        if now > kept:
            heapq.heappush(heap, (now, number, order, site))
            continue
        placed[number] = places.pop()
        for course, size in bins[number].groups.items():
            if course in known:
                known[course][site] -= min(size, known[course][site])
    return {room: bins[number] for number, room in placed.items()}


def _kept(share: Bin, site: str, known: Mapping[str, Counter[str]]) -> int:
    """Candidates who could stay at `site` if the bin goes there."""
    return sum(min(size, known[course][site]) for course, size in share.groups.items())


def _seat_slot(
    slot: int,
    courses: Mapping[str, str],
    shares: Sequence[_Share],
    homes: dict[str, str],
    seed: bytes,
) -> list[Seat]:
    """Draw rooms and seats of one slot; notes the site of whoever had none."""
    members: defaultdict[str, list[str]] = defaultdict(list)
    for candidate_id in sorted(courses):
        members[courses[candidate_id]].append(candidate_id)
    sitting_in: defaultdict[Room, list[str]] = defaultdict(list)
    for course in sorted(members):
        drawn = Draw(seed, f"course:{slot}:{course}").shuffled(members[course])
        for candidate_id, room in _choose_rooms(course, drawn, shares, homes):
            sitting_in[room].append(candidate_id)
            homes.setdefault(candidate_id, room.site_code)
    return [
        Seat(slot, room.site_code, room.code, number, candidate_id, courses[candidate_id])
        for room, _ in shares
        for number, candidate_id in enumerate(
            Draw(seed, f"seat:{slot}:{room.site_code}:{room.code}").shuffled(
                sorted(sitting_in[room])
            ),
            start=1,
        )
    ]


def _choose_rooms(
    course: str, drawn: Sequence[str], shares: Sequence[_Share], homes: Mapping[str, str]
) -> list[tuple[str, Room]]:
    """Each candidate of a course with a room: at the site of the slots before where it can be."""
    places: defaultdict[str, list[Room]] = defaultdict(list)
    for room, groups in reversed(shares):
        places[room.site_code] += [room] * groups.get(course, 0)
    chosen: list[tuple[str, Room]] = []
    movers: list[str] = []
    for candidate_id in drawn:
        at_home = places.get(homes.get(candidate_id, ""))
        if at_home:
            chosen.append((candidate_id, at_home.pop()))
        else:
            movers.append(candidate_id)
    left = [room for rooms in reversed(list(places.values())) for room in reversed(rooms)]
    return chosen + list(zip(movers, left, strict=True))
