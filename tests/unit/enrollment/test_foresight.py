"""What surely cannot be had: only full counties of a choice with which nothing else is wrong."""

from dataclasses import replace
from datetime import timedelta

import pytest
from support.enrollment_sessions import CLOSES_AT, OPENS_AT, small_session
from zikao_enrollment.domain.allocation import SeatKey, SoldOut
from zikao_enrollment.domain.choices import Choice
from zikao_enrollment.domain.foresight import surely_sold_out

SESSION = small_session()
NOW = OPENS_AT + timedelta(hours=1)
JINJIANG, QINGYANG = "510104", "510105"
FREE = {SeatKey(JINJIANG, 1): 0, SeatKey(JINJIANG, 2): 5, SeatKey(QINGYANG, 1): 1}
WISH = Choice(("00001", "00003"), (JINJIANG,))


def test_a_full_slot_in_every_county() -> None:
    """One full slot is enough, and the refusal names it."""
    assert surely_sold_out(SESSION, WISH, FREE, NOW) == SoldOut(((JINJIANG, (1,)),))


@pytest.mark.parametrize(
    "wish",
    [
        Choice(("00003",), (JINJIANG,)),
        Choice(("00001",), (JINJIANG, QINGYANG)),
        # Nothing is known of its second slot.
        Choice(("00001", "00003"), (JINJIANG, QINGYANG)),
        Choice(("00001", "00002"), (JINJIANG,)),
        Choice(("00001", "99999"), (JINJIANG,)),
        Choice(("00001", "00003", "00002"), (JINJIANG,)),
        Choice(("00001",), (JINJIANG, "990000")),
        # Of a track that is not offered.
        Choice(("00001", "00004"), (JINJIANG,)),
    ],
    ids=str,
)
def test_whoever_may_hope_or_be_told_something_else(wish: Choice) -> None:
    """A free county, a county of which nothing is known, a choice with another mistake."""
    assert surely_sold_out(SESSION, wish, FREE, NOW) is None


def test_outside_of_the_window_something_else_is_wrong() -> None:
    """Before the opening and from the end on nobody is told that it is full."""
    for at in (OPENS_AT - timedelta(seconds=1), CLOSES_AT):
        assert surely_sold_out(SESSION, WISH, FREE, at) is None
    assert surely_sold_out(replace(SESSION, max_courses=1), WISH, FREE, NOW) is None
