"""How many rooms a slot needs, and the proof of it, against trying everything."""

import tracemalloc
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from zikao_tickets.domain.cannot_arrange import RoomsInsufficient
from zikao_tickets.domain.certificate import (
    MAX_COURSES_PER_ROOM,
    ProofKind,
    RoomSize,
    SlotProof,
    least_denominator,
    rooms_bound,
)
from zikao_tickets.domain.packing import SlotPacking, several_sizes
from zikao_tickets.domain.room_plan import Weights, plan_rooms
from zikao_tickets.solving.room_models import RoomModels

COURSES = st.lists(st.integers(1, 11), min_size=1, max_size=6)
MOST_MEMORY_BYTES = 64 << 20
SEVEN_SINGLE = {f"{number:05}": 1 for number in range(7)}


def planned(
    counts: Sequence[int], capacities: Sequence[int]
) -> tuple[SlotPacking, SlotProof, dict[str, int]]:
    """What is found for courses of so many people in rooms of these capacities."""
    courses = {f"{number:05}": people for number, people in enumerate(counts)}
    found = Counter(capacities)
    sizes = [RoomSize(size, found[size]) for size in sorted(found, reverse=True)]
    return *plan_rooms(1, courses, sizes, RoomModels()), courses


def fewest(counts: Sequence[int], capacities: Sequence[int]) -> tuple[int, int] | None:
    """The least (rooms, packs) by trying every way; nothing if there is no room for all."""

    @cache
    def rest(
        at: int, empty: tuple[int, ...], shared: tuple[tuple[int, int], ...]
    ) -> tuple[int, int] | None:
        """`shared` has seats and courses left of rooms that somebody sits in."""
        if at == len(counts):
            return (0, 0)
        ways = []
        for number in range(len(empty) + 1):
            for filled in set(combinations(empty, number)):
                left = counts[at] - sum(filled)
                free = list(empty)
                for size in filled:
                    free.remove(size)
                if left == 0:
                    ways.append((number, number, rest(at + 1, tuple(free), shared)))
                elif left > 0:
                    ways += [(number + new, number + 1, rest(at + 1, a, b))
                             for new, a, b in remainder(left, tuple(free), shared)]  # fmt: skip
        sums = [(rooms + more[0], packs + more[1]) for rooms, packs, more in ways if more]
        return min(sums, default=None)

    return rest(0, tuple(sorted(capacities)), ())


def remainder(
    people: int, empty: tuple[int, ...], shared: tuple[tuple[int, int], ...]
) -> list[tuple[int, tuple[int, ...], tuple[tuple[int, int], ...]]]:
    """Every room that a remainder may sit in: new rooms it takes, and what is left."""
    ways = []
    for size in {size for size in empty if size > people}:
        free = list(empty)
        free.remove(size)
        seats = (size - people, MAX_COURSES_PER_ROOM - 1)
        ways.append((1, tuple(free), tuple(sorted([*shared, seats]))))
    for seats_left, courses_left in {each for each in shared if each[0] >= people and each[1]}:
        others = list(shared)
        others.remove((seats_left, courses_left))
        joined = (seats_left - people, courses_left - 1)
        ways.append((0, empty, tuple(sorted([*others, joined]))))
    return ways


def assert_kept(packing: SlotPacking, counts: Mapping[str, int], capacities: Sequence[int]) -> None:
    """Everyone sits, nowhere too many, and no remainder in two rooms."""
    seated: Counter[str] = Counter()
    for whole in packing.whole:
        seated[whole.course_code] += whole.capacity * whole.rooms
    for shared in packing.bins:
        assert shared.people <= shared.capacity
        assert len(shared.groups) <= MAX_COURSES_PER_ROOM
        seated.update(dict(shared.groups))
    assert seated == Counter(counts)
    remainders = Counter(course for shared in packing.bins for course, _ in shared.groups)
    assert max(remainders.values(), default=0) <= 1
    used = Counter(each.capacity for each in packing.bins)
    for whole in packing.whole:
        used[whole.capacity] += whole.rooms
    assert used <= Counter(capacities)


