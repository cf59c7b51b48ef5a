"""What counts as lost: of answers and orders that were made up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from zikao_ctl.rush.checking import (
    both,
    check,
    given_back,
    lost,
    unconfirmed,
    with_broken_meanwhile,
)

NOW = datetime(2026, 3, 2, 1, 5, tzinfo=UTC)


def ack(order_id: str, pays: str = "") -> dict[str, Any]:
    """Somebody who was told that they have seats."""
    told = {"order_id": order_id, "county_code": "510104", "courses": ["00009"]}
    return {"candidate_id": f"c{order_id}", "outcome": "accepted", "pays": pays, **told}


def order(order_id: str, state: str, **others: Any) -> dict[str, Any]:
    """The order of that ack, held for some minutes yet."""
    stored = {"county_code": "510104", "course_codes": ["00009"], "state": state}
    known = {"order_id": order_id, "candidate_id": f"c{order_id}"}
    return {**known, **stored, "held_until": NOW + timedelta(minutes=9), **others}


def test_seats_that_go_back_before_the_hold_ends_are_a_lost_answer() -> None:
    """An order that is there, but released at once, is lost; one whose time is over is not."""
    acks = [ack("held"), ack("early"), ack("over")]
    over = order("over", "released", held_until=NOW - timedelta(seconds=1))
    orders = [order("held", "held"), order("early", "released"), over]
    assert not list(lost(acks, orders)), "all of them are there"
    assert list(given_back(acks, orders, NOW)) == ["cearly: order early has lost its seats"]


def test_who_paid_in_time_has_to_be_confirmed() -> None:
    """Money that was taken and given back as late is no excuse; who could not pay has no claim."""
    acks = [ack("a", "prompt"), ack("b", "twice"), ack("c", "prompt"), ack("d", "late")]
    orders = [order(each, "released") for each in "bcd"] + [order("a", "confirmed")]
    (found,) = unconfirmed(acks, orders, in_time={"a", "b", "d"})
    assert found.startswith("cb: order b was paid in time")


def test_what_was_wrong_at_either_time_counts() -> None:
    """Seats sold twice are found though they went back, and a rule broken meanwhile stays so."""
    before = [check("oversold", "", 90, ["510104 1: 9 of 8"])]
    after = [check("oversold", "", 3, ()), check("double_charges", "", 4, ["x"])]
    oversold, charged = both(before, after)
    assert (oversold["looked_at"], oversold["violations"]) == (90, 1)
    assert oversold["examples"] == ["510104 1: 9 of 8"]
    assert charged["violations"] == 1
    counted = with_broken_meanwhile({"one": 0, "two": 0, "three": 4}, {"two", "three"})
    assert counted == {"one": 0, "two": 1, "three": 4}
