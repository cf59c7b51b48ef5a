"""The board: what a process knows of sessions and seats without asking."""

from dataclasses import replace

import pytest
from support.enrollment_sessions import OPENS_AT, small_session
from zikao_enrollment.domain.allocation import Claim, SeatKey, is_hopeless
from zikao_enrollment.domain.board import AppliedSession, Board, SeatCount
from zikao_kit.errors import DomainError

ROWS = {
    SeatKey("510105", 1): SeatCount(10, 3, 2),
    SeatKey("510104", 2): SeatCount(10, 0, 0),
    SeatKey("510104", 1): SeatCount(1, 0, 1),
    SeatKey("320102", 1): SeatCount(5, 5, 0),
}
SESSIONS = {
    "22.1": AppliedSession(small_session(), 3),
    "22.2": AppliedSession(replace(small_session(), code="22.2"), 1),
}
BOARD = Board(OPENS_AT, SESSIONS, {"22.1": ROWS})


def test_a_seat_is_held_confirmed_or_free() -> None:
    """What is used and what is free add up to the capacity."""
    count = ROWS[SeatKey("510105", 1)]
    assert (count.used, count.free) == (5, 5)
    assert BOARD.free["22.1"][SeatKey("320102", 1)] == 0


@pytest.mark.parametrize(
    ("prefix", "keys"),
    [
        ("", [("320102", 1), ("510104", 1), ("510104", 2), ("510105", 1)]),
        ("51", [("510104", 1), ("510104", 2), ("510105", 1)]),
        ("510105", [("510105", 1)]),
        ("99", []),
    ],
)
def test_rows_by_prefix_in_order(prefix: str, keys: list[tuple[str, int]]) -> None:
    """The rows of the counties asked for, by county and slot."""
    assert [key for key, _ in BOARD.seats_in("22.1", prefix)] == keys


def test_a_session_without_seats_has_none() -> None:
    """A session whose ledger is empty is known all the same."""
    assert BOARD.require("22.2").version == 1
    assert BOARD.seats_in("22.2", "") == []


def test_an_unknown_session_is_said_so() -> None:
    """The refusal names the session."""
    with pytest.raises(DomainError) as refused:
        BOARD.require("99.1")
    assert (refused.value.reason, refused.value.metadata) == (
        "SESSION_UNKNOWN",
        {"session_code": "99.1"},
    )


def test_outdated_are_the_new_and_the_changed() -> None:
    """Sessions of another version and those never read have to be read; the others do not."""
    assert set(BOARD.outdated({"22.1": 4, "22.2": 1, "23.1": 1})) == {"22.1", "23.1"}
    assert list(BOARD.outdated({"22.1": 3})) == []


def test_hopeless_is_who_lacks_a_seat_in_every_county() -> None:
    """One full slot rules a county out; a county of which nothing is known does not."""
    free = BOARD.free["22.1"]

    def hopeless(*counties: str) -> bool:
        return is_hopeless(Claim(frozenset({1, 2}), counties), free)

    assert hopeless("510104", "320102")
    assert not hopeless("510104", "510105")
    assert not hopeless("510104", "999999")