@given(COURSES)
@settings(max_examples=60, deadline=None)
def test_rooms_of_one_size_are_the_fewest(counts: list[int]) -> None:
    """As few rooms and packs as the best of all ways, and proven by weights."""
    packing, proof, courses = planned(counts, [10] * 12)
    assert (packing.rooms, packing.packs) == fewest(counts, [10] * 7)
    assert (proof.rooms, proof.packs, proof.packs_bound) == (
        proof.bound,
        packing.packs,
        packing.packs,
    )
    assert proof.kind is ProofKind.WEIGHTS
    assert proof.holds(courses)
    assert_kept(packing, courses, [10] * 12)


@given(
    st.lists(st.integers(1, 9), min_size=1, max_size=4),
    st.lists(st.sampled_from([6, 4, 3]), min_size=1, max_size=6),
)
@settings(max_examples=50, deadline=None)
def test_rooms_of_several_sizes_are_the_fewest(counts: list[int], capacities: list[int]) -> None:
    """As few rooms as the best of all ways, with bounds that hold; or rooms are missing."""
    best = fewest(counts, capacities)
    if best is None:
        with pytest.raises(RoomsInsufficient):
            planned(counts, capacities)
        return
    packing, proof, courses = planned(counts, capacities)
    assert_kept(packing, courses, capacities)
    assert proof.bound <= best[0] == packing.rooms
    assert proof.packs_bound <= best[1] <= packing.packs
    assert proof.holds(courses)


@given(
    st.lists(st.integers(1, 9), min_size=1, max_size=4),
    st.lists(st.sampled_from([6, 4, 3]), min_size=1, max_size=6),
)
@settings(max_examples=50, deadline=None)
def test_rooms_by_rule_keep_the_rules(counts: list[int], capacities: list[int]) -> None:
    """What is taken where no program is tried is an arrangement, if not the best."""
    courses = {f"{number:05}": people for number, people in enumerate(counts)}
    packing = several_sizes(1, courses, Counter(capacities))
    if packing is not None:
        best = fewest(counts, capacities)
        assert best is not None
        assert (packing.rooms, packing.packs) >= best
        assert_kept(packing, courses, capacities)


def test_halls_are_arranged_without_a_program() -> None:
    """Rooms of 20, 210 and 400 seats and 60 courses: more than is proven to be needed, at once."""
    counts = [1 + 97 * number % 400 for number in range(60)]
    capacities = [20] * 220 + [210] * 21 + [400] * 11
    packing, proof, courses = planned(counts, capacities)
    assert_kept(packing, courses, capacities)
    assert proof.bound < proof.rooms == packing.rooms
    assert proof.holds(courses)


def test_millions_of_options_are_not_looked_at() -> None:
    """Three courses for more seats than four sizes of rooms have: refused, in little memory."""
    rooms = {60: 30, 40: 40, 30: 60, 20: 80}
    sizes = [RoomSize(capacity, number) for capacity, number in rooms.items()]
    courses = {"00001": 2334, "00002": 2335, "00003": 2336}
    tracemalloc.start()
    try:
        with pytest.raises(RoomsInsufficient):
            plan_rooms(1, courses, sizes, RoomModels())
        assert tracemalloc.get_traced_memory()[1] < MOST_MEMORY_BYTES
    finally:
        tracemalloc.stop()


class NotOfOneSize(RoomModels):
    """Solves nothing for rooms of one size, which takes minutes where they are halls."""

    def weights(self, counts: Mapping[str, int], sizes: Sequence[RoomSize]) -> Weights | None:
        """As the models do."""
        assert len(sizes) > 1
        return super().weights(counts, sizes)


def test_the_largest_rooms_are_not_tried_alone_when_they_surely_do_not_suffice() -> None:
    """Nineteen people in one room of ten and rooms of five: the seats tell, not a program."""
    courses = {"00001": 7, "00002": 6, "00003": 6}
    sizes = [RoomSize(10, 1), RoomSize(5, 4)]
    packing, proof = plan_rooms(1, courses, sizes, NotOfOneSize())
    assert_kept(packing, courses, [10, 5, 5, 5, 5])
    assert proof.holds(courses)


def test_a_course_that_all_rooms_cannot_take_is_refused() -> None:
    """No way to fill rooms of two sizes leaves a remainder that a room may hold."""
    with pytest.raises(RoomsInsufficient) as caught:
        planned([20], [6, 4])
    assert caught.value.in_words() == "第1场需要4个考场，仅有2个"


