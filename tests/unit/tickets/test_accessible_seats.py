"""Seats for people who need an accessible one."""

from collections import Counter
from itertools import product

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from support.tickets_arranging import planned
from zikao_tickets.domain.cannot_arrange import AccessibleSeatsMissing
from zikao_tickets.domain.rooms import Room
from zikao_tickets.domain.roster import Roster, Sitting
from zikao_tickets.domain.seating import draw
from zikao_tickets.domain.site_rooms import Groups, host_greedily
from zikao_tickets.solving.accessible_models import AccessibleModels

SEED = bytes(range(32))


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=40),
    st.sets(st.integers(0, 39), max_size=4),
)
@settings(max_examples=40, deadline=None)
def test_who_needs_one_has_one(choices: list[tuple[int, int]], needing: set[int]) -> None:
    """Over two slots and sites: those people, wherever the plan finds seats for all."""
    rooms = [
        Room(site, f"{number:03}", 6, frozenset({2, 5}) if number == 1 else frozenset())
        for site in "AB"
        for number in range(1, 9)
    ]
    sittings = [
        Sitting(f"{person:03}", slot, f"{slot}{course}")
        for person, courses in enumerate(choices)
        for slot, course in enumerate(courses, start=1)
    ]
    roster = Roster.of(sittings, [f"{person:03}" for person in needing])
    try:
        plan = planned(roster, rooms)
    except AccessibleSeatsMissing:
        assume(False)
    seats = draw(plan, roster, SEED)
    accessible = {(room.site_code, room.code): room.accessible for room in rooms}
    for seat in seats:
        if seat.candidate_id in roster.accessible:
            assert seat.seat_number in accessible[seat[1:3]]
    assert sorted((s.candidate_id, s.slot, s.course_code) for s in seats) == sorted(sittings)


def possible(needing: Counter[str], waiting: list[tuple[int, Groups]], rooms: list[Room]) -> bool:
    """By trying every assignment of groups to rooms, and every sharing of their seats."""
    for chosen in product(range(-1, len(waiting)), repeat=len(rooms)):
        taken = [each for each in chosen if each >= 0]
        if len(set(taken)) < len(taken):
            continue
        served: Counter[str] = Counter()
        hosted = [
            (room, dict(waiting[at][1]))
            for room, at in zip(rooms, chosen, strict=True)
            if at >= 0 and waiting[at][0] == room.capacity
        ]
        shares = [
            [
                dict(zip(groups, parts, strict=True))
                for parts in product(*(range(people + 1) for people in groups.values()))
                if sum(parts) <= len(room.accessible)
            ]
            for room, groups in hosted
        ]
        for each in product(*shares):
            served = sum((Counter(share) for share in each), Counter[str]())
            if all(served[course] >= people for course, people in needing.items()):
                return True
    return False


@given(
    st.lists(st.dictionaries(st.sampled_from("abc"), st.integers(1, 2), min_size=1), max_size=3),
    st.lists(st.integers(0, 2), min_size=1, max_size=3),
    st.dictionaries(st.sampled_from("abc"), st.integers(1, 2), min_size=1),
)
@settings(max_examples=60, deadline=None)
def test_the_model_finds_what_is_possible(
    waiting: list[dict[str, int]], seats: list[int], needing: dict[str, int]
) -> None:
    """The exact model agrees with brute force; the greedy one never finds the impossible."""
    groups: list[tuple[int, Groups]] = [(6, tuple(sorted(each.items()))) for each in waiting]
    rooms = [
        Room("A", str(number), 6, frozenset(range(1, free + 1)))
        for number, free in enumerate(seats)
    ]
    needs = Counter(needing)
    is_possible = possible(needs, groups, rooms)
    hosted, unseated = AccessibleModels().host(needs, groups, rooms)
    served = sum(sum(each.needing) for each in hosted.values())
    assert (unseated == 0) == is_possible
    assert served + unseated == needs.total()
    assert host_greedily(needs, groups, rooms) is None or is_possible


def test_a_site_whose_rooms_have_too_few_for_a_course_is_named() -> None:
    """With how many could be seated: of three who take one course, two in its only room."""
    roster = Roster.of([Sitting(str(n), 1, "ab"[n // 6]) for n in range(12)], ["0", "1", "2"])
    rooms = [Room("A", str(number), 6, frozenset({1, 2})) for number in (1, 2)]
    with pytest.raises(AccessibleSeatsMissing) as caught:
        planned(roster, rooms)
    assert caught.value.in_words() == "第1场A考点需要3个无障碍座位，仅能安排2个"


def test_a_slot_without_accessible_seats_is_named() -> None:
    """Slot and numbers, in Chinese for the office."""
    roster = Roster.of([Sitting("1", 2, "a")], ["1"])
    with pytest.raises(AccessibleSeatsMissing) as caught:
        planned(roster, [Room("A", "001", 6)])
    assert caught.value.in_words() == "第2场需要1个无障碍座位，仅能安排0个"
