"""Whether a draw was fair, by what candidates were told."""

from __future__ import annotations

import random
from uuid import UUID

import pytest
from zikao_ctl.rush.fairness import (
    ChiSquare,
    Place,
    chi_square,
    ranks_of,
    table_of,
    told_of_draw,
    wrongly_told,
)
from zikao_ctl.rush.room import draw_told
from zikao_enrollment.domain.waiting import draw

SEED = b"s" * 32
PEOPLE = [UUID(int=random.Random(22).getrandbits(128) + each) for each in range(2_000)]
PLACES = [Place(each, drawn=True, late_number=None, late_turns=0) for each in PEOPLE]
RANKS = draw(SEED, PEOPLE)


def test_numbers_of_the_seed_are_fair_and_those_of_the_order_of_coming_are_not() -> None:
    """Whoever admits as people came in, and publishes a seed, is found out in both ways."""
    fair = {each: [number] for each, number in RANKS.items()}
    as_they_came = {each: [number] for number, each in enumerate(PEOPLE, start=1)}
    ranks = ranks_of(SEED, PLACES)
    assert ranks == RANKS, "the rule is written down twice, and is the same"
    assert list(wrongly_told(PLACES, ranks, fair)) == []
    assert len(list(wrongly_told(PLACES, ranks, as_they_came))) > 1_900
    count = len(PLACES)
    p = draw_told(told_of_draw(PLACES, fair, count))["chi_square_p"]
    assert p is not None
    assert p > 0.001
    p = draw_told(told_of_draw(PLACES, as_they_came, count))["chi_square_p"]
    assert p is not None
    assert p < 1e-6


def test_what_too_few_were_told_is_not_measured() -> None:
    """Neither silence nor a room without a draw passes for a fair one."""
    some = {each: [RANKS[each]] for each in PEOPLE[:1_700]}
    told = draw_told(told_of_draw(PLACES, some, len(PLACES)))
    assert (told["told"], told["chi_square_p"]) == (1_700, None)
    assert draw_told(())["chi_square_p"] is None
    assert draw_told([1, 2, 3])["chi_square_p"] is None, "three people make no table"


def test_who_lost_a_turn_has_two_numbers() -> None:
    """A drawn number first and late ones behind all; any other number is somebody else's."""
    one, other = PEOPLE[:2]
    ranks = {one: 1, other: 2}
    again = Place(one, drawn=True, late_number=3, late_turns=1)
    thrice = Place(one, drawn=True, late_number=9, late_turns=3)
    late = Place(PEOPLE[2], drawn=False, late_number=1, late_turns=1)
    assert list(wrongly_told([again, late], ranks, {one: [1, 5], late.candidate_id: [3]})) == []
    assert list(wrongly_told([again], ranks, {one: [1, 4, 2]})) == [f"{one}: 4", f"{one}: 2"]
    assert list(wrongly_told([thrice], ranks, {one: [1, 6, 11]})) == []
    assert list(wrongly_told([thrice], ranks, {one: [2, 12]})) == [f"{one}: 2", f"{one}: 12"]
    assert told_of_draw([again, late], {one: [5, 1]}, 2) == [1]


def test_the_statistic_is_that_of_the_tables() -> None:
    """Known values of chi-square; a table of one row shows nothing, and is not a chance of 0."""
    assert ChiSquare(361.0, 361).p == pytest.approx(0.49, abs=0.01)
    assert ChiSquare(407.3, 361).p == pytest.approx(0.046, abs=0.005)
    found = chi_square([[10, 20], [30, 40]])
    assert (round(found.value, 3), found.degrees) == (0.794, 1)
    assert (chi_square([[3, 4]]).degrees, chi_square([[3, 4]]).p) == (0, 1.0)


@pytest.mark.parametrize(("people", "parts"), [(19, 1), (240, 6), (2_000, 20), (10_000, 20)])
def test_a_table_has_no_more_cells_than_people_for_them(people: int, parts: int) -> None:
    """Five in a cell at the least: with fewer, chance alone would look uneven."""
    table = table_of(range(1, people + 1))
    assert len(table) == parts
    assert sum(map(sum, table)) == people
