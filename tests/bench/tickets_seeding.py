"""A session as DOMAIN section 9 has it: 183 counties, 300,000 candidates, 900,000 sittings.

Counties, their seats and sites are the example's (a few districts take most of it). Made up, from
a seed: who sits what. By the law "majors" a candidate takes 1 to 4 courses of one of 60 curricula
of 12 to 16 courses that share the common ones, majors and courses being unequally liked; by
"random" any course of a slot, which is the hardest that sites can get: nearly everybody's choice
is a kind of its own. One county in ten has rooms of 30, 25 and 20 seats, one candidate in 500
needs an accessible seat.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import ceil
from pathlib import Path
from random import Random
from typing import Literal
from uuid import UUID

from zikao_tickets.domain.rooms import Room
from zikao_tickets.domain.roster import Choice, Roster, Sitting

Law = Literal["majors", "random"]

EXAMPLE = Path(__file__).parents[2] / "examples" / "sichuan-22.1"
CANDIDATES = 300_000
MAJORS = 60
SLOTS = (1, 2, 3, 4)
SHARES_BY_COURSES = {1: 10, 2: 20, 3: 30, 4: 40}
COURSES_A_SLOT, COMMON_COURSES_A_SLOT = 24, 2
MAJORS_EXPONENT, COURSES_EXPONENT = 1.0, 0.9
ROOM_SIZES = (30, 30, 30, 30, 25, 20)
MIXED_NEED_MORE = 1.15
# A few courses of a few people need rooms of their own: more than their share in a small session.
SPARE_ROOMS = 3
ACCESSIBLE_ROOMS_A_SITE = 12
ACCESSIBLE_SEATS = frozenset({1, 2})
NEEDING_ONE_IN = 500


@dataclass(frozen=True)
class SeededCounty:
    """A county with its rooms in the order in which they are filled, and who sits what."""

    code: str
    rooms: tuple[Room, ...]
    roster: Roster


def seeded_session(
    scale: float = 1.0, law: Law = "majors", seed: int = 22
) -> Iterator[SeededCounty]:
    """The counties in the order of their codes; `scale` times the candidates and the rooms."""
    random = Random(seed)
    taste = _Majors(random) if law == "majors" else _AnyCourse()
    seats = {row["code"]: int(row["seats"]) for row in _rows("counties")}
    sites = _sites()
    in_all = sum(seats.values())
    for number, (code, share) in enumerate(sorted(seats.items())):
        people = max(1, round(CANDIDATES * scale * share / in_all))
        rooms = tuple(_rooms(sites[code], scale, mixed=number % 10 == 3))
        yield SeededCounty(code, rooms, _roster(number, people, taste, random))


def _rows(table: str) -> list[dict[str, str]]:
    with (EXAMPLE / f"{table}.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _sites() -> dict[str, list[tuple[str, int]]]:
    """County to its sites: code and rooms."""
    sites: dict[str, list[tuple[str, int]]] = {}
    for row in _rows("sites"):
        rooms = int(row["rooms"].split()[0])
        sites.setdefault(row["county_code"], []).append((row["code"], rooms))
    return sites


def _rooms(sites: Sequence[tuple[str, int]], scale: float, *, mixed: bool) -> Iterator[Room]:
    """The rooms of a county; a smaller session has fewer sites, not sites of a room or two."""
    factor = MIXED_NEED_MORE if mixed else 1.0
    wanted = ceil(sum(rooms for _, rooms in sites) * scale * factor)
    wanted += SPARE_ROOMS if scale < 1 else 0
    for site, rooms in sites:
        for number in range(min(ceil(rooms * factor), wanted)):
            capacity = ROOM_SIZES[number % len(ROOM_SIZES) if mixed else 0]
            accessible = ACCESSIBLE_SEATS if number < ACCESSIBLE_ROOMS_A_SITE else frozenset[int]()
            yield Room(site, f"{number + 1:03}", capacity, accessible)
        wanted -= min(ceil(rooms * factor), wanted)


class _AnyCourse:
    """Any course of a slot, by how much it is liked."""

    def __init__(self) -> None:
        self._courses = {slot: _codes(slot) for slot in SLOTS}
        self._liked = _liking(COURSES_A_SLOT, COURSES_EXPONENT)

    def course(self, slots: Sequence[int], random: Random) -> Choice:
        """One course a slot."""
        return tuple(
            (slot, random.choices(self._courses[slot], cum_weights=self._liked)[0])
            for slot in slots
        )


class _Majors:
    """Curricula: slot to the courses of a major."""

    def __init__(self, random: Random) -> None:
        self._majors = [{slot: _curriculum(slot, random) for slot in SLOTS} for _ in range(MAJORS)]
        self._liked = _liking(MAJORS, MAJORS_EXPONENT)

    def course(self, slots: Sequence[int], random: Random) -> Choice:
        """One course a slot, all of one major."""
        major = random.choices(self._majors, cum_weights=self._liked)[0]
        return tuple((slot, random.choice(major[slot])) for slot in slots)


def _codes(slot: int) -> list[str]:
    return [f"{slot}{number:04}" for number in range(1, COURSES_A_SLOT + 1)]


def _liking(number: int, exponent: float) -> list[float]:
    """Zipf's law, summed up."""
    return list(accumulate(1 / rank**exponent for rank in range(1, number + 1)))


def _curriculum(slot: int, random: Random) -> list[str]:
    """A common course and two or three others."""
    codes = _codes(slot)
    common, others = codes[:COMMON_COURSES_A_SLOT], codes[COMMON_COURSES_A_SLOT:]
    return [random.choice(common), *random.sample(others, random.choice((2, 3)))]


def _roster(number: int, people: int, taste: _Majors | _AnyCourse, random: Random) -> Roster:
    """The candidates of the county with this number."""
    choices: dict[str, Choice] = {}
    known: dict[Choice, Choice] = {}
    sizes, weights = list(SHARES_BY_COURSES), list(accumulate(SHARES_BY_COURSES.values()))
    for person in range(people):
        (courses,) = random.choices(sizes, cum_weights=weights)
        choice = taste.course(sorted(random.sample(SLOTS, courses)), random)
        candidate_id = str(UUID(int=(number << 32) + person + 1))
        choices[candidate_id] = known.setdefault(choice, choice)
    needing = (each for at, each in enumerate(choices) if at % NEEDING_ONE_IN == NEEDING_ONE_IN - 1)
    sittings = (
        Sitting(candidate_id, *taken)
        for candidate_id, choice in choices.items()
        for taken in choice
    )
    return Roster.of(sittings, needing)
