"""The waiting room's rules: the draw, places, passes; pure."""

import hashlib
import random
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.enrollment_sessions import OPENS_AT, small_session
from zikao_ctl.rush.fairness import chi_square, table_of
from zikao_enrollment.domain import waiting
from zikao_enrollment.domain.passes import MAX_PASS_CHARACTERS, Pass, Shown, pass_to_text
from zikao_enrollment.domain.timetable import Track, WaitingRoom
from zikao_enrollment.domain.waiting import (
    Admission,
    PlaceState,
    Room,
    RoomKey,
    RoomState,
    admitted_at,
    closed_error,
    draw,
    estimated_wait,
    is_live,
    place_of,
    seed_of,
)

RULES = WaitingRoom(timedelta(minutes=30), timedelta(minutes=10), 0, timedelta(minutes=1))
WINDOW = replace(small_session().windows[0], waiting_room=RULES)
SECOND = timedelta(seconds=1)
KEY = bytes(range(32))
HELD = Pass(Track.SOCIAL, UUID(int=7), 12, OPENS_AT)
ROOM = Room(
    key=RoomKey("22.1", Track.SOCIAL),
    state=RoomState.ADMITTING,
    committed=b"c" * 32,
    committed_hash=b"h" * 32,
    fresh=b"f" * 32,
    seed=b"s" * 32,
    pass_key=KEY,
    drawn_count=10,
    late_count=3,
    admitted_until=8,
    rate=2.0,
    ceiling=None,
    held=False,
    opened_at=OPENS_AT - RULES.opens_before,
    drawn_at=OPENS_AT,
)
ADMISSIONS = [Admission(0, 5, OPENS_AT), Admission(5, 8, OPENS_AT + SECOND)]


def test_a_draw_gives_each_the_next_number() -> None:
    """Numbers are dense from 1, the same for the same seed, and others for another one."""
    people = [UUID(int=number) for number in range(1, 1001)]
    numbers = draw(b"a" * 32, people)
    assert sorted(numbers.values()) == [*range(1, 1001)]
    assert numbers == draw(b"a" * 32, reversed(people))
    assert numbers != draw(b"b" * 32, people)


def test_a_draw_is_sorted_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rank of each one's hash, and no other thread waits while all are sorted at once."""
    sizes: list[int] = []

    def noting(part: list[bytes]) -> list[bytes]:
        sizes.append(len(part))
        return sorted(part)

    monkeypatch.setattr(waiting, "sorted", noting, raising=False)
    people = [UUID(int=number) for number in range(5000)]
    order = sorted(people, key=lambda each: hashlib.sha256(b"s" * 32 + each.bytes).digest())
    assert draw(b"s" * 32, people) == {each: number for number, each in enumerate(order, 1)}
    assert max(sizes) < len(people) / 50


def test_a_draw_favours_nobody() -> None:
    """5,000 draws among 24: each is at each place equally often (chi-square, fixed seeds)."""
    chance = random.Random(22)
    people = [UUID(int=chance.getrandbits(128)) for _ in range(24)]
    seen: Counter[tuple[int, int]] = Counter()
    for _ in range(5000):
        numbers = draw(chance.randbytes(32), people)
        seen.update((joined, numbers[each]) for joined, each in enumerate(people))
    table = [[seen[joined, number] for number in range(1, 25)] for joined in range(24)]
    found = chi_square(table)
    assert 0.001 < found.p < 0.999


def test_who_comes_early_gains_nothing() -> None:
    """A draw among 10,000: each twentieth of those who came is spread over the whole order."""
    chance = random.Random(22)
    people = [UUID(int=chance.getrandbits(128)) for _ in range(10_000)]
    numbers = draw(chance.randbytes(32), people)
    found = chi_square(table_of([numbers[each] for each in people]))
    assert 0.001 < found.p < 0.999


def test_the_measure_of_fairness_sees_what_is_unfair() -> None:
    """An order with one in fifty pushed to its front, or none drawn at all, is told from a draw."""
    chance = random.Random(22)
    people = [UUID(int=chance.getrandbits(128)) for _ in range(10_000)]
    numbers = draw(chance.randbytes(32), people)
    pushed = {each: -place for place, each in enumerate(people[:200])}
    order = sorted(people, key=lambda each: pushed.get(each, numbers[each]))
    for unfair in (order, people):
        places = {each: number for number, each in enumerate(unfair, 1)}
        table = table_of([places[each] for each in people])
        assert chi_square(table).p < 0.001


