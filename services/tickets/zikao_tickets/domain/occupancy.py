"""Rooms with who sits in them, as offices print them."""

from dataclasses import dataclass
from typing import NamedTuple

from zikao_tickets.domain.layout import RoomPlan
from zikao_tickets.domain.person import Person


@dataclass(frozen=True)
class SitePlace:
    """A site in a slot."""

    slot: int
    site_code: str
    county_name: str
    site_name: str


@dataclass(frozen=True)
class Occupant:
    """Who sits on a seat; no `jpeg` when photos are not wanted, or until it has come."""

    seat_number: int
    course_code: str
    ticket_number: str
    person: Person
    jpeg: bytes | None


@dataclass(frozen=True)
class OccupiedRoom:
    """A room in a slot; seats in order."""

    place: SitePlace
    plan: RoomPlan
    seats: tuple[Occupant, ...]


class PaperCount(NamedTuple):
    """How many papers of a course go into a room."""

    room_code: str
    course_code: str
    papers: int
