"""How desks stand in a room, and how its seats are numbered."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zikao_tickets.domain.layout import Layout, RoomPlan, room_problems, seat_label

ROOM = RoomPlan("001", columns=3, rows=2)
HORSESHOE = replace(ROOM, layout=Layout.CUSTOM, numbering=(1, 2, 0, 3, 5, 4))


@pytest.mark.parametrize(
    ("layout", "desks"),
    [
        (Layout.SNAKE, [[1, 2], [4, 3], [5, 6]]),
        (Layout.SNAKE_ROWS, [[1, 6], [2, 5], [3, 4]]),
        (Layout.ROWS, [[1, 4], [2, 5], [3, 6]]),
    ],
)
def test_seats_are_numbered_from_the_front_door(layout: Layout, desks: list[list[int]]) -> None:
    """By columns each from front to back, as the layout goes."""
    assert replace(ROOM, layout=layout).desks() == desks


def test_the_usual_room_has_thirty_seats() -> None:
    """5 columns of 6 in a snake: the second column counts from the back."""
    room = RoomPlan("001", 5, 6)
    assert room.capacity == 30
    assert room.desks()[1] == [12, 11, 10, 9, 8, 7]
    assert seat_label(7, room.capacity) == "07"


def test_a_room_can_be_numbered_by_hand() -> None:
    """Places without a desk have no number, and do not count."""
    assert HORSESHOE.capacity == 5
    assert HORSESHOE.desks() == [(1, 2), (0, 3), (5, 4)]
    assert list(room_problems(HORSESHOE)) == []


@given(st.integers(1, 20), st.integers(1, 20), st.sampled_from(list(Layout)[:3]))
def test_every_seat_is_somewhere_once(columns: int, rows: int, layout: Layout) -> None:
    """Whatever the layout, the numbers are 1 to the number of seats."""
    desks = RoomPlan("001", columns, rows, layout).desks()
    assert [len(column) for column in desks] == [rows] * columns
    assert sorted(number for column in desks for number in column) == list(
        range(1, columns * rows + 1)
    )


@pytest.mark.parametrize(
    ("room", "problem"),
    [
        (replace(ROOM, numbering=(1,)), "只有自定义布局才能填写座位编号"),
        (replace(HORSESHOE, numbering=(1, 2)), "自定义布局应有6个座位编号，实有2个"),
        (replace(HORSESHOE, numbering=(1, 2, 0, 2, 4, 3)), "自定义布局的座位编号须为从1开始"),
        (replace(HORSESHOE, numbering=(0,) * 6), "自定义布局没有座位"),
        (replace(HORSESHOE, accessible=frozenset({6})), "考场没有无障碍座位6号"),
        (replace(ROOM, accessible=frozenset({1, 7, 8})), "考场没有无障碍座位7、8号"),
    ],
)
def test_what_contradicts_itself_in_a_room_is_said(room: RoomPlan, problem: str) -> None:
    """One sentence for the office, and nothing else."""
    (only,) = room_problems(room)
    assert only.startswith(problem)