def test_the_seed_is_of_both_secrets() -> None:
    """Neither who knew the one before nor who makes the other at the opening knows the seed."""
    seeds = {seed_of(a * 32, b * 32) for a in (b"a", b"b") for b in (b"c", b"d")}
    assert len(seeds) == 4


@pytest.mark.parametrize(
    ("number", "at"), [(1, OPENS_AT), (5, OPENS_AT), (6, OPENS_AT + SECOND), (9, None)]
)
def test_a_number_is_admitted_with_those_beside_it(number: int, at: object) -> None:
    """A turn's moment is that of the first admission that reaches the number."""
    assert admitted_at(ADMISSIONS, number) == at


@pytest.mark.parametrize(
    ("room", "number", "after", "state"),
    [
        (replace(ROOM, admitted_until=0), 0, SECOND, PlaceState.WAITING),
        (ROOM, 9, SECOND, PlaceState.QUEUED),
        (ROOM, 8, RULES.pass_life, PlaceState.ADMITTED),
        (ROOM, 5, RULES.pass_life, PlaceState.LAPSED),
        (replace(ROOM, state=RoomState.OPEN), 9, SECOND, PlaceState.OPEN),
    ],
)
def test_a_place_stands(room: Room, number: int, after: timedelta, state: PlaceState) -> None:
    """No number, a number to come, a turn, a turn that has passed; none matters in an open room."""
    assert place_of(WINDOW, room, number, ADMISSIONS, OPENS_AT + after).state is state


def test_a_wait_is_estimated_by_the_rate() -> None:
    """In whole seconds, rounded up; unknown without a rate, and while admission is held."""
    assert estimated_wait(ROOM, 11) == timedelta(seconds=2)
    assert estimated_wait(replace(ROOM, rate=None), 11) is None
    assert estimated_wait(replace(ROOM, rate=0.0), 11) is None
    assert estimated_wait(replace(ROOM, held=True), 11) is None


def test_a_room_is_entered_from_before_the_opening_to_the_end_of_its_window() -> None:
    """The edges: open from its first moment, no more from the window's end; none without a room."""
    opens = OPENS_AT - RULES.opens_before
    assert [is_live(WINDOW, at) for at in (opens - SECOND, opens, OPENS_AT)] == [False, True, True]
    assert not is_live(WINDOW, WINDOW.closes_at)
    assert not is_live(replace(WINDOW, waiting_room=None), OPENS_AT)
    assert closed_error(WINDOW).metadata["opens_at"] == opens.isoformat()


@given(st.integers(1, 2**31 - 1), st.uuids(), st.sampled_from(Track), st.integers(0, 2**33))
def test_a_pass_says_what_was_put_into_it(
    number: int, candidate: UUID, track: Track, seconds: int
) -> None:
    """Whatever it is about, it reads back the same, is short, and is the room's."""
    ends = OPENS_AT + timedelta(seconds=seconds)
    held = Pass(track, candidate, number, ends)
    text = pass_to_text(held, "22.1", KEY)
    shown = Shown(text)
    assert shown.says == held
    assert len(text) <= MAX_PASS_CHARACTERS
    assert shown.is_of("22.1", KEY)


@given(st.integers(0, 44), st.integers(1, 255))
def test_a_changed_pass_is_none(place: int, by: int) -> None:
    """Whatever byte of it is changed, nobody has given it out."""
    text = pass_to_text(HELD, "22.1", KEY)
    raw = bytearray(urlsafe_b64decode(text.removeprefix("zkp1.") + "=="))
    raw[place] ^= by
    try:
        shown = Shown("zkp1." + urlsafe_b64encode(raw).decode())
    except ValueError:
        return
    assert not shown.is_of("22.1", KEY)


def test_a_pass_is_of_one_session_and_one_key() -> None:
    """Neither another session's room nor the next room of the same one takes it."""
    shown = Shown(pass_to_text(HELD, "22.1", KEY))
    assert not shown.is_of("22.2", KEY)
    assert not shown.is_of("22.1", KEY[::-1])


@pytest.mark.parametrize(
    "text",
    ["", "zkp1.", "zkp2.AAAA", "zkp1.!!!!", "zkp1." + "A" * 60, "zkp1." + "A" * 300, "通行"],
)
def test_what_is_no_pass_is_told_apart(text: str) -> None:
    """Whatever somebody sends in place of one is a ValueError and nothing worse."""
    with pytest.raises(ValueError, match="no admission pass"):
        Shown(text)
