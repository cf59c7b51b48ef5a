"""How arranging, printing and the door go, in numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple


class Grouping(StrEnum):
    """What a row is about; the names are those of the contract."""

    COUNTY = "county"
    SLOT = "slot"
    COUNTY_SLOT = "county_slot"


class Group(NamedTuple):
    """What a row is about: "" or 0 where it is about several."""

    county_code: str = ""
    slot: int = 0


@dataclass(slots=True)
class Numbers:
    """Counted in a group; those from `candidates` on are of whole counties."""

    sittings: int = 0
    seats: int = 0
    rooms: int = 0
    scanned: int = 0
    candidates: int = 0
    tickets: int = 0
    printed: int = 0
    unprintable: int = 0
    rooms_bound: int = 0
    site_changes: int = 0
    site_changes_bound: int = 0

    def add(self, counted: Mapping[str, int]) -> None:
        """Count some in, by name."""
        for each in fields(self):
            if each.name in counted:
                setattr(self, each.name, getattr(self, each.name) + counted[each.name])


class Counted(NamedTuple):
    """What a query has counted of a group, by the names of Numbers."""

    group: Group
    numbers: Mapping[str, int]


@dataclass(frozen=True)
class TicketFigures:
    """All that was counted in a session at one moment."""

    as_of: datetime
    counted: Sequence[Counted]

    def rows(self, grouping: Grouping, county_prefix: str) -> list[tuple[Group, Numbers]]:
        """The rows of the counties whose code begins so, in the order of their groups."""
        found: dict[Group, Numbers] = {}
        for (county_code, slot), numbers in self.counted:
            of_county = slot == 0
            if not county_code.startswith(county_prefix):
                continue
            if of_county and grouping is not Grouping.COUNTY:
                continue
            group = Group(
                "" if grouping is Grouping.SLOT else county_code,
                0 if grouping is Grouping.COUNTY else slot,
            )
            found.setdefault(group, Numbers()).add(numbers)
        return sorted(found.items(), key=lambda row: row[0])
