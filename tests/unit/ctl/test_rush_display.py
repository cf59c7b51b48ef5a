"""What is seen while a rehearsal runs: the board, the lines without a terminal."""

from __future__ import annotations

import io

import pytest
from rich.cells import cell_len
from rich.console import Console
from zikao_ctl.rush.display import Display, line_of, sparkline
from zikao_ctl.rush.records import Live

LIVE = Live(
    at=12.5,
    phase="opening",
    offered=11_449.0,
    sent=3_785.0,
    held_back=7_664.0,
    accepted=3_604.0,
    shed=181.0,
    accepted_in_all=45_123,
    waiting=14_622,
    submit_p50_ms=35.3,
    submit_p99_ms=107.0,
    seats=[("锦江区", 0, 8_000), ("武侯区", 4_871, 7_300)],
    room={"at": 12.5, "waiting": 23_001, "admitted_until": 41_002, "rate": 3_598.0},
    paid=801,
    booked=799,
    invariants_held=37,
    invariants_broken=[],
    faults=["第6秒 报考服务 kill -9", "第8秒 [red]冻结"],
)


def drawn(live: Live, *, width: int = 120, terminal: bool = True) -> str:
    """What somebody sees."""
    console = Console(
        file=io.StringIO(), width=width, force_terminal=terminal, color_system=None, height=50
    )
    with Display(console, title="演练") as display:
        if terminal:
            console.print(display.board(live))
        else:
            display.show(live)
    file = console.file
    assert isinstance(file, io.StringIO)
    return file.getvalue()


@pytest.mark.parametrize("width", [80, 120])
def test_the_board_has_every_figure(width: int) -> None:
    """Rates, latencies, seats, room, money, rules and faults, on narrow and on wide terminals."""
    seen = drawn(LIVE, width=width)
    wanted = (
        "高峰 第12.5秒",
        *("11,449 件/秒", "3,785 件/秒", "3,604 件/秒", "181 件/秒", "7,664 件/秒"),
        *("35.3", "107", "45,123 件", "14,622 人"),
        *("已满", "4,871 / 7,300"),
        *("23,001 人", "41,002 号", "每秒 3,598 人"),
        *("收到 801 笔", "已入账 799 笔", "37 条成立，无一违反"),
        *("报考服务 kill -9", "[red]冻结"),
    )
    assert [words for words in wanted if words not in seen] == []
    assert max(map(cell_len, seen.splitlines())) <= width


def test_a_broken_rule_is_named() -> None:
    """On the board and in the line; nothing says then that none is broken."""
    broken = Live(**{**LIVE, "invariants_broken": ["enrollment_no_seat_is_sold_twice"]})
    for seen in (drawn(broken), line_of(broken)):
        assert "违反" in seen
        assert "enrollment_no_seat_is_sold_twice" in seen
        assert "无一违反" not in seen


def test_without_a_terminal_there_are_plain_lines() -> None:
    """A line with the same figures every two seconds, without control characters."""
    console = Console(file=io.StringIO(), width=40, force_terminal=False)
    with Display(console, title="演练") as display:
        display.say("the doors open")
        for at in (0.0, 0.5, 1.0, 1.5, 2.0, 2.5):
            display.show(Live(**{**LIVE, "at": at}))
    assert isinstance(console.file, io.StringIO)
    lines = console.file.getvalue().splitlines()
    assert len(lines) == 3
    assert lines[0].endswith("the doors open")
    assert "第0秒" in lines[1]
    assert "第2秒" in lines[2]
    assert "想要提交 11,449/秒" in lines[1]
    assert "\x1b" not in console.file.getvalue()


def test_what_is_said_stays_above_the_board() -> None:
    """On a terminal the board is drawn over; what was said is not."""
    console = Console(file=io.StringIO(), width=100, force_terminal=True)
    with Display(console, title="演练") as display:
        display.show(LIVE)
        display.say("peak: 3800 [submissions] a second")
        display.show(Live(**{**LIVE, "offered": 1.0}))
    assert isinstance(console.file, io.StringIO)
    seen = console.file.getvalue()
    assert "peak: 3800 [submissions] a second" in seen
    assert seen.index("11,449") < seen.index("peak: 3800") < seen.rindex("武侯区")


def test_a_sparkline_is_as_high_as_its_figures() -> None:
    """Nothing is blank, little is seen, the highest is full."""
    assert sparkline([0, 1, 50, 100], 100) == " ▁▄█"
    assert sparkline([0, 0], 0) == "  "
