"""The draw of late changes: who of those without a seat sits where; the others stay.

Its labels, each with people in the order of their ids and seats in the order of numbers:

- "late:<slot>:<course>": who of a course sits in which room ("+" at the end for those who need an
  accessible seat);
- "late-accessible:<slot>:<site>:<room>": which accessible seats are given, of those that are free,
  and "late-swap:<slot>:<site>:<room>", of those whose holders do not need them and change seats;
- "late-place:<slot>:<site>:<room>": which of the free seats are taken, accessible ones last: of the
  lowest, who come late together would know that they sit side by side;
- "late-seat:<slot>:<site>:<room>": who has which of them.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from zikao_tickets.domain.draw import Draw
from zikao_tickets.domain.plan import Figures, Group, Plan, Share
from zikao_tickets.domain.rooms import Room
from zikao_tickets.domain.roster import Roster
from zikao_tickets.domain.seat import Seat, cut, kept_seats, lowest_numbers

Door = tuple[int, str, str]
"""Slot, site, room."""

Courses = dict[str, str]
"""Candidate to course, of people in a room."""


def draw_changes(plan: Plan, roster: Roster, seed: bytes, published: Sequence[Seat]) -> list[Seat]:
    """Every seat in the order of slot, room and seat.

    Raises ValueError when the plan was made for another roster or other published seats.
    """
    cleared = set(plan.cleared)
    staying: defaultdict[Door, list[Seat]] = defaultdict(list)
    for seat in kept_seats(roster, plan.rooms, published).seats:
        if Group(*seat[:3], seat.course_code) not in cleared:
            staying[seat[:3]].append(seat)
    coming = _coming(plan.shares, roster, seed, staying)
    late = {share[:4] for share in plan.shares if share.late}
    return [
        Seat(*door, number, who, course, (*door, course) in late)
        for slot in sorted({share.slot for share in plan.shares})
        for room in plan.rooms
        for door in [(slot, room.site_code, room.code)]
        for number, who, course in _seats_of_room(
            door, room, staying[door], coming[door], accessible=roster.accessible, seed=seed
        )
    ]


def recounted(
    plan: Plan, roster: Roster, seats: Sequence[Seat], published: Sequence[Seat]
) -> Figures:
    """The figures of a late plan with what only its draw tells: who moves, who changes site."""
    now = {(seat.slot, seat.candidate_id): seat[1:4] for seat in seats}
    changed = kept_seats(roster, plan.rooms, published).changed
    moved = {
        seat.candidate_id
        for seat in published
        if seat.candidate_id not in changed and now[seat.slot, seat.candidate_id] != seat[1:4]
    }
    sites: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for seat in seats:
        sites[seat.candidate_id][seat.site_code] += 1
    away = [there.total() - max(there.values()) for there in sites.values()]
    return replace(
        plan.figures,
        moved=len(moved),
        changers=sum(map(bool, away)),
        site_changes=sum(away),
        gap_reason=plan.figures.gap_reason if any(away) else None,
    )


def _coming(
    shares: Sequence[Share], roster: Roster, seed: bytes, staying: Mapping[Door, Sequence[Seat]]
) -> defaultdict[Door, Courses]:
    """Who comes into which room."""
    seated = {(seat.slot, seat.candidate_id) for seats in staying.values() for seat in seats}
    waiting: defaultdict[tuple[int, str, bool], list[str]] = defaultdict(list)
    for candidate_id in sorted(roster.choices):
        for slot, course in roster.choices[candidate_id]:
            if (slot, candidate_id) not in seated:
                waiting[slot, course, candidate_id in roster.accessible].append(candidate_id)
    places: defaultdict[tuple[int, str, bool], list[tuple[Door, int]]] = defaultdict(list)
    for share in shares:
        door = share[:3]
        there = [s for s in staying.get(door, ()) if s.course_code == share.course_code]
        needing = share.accessible - sum(s.candidate_id in roster.accessible for s in there)
        others = share.people - len(there) - needing
        places[share.slot, share.course_code, True].append((door, needing))
        places[share.slot, share.course_code, False].append((door, others))
    coming: defaultdict[Door, Courses] = defaultdict(dict)
    for (slot, course, accessible), parts in places.items():
        people = waiting[slot, course, accessible]
        label = f"late:{slot}:{course}{'+' * accessible}"
        drawn = Draw(seed, label).shuffled(people)
        for (door, _), chosen in zip(parts, cut(drawn, [n for _, n in parts]), strict=True):
            coming[door] |= dict.fromkeys(chosen, course)
    return coming


def _seats_of_room(
    door: Door,
    room: Room,
    staying: Sequence[Seat],
    coming: Courses,
    *,
    accessible: frozenset[str],
    seed: bytes,
) -> list[tuple[int, str, str]]:
    """Number, candidate and course, in the order of numbers."""
    place = ":".join(map(str, door))
    taken = {seat.seat_number: (seat.candidate_id, seat.course_code) for seat in staying}
    needing = sorted(coming.keys() & accessible)
    if needing:
        given = list(_accessible(place, room, taken, accessible, seed))[: len(needing)]
        for number, who in zip(given, needing, strict=True):
            if number in taken:
                displaced, course = taken.pop(number)
                coming = coming | {displaced: course}
            taken[number] = (who, coming[who])
    others = Draw(seed, f"late-seat:{place}").shuffled(sorted(coming.keys() - accessible))
    free = list(_free(place, room, taken, seed))[: len(others)]
    taken |= {number: (who, coming[who]) for number, who in zip(free, others, strict=True)}
    return [(number, *taken[number]) for number in sorted(taken)]


def _free(place: str, room: Room, taken: Iterable[int], seed: bytes) -> Iterator[int]:
    """Seats that nobody has, in the order in which they are given."""
    numbers = lowest_numbers(room, taken)
    others = [number for number in numbers if number not in room.accessible]
    yield from Draw(seed, f"late-place:{place}").shuffled(others)
    yield from numbers[len(others) :]


def _accessible(
    place: str,
    room: Room,
    taken: Mapping[int, tuple[str, str]],
    accessible: frozenset[str],
    seed: bytes,
) -> Iterator[int]:
    """Accessible seats in the order in which they are given: the free ones first."""
    free = sorted(room.accessible - taken.keys())
    held = sorted(n for n in room.accessible & taken.keys() if taken[n][0] not in accessible)
    yield from Draw(seed, f"late-accessible:{place}").shuffled(free)
    yield from Draw(seed, f"late-swap:{place}").shuffled(held)
