"""How enrollment goes, in numbers (DOMAIN section 4, Offices)."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from zikao_enrollment.domain.allocation import SeatKey


class Sittings(NamedTuple):
    """Sittings of a course in a county and slot, with their fees in fen."""

    county_code: str
    slot: int
    course_code: str
    held: int
    confirmed: int
    held_fen: int
    confirmed_fen: int


class People(NamedTuple):
    """Candidates of a county: who holds seats or has paid, and who has paid."""

    candidates: int
    confirmed: int


class Grouping(StrEnum):
    """What a row is about; the names are those of the contract."""

    COUNTY = "county"
    SLOT = "slot"
    COURSE = "course"
    COUNTY_SLOT = "county_slot"
    COUNTY_COURSE = "county_course"


class Group(NamedTuple):
    """What a row is about: "" or 0 where it is about several."""

    county_code: str = ""
    slot: int = 0
    course_code: str = ""


@dataclass(slots=True)
class Row:
    """The numbers of a group; fees in fen."""

    group: Group
    capacity: int = 0
    candidates: int = 0
    confirmed_candidates: int = 0
    held: int = 0
    confirmed: int = 0
    held_fen: int = 0
    confirmed_fen: int = 0

    def add(self, sittings: Sittings) -> None:
        """Count some sittings in."""
        self.held += sittings.held
        self.confirmed += sittings.confirmed
        self.held_fen += sittings.held_fen
        self.confirmed_fen += sittings.confirmed_fen


# Whether rows are about one county, one slot, one course.
_ABOUT_ONE: Mapping[Grouping, tuple[bool, bool, bool]] = {
    Grouping.COUNTY: (True, False, False),
    Grouping.SLOT: (False, True, False),
    Grouping.COURSE: (False, True, True),
    Grouping.COUNTY_SLOT: (True, True, False),
    Grouping.COUNTY_COURSE: (True, True, True),
}


@dataclass(frozen=True)
class Figures:
    """All that was counted in a session at one moment, by county where there is much of it."""

    as_of: datetime
    sittings: Mapping[str, Sequence[Sittings]]
    people: Mapping[str, People]
    capacities: Mapping[SeatKey, int]
    # What was asked for already: it is the same for all until there are other figures.
    _rows: dict[tuple[Grouping, str], list[Row]] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        as_of: datetime,
        sittings: Iterable[Sittings],
        people: Mapping[str, People],
        capacities: Mapping[SeatKey, int],
    ) -> "Figures":
        """Put sittings to their counties, once for all who ask."""
        by_county: defaultdict[str, list[Sittings]] = defaultdict(list)
        for each in sittings:
            by_county[each.county_code].append(each)
        return cls(as_of, by_county, people, capacities)

    def rows(self, grouping: Grouping, county_prefix: str) -> list[Row]:
        """The rows of the counties whose code begins so, in the order of their groups.

        Nobody sits twice in a slot or for a course: but for counties, candidates are sittings.
        """
        key = (grouping, county_prefix)
        if key not in self._rows:
            self._rows[key] = self._count_rows(*key)
        return self._rows[key]

    def _count_rows(self, grouping: Grouping, county_prefix: str) -> list[Row]:
        of_county, of_slot, of_course = _ABOUT_ONE[grouping]
        found: dict[Group, Row] = {}

        def row(county_code: str, slot: int, course_code: str) -> Row:
            group = Group(
                county_code if of_county else "",
                slot if of_slot else 0,
                course_code if of_course else "",
            )
            return found.setdefault(group, Row(group))

        if not of_course:
            for key, capacity in self.capacities.items():
                if key.county_code.startswith(county_prefix):
                    row(*key, "").capacity += capacity
        for county_code, sittings in self.sittings.items():
            if county_code.startswith(county_prefix):
                for each in sittings:
                    row(county_code, each.slot, each.course_code).add(each)
        for counted in found.values():
            self._count_candidates(counted, grouping)
        return [found[group] for group in sorted(found)]

    def _count_candidates(self, row: Row, grouping: Grouping) -> None:
        people = People(row.held + row.confirmed, row.confirmed)
        if grouping is Grouping.COUNTY:
            people = self.people.get(row.group.county_code, People(0, 0))
        row.candidates, row.confirmed_candidates = people
