"""Arrangements made in the process of the test, without pool and database."""

from collections.abc import Iterable, Sequence

from zikao_tickets.domain.late_seating import recounted
from zikao_tickets.domain.plan import Figures, Plan
from zikao_tickets.domain.rooms import Room
from zikao_tickets.domain.roster import Roster, Sitting
from zikao_tickets.domain.seating import Seat, draw
from zikao_tickets.solving.planner import make_plan


def planned(roster: Roster, rooms: Sequence[Room]) -> Plan:
    """The plan of a county that has none in force."""
    return make_plan(roster, rooms, None, lambda *_: None)


def arrange(sittings: Iterable[Sitting], rooms: Sequence[Room], seed: bytes) -> list[Seat]:
    """The seats of a county that has none in force."""
    roster = Roster.of(sittings)
    return draw(planned(roster, rooms), roster, seed)


def changed(
    roster: Roster, rooms: Sequence[Room], published: Sequence[Seat], seed: bytes
) -> tuple[list[Seat], Figures]:
    """The seats after late changes, and the figures."""
    plan = Plan.from_bytes(make_plan(roster, rooms, published, lambda *_: None).to_bytes())
    seats = draw(plan, roster, seed, published)
    return seats, recounted(plan, roster, seats, published)
