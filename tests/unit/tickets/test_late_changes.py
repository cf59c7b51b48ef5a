"""Late changes of a county that has published seats: properties, searched by hypothesis."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from random import Random

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from support.tickets_arranging import arrange, changed
from zikao_tickets.domain.cannot_arrange import (
    AccessibleSeatsMissing,
    RoomsInsufficient,
    TooManyMoved,
)
from zikao_tickets.domain.late_changes import MOVED_PER_CHANGE
from zikao_tickets.domain.plan import Figures
from zikao_tickets.domain.rooms import Room, RoomUse
from zikao_tickets.domain.roster import Roster, Sitting
from zikao_tickets.domain.seat import Seat

SEED, OTHER_SEED = bytes(32), bytes([1]) * 32
ROOMS = [Room("A", f"{number:03}", 6) for number in range(1, 40)]
RESERVE = Room("A", "900", 6, use=RoomUse.RESERVE)


def people(courses: Sequence[str], first: int = 0) -> list[Sitting]:
    """One candidate a course, in slot 1."""
    return [Sitting(f"{first + n:04}", 1, course) for n, course in enumerate(courses)]


def change(
    sittings: Sequence[Sitting], rooms: Sequence[Room], published: Sequence[Seat]
) -> list[Seat]:
    """The seats after a change, without need of accessible ones."""
    return changed(Roster.of(sittings), rooms, published, OTHER_SEED)[0]


def assert_right(
    seats: Sequence[Seat], sittings: Sequence[Sitting], rooms: Sequence[Room], base: Sequence[Seat]
) -> None:
    """What the checker of the database asks for."""
    by_key = {(room.site_code, room.code): room for room in rooms}
    assert sorted((s.candidate_id, s.slot, s.course_code) for s in seats) == sorted(sittings)
    assert len({seat[:4] for seat in seats}) == len(seats)
    assert all(1 <= s.seat_number <= by_key[s[1:3]].capacity for s in seats)
    before = Counter((*seat[:3], seat.course_code) for seat in base)
    partly: Counter[tuple[int, str]] = Counter()
    courses: defaultdict[tuple[int, str, str], set[str]] = defaultdict(set)
    late = {(*seat[:3], seat.course_code) for seat in seats if seat.late}
    for share, count in Counter((*seat[:3], seat.course_code) for seat in seats).items():
        capacity = by_key[share[1:3]].capacity
        courses[share[:3]].add(share[3])
        is_exempt = share in late or before[share] >= capacity
        partly[share[0], share[3]] += count < capacity and not is_exempt
        assert by_key[share[1:3]].use is RoomUse.NORMAL or share in late
    assert max(partly.values(), default=0) <= 1
    assert max(map(len, courses.values()), default=0) <= 6


def moved(before: Sequence[Seat], after: Sequence[Seat]) -> set[str]:
    """Who had a seat and has another one for the same sitting."""
    now = {(seat.slot, seat.candidate_id, seat.course_code): seat[1:4] for seat in after}
    return {
        seat.candidate_id
        for seat in before
        if now.get((seat.slot, seat.candidate_id, seat.course_code), seat[1:4]) != seat[1:4]
    }


COURSES = st.lists(st.sampled_from("abcdefgh"), max_size=40)


@settings(max_examples=60, deadline=None)
@given(COURSES, COURSES, st.integers(0, 5), st.randoms(use_true_random=False))
def test_every_late_change_keeps_the_rules_and_moves_few(
    first: list[str], late: list[str], leaving: int, random: Random
) -> None:
    """Change after change: all rules hold, and k changed candidates move at most 3 k others."""
    sittings = people(first)
    published = arrange(sittings, ROOMS, SEED)
    assume(published)
    for round_ in range(3):
        random.shuffle(late)
        now = sittings[leaving:] + people(late[: round_ * 4 + 1], first=100 * (round_ + 1))
        k = len({s.candidate_id for s in set(sittings) ^ set(now)})
        seats, figures = changed(Roster.of(now), ROOMS, published, OTHER_SEED)
        assert_right(seats, now, ROOMS, published)
        assert len(moved(published, seats)) == figures.moved <= MOVED_PER_CHANGE * k
        assert (figures.changed, figures.packs) == (k, len({(*s[:3], s[5]) for s in seats}))
        assert seats == changed(Roster.of(now[::-1]), ROOMS, published[::-1], OTHER_SEED)[0]
        sittings, published = now, seats
        if not published:
            break


@settings(max_examples=50, deadline=None)
@given(COURSES)
def test_without_changes_every_seat_stays(courses: list[str]) -> None:
    """A new seed alone moves nobody."""
    sittings = people(courses)
    published = arrange(sittings, ROOMS, SEED)
    if published:
        assert change(sittings, ROOMS, published) == published


def test_who_come_late_together_do_not_know_where_they_will_sit() -> None:
    """Two friends are given any two of the free seats, and seldom two that follow each other."""
    room = [Room("A", "001", 30)]
    sittings = people(["a"] * 10)
    published = arrange(sittings, room, SEED)
    friends = people(["a"] * 2, first=100)
    roster, names = Roster.of(sittings + friends), {friend.candidate_id for friend in friends}
    places = []
    for number in range(1, 61):
        seats, _ = changed(roster, room, published, bytes([number]) * 32)
        places.append(sorted(s.seat_number for s in seats if s.candidate_id in names))
    assert {number for pair in places for number in pair} == set(range(11, 31))
    assert sum(second - first == 1 for first, second in places) < len(places) // 4


def test_a_newcomer_takes_a_free_seat_and_moves_nobody() -> None:
    """A room with a free seat of the same course takes the newcomer."""
    sittings = people(["a"] * 8)
    published = arrange(sittings, ROOMS, SEED)
    after = change([*sittings, *people(["a"], first=100)], ROOMS, published)
    assert moved(published, after) == set()


def test_a_remainder_without_room_moves_alone() -> None:
    """Where a shared room is full, one course leaves it, the smaller one, and nobody is late."""
    sittings = people(["a"] * 4 + ["b"] * 2)
    published = arrange(sittings, ROOMS, SEED)
    now = [*sittings, *people(["b"], first=100)]
    after = change(now, ROOMS, published)
    assert moved(published, after) == {"0004", "0005"}
    assert not any(seat.late for seat in after)


def test_one_newcomer_moves_no_remainder_of_more_than_three() -> None:
    """Two courses of 15 in a full room of 30: a newcomer sits apart, and is marked as late."""
    rooms = [Room("A", "001", 30), Room("A", "002", 30)]
    sittings = people(["a"] * 15 + ["b"] * 15)
    published = arrange(sittings, rooms, SEED)
    now = [*sittings, *people(["b"], first=100)]
    after, figures = changed(Roster.of(now), rooms, published, OTHER_SEED)
    assert moved(published, after) == set()
    assert [seat.candidate_id for seat in after if seat.late] == ["0100"]
    assert figures.late_shares == 1
    assert change(now, rooms, after) == after


def test_the_reserve_is_used_last_and_marked() -> None:
    """Only when no other room has a seat; without it the county is told what is missing."""
    sittings = people(["a"] * 6)
    published = arrange(sittings, ROOMS[:1], SEED)
    now = [*sittings, *people(["b"], first=100)]
    with pytest.raises(RoomsInsufficient):
        change(now, ROOMS[:1], published)
    (late,) = [seat for seat in change(now, [*ROOMS[:1], RESERVE], published) if seat.late]
    assert (late.room_code, late.candidate_id) == ("900", "0100")


def test_a_closed_room_sends_only_its_own_people_away() -> None:
    """Whoever sat in a room that is closed gets another seat; the others stay."""
    sittings = people(["a"] * 12)
    published = arrange(sittings, ROOMS, SEED)
    closed = [Room("A", ROOMS[0].code, 6, use=RoomUse.CLOSED), *ROOMS[1:]]
    after, figures = changed(Roster.of(sittings), closed, published, OTHER_SEED)
    gone = {seat.candidate_id for seat in published if seat.room_code == ROOMS[0].code}
    assert moved(published, after) == gone
    assert (figures.changed, figures.moved) == (6, 0)
    assert_right(after, sittings, closed, published)


def test_who_needs_an_accessible_seat_gets_one_for_one_move() -> None:
    """In a full county somebody changes seats with who needs one; nobody else moves."""
    rooms = [Room("A", "001", 6, frozenset({1})), Room("A", "002", 6)]
    sittings = people(["a"] * 11)
    published = arrange(sittings, rooms, SEED)
    far = next(seat.candidate_id for seat in published if seat.room_code == "002")
    after, figures = changed(Roster.of(sittings, [far]), rooms, published, OTHER_SEED)
    assert [seat[1:4] for seat in after if seat.candidate_id == far] == [("A", "001", 1)]
    assert (figures.changed, figures.moved) == (1, len(moved(published, after) - {far}))
    assert figures.moved <= 1


def test_too_few_accessible_seats_are_named() -> None:
    """Two who need the only accessible seat of a slot are refused in Chinese."""
    rooms = [Room("A", "001", 6, frozenset({1}))]
    sittings = people(["a"] * 3)
    published = arrange(sittings, rooms, SEED)
    with pytest.raises(AccessibleSeatsMissing) as caught:
        changed(Roster.of(sittings, ["0000", "0001"]), rooms, published, OTHER_SEED)
    assert caught.value.in_words() == "第1场需要2个无障碍座位，仅能安排1个"


def test_accessible_seats_are_not_taken_from_too_many() -> None:
    """One person may move three others: in three full slots it is done, in four refused in Chinese.

    A seat that is free in some room of the fourth slot is enough.
    """
    room, other = Room("A", "001", 6, frozenset({1})), Room("A", "002", 6, frozenset({1}))
    cases = ((3, [room], False), (4, [room], True), (4, [room, other], False))
    for slots, rooms, is_refused in cases:
        sittings = [Sitting(f"{n:04}", slot, "a") for n in range(6) for slot in range(1, slots + 1)]
        published = arrange(sittings, rooms[:1], SEED)
        lucky = {seat.candidate_id for seat in published if seat.seat_number == 1}
        needing = min({sitting.candidate_id for sitting in sittings} - lucky)
        roster = Roster.of(sittings, [needing])
        if is_refused:
            with pytest.raises(TooManyMoved) as caught:
                changed(roster, rooms, published, OTHER_SEED)
            assert caught.value.in_words().startswith(
                "变更考生1名，安排无障碍座位需调动其他考生4人次，超过3人次；"
            )
            continue
        seats, figures = changed(roster, rooms, published, OTHER_SEED)
        assert {seat.seat_number for seat in seats if seat.candidate_id == needing} == {1}
        others = moved(published, seats) - {needing}
        assert len(others) == figures.moved <= MOVED_PER_CHANGE * figures.changed


def test_newcomers_sit_where_they_sit_otherwise() -> None:
    """Of two sites with room, the one where a newcomer already has a sitting."""
    rooms = [Room(site, "001", 6) for site in "AB"]
    before = [*people(["a"] * 6), *[Sitting(f"{n:04}", 1, "b") for n in range(10, 16)]]
    published = arrange(before, rooms, SEED)
    at = {seat.candidate_id: seat.site_code for seat in published}
    now = [*before, Sitting("0012", 2, "c"), Sitting("0000", 2, "d")]
    after: Figures
    seats, after = changed(Roster.of(now), rooms, published, OTHER_SEED)
    assert {s.candidate_id: s.site_code for s in seats if s.slot == 2} == {
        each: at[each] for each in ("0000", "0012")
    }
    assert (after.changers, after.gap_reason) == (0, None)
