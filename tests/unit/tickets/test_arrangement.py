"""Seats for every sitting: the rules that hold for any county."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.tickets_arranging import arrange
from zikao_tickets.domain.cannot_arrange import RoomsInsufficient
from zikao_tickets.domain.certificate import MAX_COURSES_PER_ROOM
from zikao_tickets.domain.rooms import Room
from zikao_tickets.domain.roster import Sitting
from zikao_tickets.domain.seating import Seat

SEED = bytes(range(32))
SLOTS = (1, 2, 3, 4)
COURSES_PER_SLOT = 9
# Seats by site and room; who sits there by slot, site and room.
Sizes = dict[tuple[str, str], int]
Used = dict[tuple[int, str, str], list[Seat]]
PUBLISHED = ["c00006", "c00004", "c00007", "c00003", "c00002", "c00000", "c00001", "c00005"]


def rooms(count: int, capacity: int = 30, rooms_per_site: int = 4) -> list[Room]:
    """Rooms of several sites in the order in which they are filled."""
    return [
        Room(f"S{number // rooms_per_site}", f"{number % rooms_per_site + 1:03}", capacity)
        for number in range(count)
    ]


def sitting(candidate: int, slot: int, course: int = 0) -> Sitting:
    """One sitting; a course belongs to one slot (DOMAIN section 1)."""
    return Sitting(f"c{candidate:05}", slot, f"{slot}{course:04}")


@st.composite
def counties(draw: st.DrawFn) -> tuple[list[Sitting], list[Room]]:
    """A county with rooms enough, of one size or of mixed sizes."""
    choices = draw(
        st.lists(
            st.dictionaries(st.sampled_from(SLOTS), st.integers(0, COURSES_PER_SLOT), min_size=1),
            min_size=1,
            max_size=150,
        )
    )
    sittings = [
        sitting(number, slot, course)
        for number, courses in enumerate(choices)
        for slot, course in courses.items()
    ]
    sizes = draw(st.lists(st.sampled_from([4, 12, 30]), min_size=1, max_size=3))
    every = [
        Room(f"S{number // 5}", f"{number % 5 + 1:03}", sizes[number % len(sizes)])
        for number in range(160)
    ]
    return sittings, every


def by_room(seats: Sequence[Seat]) -> Used:
    """Seats of each room in each slot."""
    found: defaultdict[tuple[int, str, str], list[Seat]] = defaultdict(list)
    for seat in seats:
        found[seat.slot, seat.site_code, seat.room_code].append(seat)
    return found


@given(counties())
@settings(max_examples=60, deadline=None)
def test_the_rules_hold_for_any_county(county: tuple[list[Sitting], list[Room]]) -> None:
    """Every sitting has one seat, rooms hold what they may, remainders of courses are not split."""
    sittings, every = county
    seats = arrange(sittings, every, SEED)
    every_sitting_has_one_seat_and_no_seat_two_people(sittings, seats)
    sizes = {(room.site_code, room.code): room.capacity for room in every}
    used = by_room(seats)
    rooms_hold_no_more_than_they_may(sizes, used)
    the_remainder_of_a_course_is_not_split(sizes, used)


def every_sitting_has_one_seat_and_no_seat_two_people(
    sittings: Sequence[Sitting], seats: Sequence[Seat]
) -> None:
    """Each sitting is seated once, nobody twice in a slot, nobody on another's seat."""
    assert sorted((s.candidate_id, s.slot, s.course_code) for s in seats) == sorted(sittings)
    assert max(Counter(seat[:4] for seat in seats).values()) == 1
    assert max(Counter((seat.slot, seat.candidate_id) for seat in seats).values()) == 1


def rooms_hold_no_more_than_they_may(sizes: Sizes, used: Used) -> None:
    """A room has no more people than seats, at most 6 courses, and seats numbered from 1."""
    for (_, site, room), seats in used.items():
        numbers = sorted(seat.seat_number for seat in seats)
        assert numbers == list(range(1, len(seats) + 1))
        assert numbers[-1] <= sizes[site, room]
        assert len({seat.course_code for seat in seats}) <= MAX_COURSES_PER_ROOM


def the_remainder_of_a_course_is_not_split(sizes: Sizes, used: Used) -> None:
    """A course shares at most one room with others; all its other rooms it fills alone."""
    not_full: Counter[tuple[int, str]] = Counter()
    for (slot, site, room), seats in used.items():
        for course, count in Counter(seat.course_code for seat in seats).items():
            if count < sizes[site, room]:
                not_full[slot, course] += 1
    assert max(not_full.values(), default=0) <= 1


@given(counties(), st.randoms(use_true_random=False))
@settings(max_examples=20, deadline=None)
def test_the_same_seed_gives_the_same_seats(
    county: tuple[list[Sitting], list[Room]], random: Random
) -> None:
    """Anyone who re-runs the draw gets the same seats, whatever the order of the sittings."""
    sittings, every = county
    shuffled = list(sittings)
    random.shuffle(shuffled)
    assert arrange(sittings, every, SEED) == arrange(shuffled, every, SEED)


def test_another_seed_gives_other_seats() -> None:
    """The seats depend on the seed."""
    sittings = [sitting(number, 1) for number in range(90)]
    assert arrange(sittings, rooms(3), SEED) != arrange(sittings, rooms(3), b"other")


def test_the_draw_is_the_published_one() -> None:
    """A known seed gives known seats: a change of the draw would break what was published."""
    seats = arrange([sitting(number, 1) for number in range(8)], rooms(1), SEED)
    assert [seat.candidate_id for seat in seats] == PUBLISHED


def test_whole_rooms_hold_one_course() -> None:
    """Of two courses with 65 and 35 candidates, three rooms are of one course, one is shared."""
    sittings = [sitting(number, 1, 1) for number in range(65)]
    sittings += [sitting(number, 1, 2) for number in range(65, 100)]
    used = by_room(arrange(sittings, rooms(9), SEED)).values()
    courses = sorted(len({seat.course_code for seat in seats}) for seats in used)
    assert courses == [1, 1, 1, 2]


def test_candidates_keep_their_site() -> None:
    """When every course has the same people in every slot, nobody changes site."""
    sittings = [
        sitting(number, slot, (number // 60 + slot) % 4) for number in range(240) for slot in SLOTS
    ]
    sites: defaultdict[str, set[str]] = defaultdict(set)
    for seat in arrange(sittings, rooms(8, rooms_per_site=2), SEED):
        sites[seat.candidate_id].add(seat.site_code)
    assert all(len(visited) == 1 for visited in sites.values())


def test_sites_may_stay_empty() -> None:
    """Of five sites with a room each, a course of two rooms leaves three without anybody."""
    sittings = [sitting(number, 1) for number in range(40)]
    seats = arrange(sittings, rooms(5, rooms_per_site=1), SEED)
    assert len(seats) == 40
    assert sorted(Counter(seat.site_code for seat in seats).values()) == [10, 30]


def test_too_few_rooms_are_named() -> None:
    """A county whose rooms do not suffice is told slot, needed and available rooms."""
    sittings = [sitting(number, 3, number % 2) for number in range(100)]
    with pytest.raises(RoomsInsufficient) as caught:
        arrange(sittings, rooms(3), SEED)
    refused = caught.value
    assert (refused.slot, refused.needed, refused.available) == (3, 4, 3)
    assert refused.in_words() == "第3场需要4个考场，仅有3个"


def test_a_county_without_rooms_is_told_so() -> None:
    """No room at all is the same refusal, not a crash."""
    with pytest.raises(RoomsInsufficient):
        arrange([sitting(1, 1)], [], SEED)