def test_a_refusal_claims_no_number_that_is_not_proven() -> None:
    """A slot that 38 rooms of three sizes just take, which is not found: so it is said."""
    people = [1, 1, 2, 2, 5, 8, 10, 14, 14, 17, 23, 24, 52, 91, 112, 114, 259, 441, 469, 1172]
    courses = {f"{number:05}": each for number, each in enumerate(people)}
    sizes = [RoomSize(210, 12), RoomSize(45, 7), RoomSize(7, 19)]
    with pytest.raises(RoomsInsufficient) as caught:
        plan_rooms(1, courses, sizes, RoomModels())
    assert caught.value.in_words() == (
        "第1场未能在现有38个考场中排下全部考生（尚不能断定无法编排），请增加考场"
    )


@given(
    COURSES,
    st.lists(st.integers(0, 9), min_size=9, max_size=9),
    st.lists(st.integers(0, 3), min_size=2, max_size=2),
)
@settings(max_examples=50, deadline=None)
def test_no_weights_prove_too_much(
    counts: list[int], weights: list[int], prices: list[int]
) -> None:
    """Whatever weights and prices somebody invents, the bound is never more than the minimum."""
    sizes = [RoomSize(10, 3, prices[0]), RoomSize(6, 5, prices[1])]
    best = fewest(counts, [10] * 3 + [6] * 5)
    if best is not None:
        denominator = least_denominator(weights, sizes)
        assert rooms_bound(counts, denominator, weights, sizes) <= best[0]


def test_a_changed_proof_does_not_hold() -> None:
    """Neither with other weights, a smaller denominator or other courses, nor one room more."""
    _, proof, courses = planned([6, 5, 5, 4, 4, 3, 3], [15] * 5)
    assert proof.holds(courses)
    heavier = tuple(weight + 1 for weight in proof.weights)
    assert not proof._replace(weights=heavier).holds(courses)
    assert not proof._replace(denominator=proof.denominator - 1).holds(courses)
    assert not proof._replace(bound=proof.bound + 1).holds(courses)
    assert not proof.holds({"00001": 1})
    assert not proof._replace(weights=proof.weights[:-1]).holds(courses)
    assert not proof._replace(weights=(-1, *proof.weights[1:])).holds(courses)
    assert not proof._replace(sizes=()).holds(courses)


def test_a_solver_may_say_one_room_more_and_none_that_is_not_used() -> None:
    """What the weights do not prove is believed for one room, up to those that there are."""
    _, proof, courses = planned([6, 5, 5, 4, 4, 3, 3], [15] * 5)
    said = proof._replace(kind=ProofKind.SOLVER, bound=proof.bound + 1, rooms=proof.rooms + 2)
    assert said.holds(courses)
    assert said.proven(courses) == proof.bound
    assert not said._replace(bound=proof.bound + 2).holds(courses)
    assert not said._replace(rooms=proof.bound).holds(courses)


def test_prices_prove_nothing_of_rooms_they_do_not_know() -> None:
    """Neither below zero, nor for more rooms than are reckoned with, nor for other sizes."""
    sizes = (RoomSize(10, 1, 2), RoomSize(6, 5))
    proof = SlotProof(1, 2, 2, ProofKind.WEIGHTS, 10, (0,) * 9, sizes, 2, 2)
    assert proof.reckons_with([10, *[6] * 9])
    assert not proof.reckons_with([10, 10])
    assert not proof.reckons_with([12])
    invented = proof._replace(
        rooms=9, bound=9, denominator=1001, sizes=(RoomSize(10, 9, -1000), RoomSize(6, 5))
    )
    assert invented.proven({"00001": 10}) == 0
    assert not invented.holds({"00001": 10})
    assert not proof._replace(sizes=sizes[::-1]).holds({"00001": 30})


def test_the_model_beats_best_fit() -> None:
    """Where largest-first packing takes three rooms, two are found."""
    packing, _, _ = planned([6, 5, 5, 4, 4, 3, 3], [15] * 5)
    assert packing.rooms == 2


def test_seven_single_candidates_need_two_rooms() -> None:
    """Six courses fill a room however few their candidates are."""
    packing, proof, _ = planned(list(SEVEN_SINGLE.values()), [30, 30])
    assert (packing.rooms, proof.bound) == (2, 2)


def test_smaller_rooms_take_what_larger_ones_left() -> None:
    """With one large room, a course fills a small one rather than being refused."""
    packing, _, courses = planned([25, 25], [30, 20, 20])
    assert packing.rooms == 2
    assert_kept(packing, courses, [30, 20, 20])
