"""What a plan is as bytes, and how it becomes seats."""

import pytest
from support.tickets_arranging import planned
from zikao_tickets.domain.plan import Plan
from zikao_tickets.domain.rooms import Room
from zikao_tickets.domain.roster import Roster, Sitting
from zikao_tickets.domain.seating import draw

SEED = bytes(32)
ROOMS = [Room(site, f"{number:03}", 6) for site in "AB" for number in range(1, 6)]
ROSTER = Roster.of(
    Sitting(f"{number:04}", slot, f"{slot}{number % 3}") for number in range(40) for slot in (1, 2)
)


def test_a_plan_survives_as_bytes() -> None:
    """Shares, ways, proofs and figures are the same after storing, and so are the seats."""
    plan = planned(ROSTER, ROOMS)
    stored = Plan.from_bytes(plan.to_bytes())
    assert stored == plan
    assert stored.to_bytes() == plan.to_bytes()
    assert draw(stored, ROSTER, SEED) == draw(plan, ROSTER, SEED)


def test_a_plan_is_drawn_for_its_roster_only() -> None:
    """Somebody more, or another course, and the draw is refused."""
    plan = planned(ROSTER, ROOMS)
    more = Roster.of([*ROSTER.sittings(), Sitting("9999", 1, "10")])
    with pytest.raises(ValueError, match="another roster"):
        draw(plan, more, SEED)
    assert more.sha256() != ROSTER.sha256()
