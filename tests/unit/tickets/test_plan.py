"""What a plan is as bytes, and how it becomes seats."""

import pickle
from dataclasses import replace

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
    assert replace(stored).to_bytes() == plan.to_bytes()
    assert draw(stored, ROSTER, SEED) == draw(plan, ROSTER, SEED)


def test_plans_and_rosters_travel_small() -> None:
    """Another process gets the same, without what was found in it meanwhile."""
    plan = planned(ROSTER, ROOMS)
    assert ROSTER.choices.keys() >= {"0000", "0039"}
    for each in (plan, ROSTER):
        travelling = pickle.dumps(each)
        assert pickle.loads(travelling) == each
        assert len(travelling) < 2_000


def test_a_roster_is_its_lines() -> None:
    """In the order of ids and slots, however its sittings came."""
    roster = Roster.of(
        [Sitting("2", 1, "a"), Sitting("1", 3, "c"), Sitting("1", 1, "b")], ["2", "3"]
    )
    assert roster.text == b"1 1/b;3/c\n2+ 1/a\n"
    assert roster.candidates == 2
    assert roster.accessible == {"2"}
    assert roster.choices == {"1": ((1, "b"), (3, "c")), "2": ((1, "a"),)}
    assert roster.counts() == {1: {"a": 1, "b": 1}, 3: {"c": 1}}


def test_a_plan_is_drawn_for_its_roster_only() -> None:
    """Somebody more, or another course, and the draw is refused."""
    plan = planned(ROSTER, ROOMS)
    more = Roster.of([*ROSTER.sittings(), Sitting("9999", 1, "10")])
    with pytest.raises(ValueError, match="another roster"):
        draw(plan, more, SEED)
    assert more.sha256() != ROSTER.sha256()
