"""How many rooms are needed, and the parts the arrangement is made of."""

import hashlib
import hmac
from collections import Counter
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from zikao_tickets.domain.draw import SEED_BYTES, Draw, seed_sha256
from zikao_tickets.domain.layout import seat_label
from zikao_tickets.domain.pack import MAX_COURSES_PER_ROOM, pack

SEED = bytes(range(SEED_BYTES))


def fewest_rooms(sizes: list[int], capacity: int) -> int:
    """The minimum by trying every assignment of remainders to rooms."""
    for rooms in range(len(sizes) + 1):
        for places in product(range(rooms), repeat=len(sizes)):
            load: Counter[int] = Counter()
            for room, size in zip(places, sizes, strict=True):
                load[room] += size
            courses = Counter(places)
            full = max(load.values(), default=0) > capacity
            if not full and max(courses.values(), default=0) <= MAX_COURSES_PER_ROOM:
                return rooms
    raise AssertionError("a room a course always does")


@given(st.lists(st.integers(1, 10), min_size=1, max_size=6))
@settings(max_examples=60, deadline=None)
def test_rooms_are_the_fewest_possible(sizes: list[int]) -> None:
    """The packing needs as many rooms as the best of all assignments."""
    counts = {f"{number:05}": size for number, size in enumerate(sizes)}
    packing = pack(counts, [10] * 10)
    remainders = [size for size in sizes if size < 10]
    assert len(packing) == sizes.count(10) + fewest_rooms(remainders, 10)


def test_search_beats_best_fit() -> None:
    """Where largest-first packing takes three rooms, two are found."""
    counts = {"00001": 6, "00002": 5, "00003": 5, "00004": 4, "00005": 4, "00006": 3, "00007": 3}
    packing = pack(counts, [15] * 5)
    assert len(packing) == 2


def test_seven_single_candidates_need_two_rooms() -> None:
    """Six courses fill a room however few their candidates are."""
    assert len(pack({f"{number:05}": 1 for number in range(7)}, [30, 30])) == 2


def test_smaller_rooms_take_what_larger_ones_left() -> None:
    """With one large room, a course fills small rooms rather than being refused."""
    packing = pack({"00001": 25, "00002": 25}, [30, 20, 20])
    assert [sum(room.groups.values()) for room in packing] == [30, 20]


def test_the_draw_can_be_computed_by_hand() -> None:
    """The stream is HMAC-SHA256 of label and block number under the seed, 8 bytes a number."""
    first = hmac.new(SEED, b"course:1:00015\x00" + bytes(8), hashlib.sha256).digest()[:8]
    assert Draw(SEED, "course:1:00015").below(1 << 32) == int.from_bytes(first) % (1 << 32)


def test_the_draw_is_fair() -> None:
    """Over many draws every candidate has every place about as often as any other."""
    places = Counter(Draw(SEED, str(number)).shuffled("abcde").index("c") for number in range(5000))
    assert all(count == pytest.approx(1000, rel=0.15) for count in places.values())


def test_a_seed_is_published_as_its_hash() -> None:
    """The hash is SHA-256 of the seed."""
    assert seed_sha256(SEED) == hashlib.sha256(SEED).digest()


def test_seat_labels_are_padded() -> None:
    """Seat 5 is '05' in a room of 30 and '005' in a hall of 120."""
    assert (seat_label(5, 30), seat_label(5, 120)) == ("05", "005")
