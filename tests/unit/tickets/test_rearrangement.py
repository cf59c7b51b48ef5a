"""Late changes of a county that has published seats: properties, searched by hypothesis."""

from collections import Counter, defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.tickets_arranging import arrange
from zikao_tickets.domain.cannot_arrange import RoomsInsufficient
from zikao_tickets.domain.rearrangement import rearrange
from zikao_tickets.domain.rooms import Room
from zikao_tickets.domain.roster import Sitting
from zikao_tickets.domain.seating import Seat

SEED, OTHER_SEED = bytes(32), bytes([1]) * 32
ROOMS = [Room("A", f"{number:03}", 6) for number in range(1, 40)]


def people(courses: list[str], first: int = 0) -> list[Sitting]:
    """One candidate a course, in slot 1."""
    return [Sitting(f"{first + n:04}", 1, course) for n, course in enumerate(courses)]


def assert_right(seats: list[Seat], sittings: list[Sitting], rooms: list[Room]) -> None:
    """What the checker of the database asks for."""
    capacity = {(room.site_code, room.code): room.capacity for room in rooms}
    assert sorted((s.candidate_id, s.slot, s.course_code) for s in seats) == sorted(sittings)
    places = [(s.slot, s.site_code, s.room_code, s.seat_number) for s in seats]
    assert len(set(places)) == len(places)
    assert all(1 <= s.seat_number <= capacity[s.site_code, s.room_code] for s in seats)
    shares = Counter((s.slot, s.course_code, s.site_code, s.room_code) for s in seats)
    partly: Counter[tuple[int, str]] = Counter()
    courses: defaultdict[tuple[int, str, str], set[str]] = defaultdict(set)
    for (slot, course, site, room), count in shares.items():
        courses[slot, site, room].add(course)
        partly[slot, course] += count < capacity[site, room]
    assert max(partly.values(), default=0) <= 1
    assert max(map(len, courses.values()), default=0) <= 6


def moved(before: list[Seat], after: list[Seat]) -> set[str]:
    """Who had a seat and has another one."""
    now = {(seat.slot, seat.candidate_id): seat for seat in after}
    return {
        seat.candidate_id
        for seat in before
        if now.get((seat.slot, seat.candidate_id), seat) != seat
    }


COURSES = st.lists(st.sampled_from("abcdefgh"), max_size=40)


@settings(max_examples=200, deadline=None)
@given(COURSES, COURSES, st.integers(0, 5))
def test_every_late_change_is_seated_by_the_rules(
    first: list[str], late: list[str], leaving: int
) -> None:
    """Whoever leaves or comes late, all rules of an arrangement hold, and a re-run is the same."""
    sittings = people(first)
    published = arrange(sittings, ROOMS, SEED)
    now = sittings[leaving:] + people(late, first=100)
    seats = rearrange(now, ROOMS, OTHER_SEED, published)
    assert_right(seats, now, ROOMS)
    assert seats == rearrange(now[::-1], ROOMS, OTHER_SEED, published[::-1])


@settings(max_examples=100, deadline=None)
@given(COURSES)
def test_without_changes_every_seat_stays(courses: list[str]) -> None:
    """A new seed alone moves nobody."""
    sittings = people(courses)
    published = arrange(sittings, ROOMS, SEED)
    assert rearrange(sittings, ROOMS, OTHER_SEED, published) == published


def test_a_newcomer_takes_a_free_seat_and_moves_nobody() -> None:
    """A room with a free seat of the same course takes the newcomer."""
    sittings = people(["a"] * 8)
    published = arrange(sittings, ROOMS, SEED)
    after = rearrange([*sittings, *people(["a"], first=100)], ROOMS, OTHER_SEED, published)
    assert moved(published, after) == set()


def test_a_remainder_without_room_moves_alone() -> None:
    """Where a shared room is full, the newcomer's course leaves it, and only that course."""
    sittings = people(["a"] * 4 + ["b"] * 2)
    published = arrange(sittings, ROOMS, SEED)
    now = [*sittings, *people(["b"], first=100)]
    after = rearrange(now, ROOMS, OTHER_SEED, published)
    assert moved(published, after) == {"0004", "0005"}
    assert_right(after, now, ROOMS)


def test_a_slot_that_cannot_take_newcomers_is_arranged_anew() -> None:
    """When no room takes the moved remainder but a new arrangement does, it is made."""
    rooms = ROOMS[:2]
    sittings = people(["a"] * 3 + ["b"] * 3 + ["c"] * 2 + ["d"] * 2)
    published = arrange(sittings, rooms, SEED)
    now = [*sittings, *people(["a"], first=100)]
    after = rearrange(now, rooms, OTHER_SEED, published)
    assert_right(after, now, rooms)
    assert moved(published, after) > {"0000", "0001", "0002"}
    with pytest.raises(RoomsInsufficient):
        rearrange([*now, *people(["b", "b"], first=200)], rooms, OTHER_SEED, published)


def test_a_closed_room_sends_only_its_own_people_away() -> None:
    """Whoever sat in a room that is gone gets another seat; the others stay."""
    sittings = people(["a"] * 12)
    published = arrange(sittings, ROOMS, SEED)
    after = rearrange(sittings, ROOMS[1:], OTHER_SEED, published)
    gone = {seat.candidate_id for seat in published if seat.room_code == ROOMS[0].code}
    assert moved(published, after) == gone
    assert_right(after, sittings, ROOMS[1:])
