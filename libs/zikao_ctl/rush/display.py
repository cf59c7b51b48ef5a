"""What is seen while a rehearsal runs: a board that is drawn anew twice a second.

Without a terminal it is plain lines. Words are Chinese, as the page's: offices watch it.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live as RichLive
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from zikao_ctl.rush.records import Live
from zikao_ctl.rush.report.numbers import milliseconds, moment, whole
from zikao_ctl.rush.report.texts import PHASES

HISTORY = 40
LINE_SECONDS = 2.0
WIDE_COLUMNS = 100
_LEVELS = " ▁▂▃▄▅▆▇█"
_BAR_CELLS = 16
_RATES = (
    ("offered", "想要提交", "bold"),
    ("sent", "实际发出", "cyan"),
    ("accepted", "系统办结", "green"),
    ("shed", "请稍后再来", "yellow"),
    ("held_back", "门户代为等候", "dim"),
)
# Lines of all but the counties, which are fewer on a low terminal.
_OTHER_ROWS, _OTHER_ROWS_WIDE, _LEAST_COUNTIES = 22, 15, 2
_NAMES_SHOWN = 4
_FAULTS_SHOWN = 4


class Display:
    """Shows what happens; `with` it the board stays at the bottom, and `say` writes above it."""

    def __init__(self, console: Console, *, title: str) -> None:
        self._console = console
        self._title = title
        self._began = time.monotonic()
        self._rates: dict[str, deque[float]] = {name: deque(maxlen=HISTORY) for name, *_ in _RATES}
        self._p99 = deque[float](maxlen=HISTORY)
        self._live = RichLive(console=console, auto_refresh=False)
        self._last_line = -LINE_SECONDS

    def __enter__(self) -> Self:
        """Begin to draw, where there is a terminal."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the last board on the screen."""
        self._live.stop()

    def say(self, text: str) -> None:
        """One line that stays, with the seconds since the beginning."""
        passed = time.monotonic() - self._began
        line = f"[rush] {passed:5.1f} s  {text}"
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)

    def show(self, live: Live) -> None:
        """Draw what has happened last; nothing before the first phase."""
        if not live["phase"]:
            return
        for name, history in self._rates.items():
            history.append(live[name])  # type: ignore[literal-required]
        self._p99.append(live["submit_p99_ms"])
        if self._console.is_terminal:
            self._live.start()
            self._live.update(self.board(live), refresh=True)
        elif live["at"] - self._last_line >= LINE_SECONDS or live["at"] < self._last_line:
            self._last_line = live["at"]
            self.say(line_of(live))

    def board(self, live: Live) -> RenderableType:
        """The board with what was shown until now."""
        load = Panel(self._load(live), title="报考", title_align="left")
        wide = self._console.width >= WIDE_COLUMNS
        rows = self._console.height - (_OTHER_ROWS_WIDE if wide else _OTHER_ROWS)
        shown = live["seats"][: max(_LEAST_COUNTIES, rows)]
        seats = Panel(_seats(shown), title="最热门考区余位", title_align="left")
        state = Panel(_state(live), title="缴费、规则、故障", title_align="left")
        if wide:
            below = Table.grid(expand=True)
            below.add_column(ratio=1)
            below.add_column(ratio=1)
            below.add_row(seats, state)
            return Group(self._heading(live), load, below)
        return Group(self._heading(live), load, seats, state)

    def _heading(self, live: Live) -> RenderableType:
        heading = Table.grid(expand=True)
        heading.add_column()
        heading.add_column(justify="right")
        heading.add_row(Text(self._title, style="bold"), Text(now_of(live), style="bold reverse"))
        return heading

    def _load(self, live: Live) -> RenderableType:
        table = Table.grid(padding=(0, 2))
        table.add_column()
        table.add_column(justify="right", min_width=16)
        table.add_column(min_width=HISTORY)
        highest = max((max(history, default=0.0) for history in self._rates.values()), default=0.0)
        for name, title, style in _RATES:
            rate: float = live[name]  # type: ignore[literal-required]
            table.add_row(
                Text(title, style=style),
                Text(f"{whole(rate)} 件/秒", style=style),
                Text(sparkline(self._rates[name], highest), style=style),
            )
        p99 = live["submit_p99_ms"]
        table.add_row("响应时间 p50", milliseconds(live["submit_p50_ms"]) if p99 else "—", "")
        table.add_row(
            "响应时间 p99",
            milliseconds(p99) if p99 else "—",
            sparkline(self._p99, max(self._p99, default=0.0)),
        )
        in_all = f"累计办成 {whole(live['accepted_in_all'])} 件"
        table.add_row("正在等候", f"{whole(live['waiting'])} 人", in_all)
        if room := live["room"]:
            admitted = f"已放行到 {whole(room['admitted_until'])} 号，每秒 {whole(room['rate'])} 人"
            table.add_row("候场室", f"{whole(room['waiting'])} 人", admitted)
        return table


def line_of(live: Live) -> str:
    """The same in one line."""
    parts = [
        now_of(live),
        *(f"{title} {whole(live[name])}/秒" for name, title, _ in _RATES),  # type: ignore[literal-required]
        f"等候 {whole(live['waiting'])}",
        f"p50 {live['submit_p50_ms']:.0f} p99 {live['submit_p99_ms']:.0f} 毫秒",
        f"入账 {whole(live['booked'])}/{whole(live['paid'])}",
    ]
    if room := live["room"]:
        parts.append(f"候场室 {whole(room['waiting'])} 放行至 {whole(room['admitted_until'])}")
    if live["invariants_broken"]:
        parts.append(f"违反 {'、'.join(live['invariants_broken'])}")
    parts += live["faults"][-1:]
    return "  ".join(parts)


def now_of(live: Live) -> str:
    """The phase, and how far it is from the opening."""
    phase = PHASES.get(live["phase"], live["phase"])
    if live["phase"] == "calibration":
        return phase
    return f"{phase} {moment(round(live['at'], 1))}"


def sparkline(figures: Sequence[float] | deque[float], highest: float) -> str:
    """A bar a figure; only what is nothing is blank."""
    top = len(_LEVELS) - 1
    return "".join(
        _LEVELS[min(top, max(1, round(figure / highest * top)))] if figure > 0 and highest else " "
        for figure in figures
    )


def _seats(counties: Sequence[tuple[str, int, int]]) -> RenderableType:
    table = Table.grid(padding=(0, 1), expand=True)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    for name, free, capacity in counties:
        part = free / capacity if capacity else 0.0
        cells = min(_BAR_CELLS, max(1, round(part * _BAR_CELLS))) if free > 0 else 0
        bar = Text("█" * cells, style="green" if part > 0.2 else "yellow")
        bar.append("·" * (_BAR_CELLS - cells), style="dim")
        count = f"{whole(free)} / {whole(capacity)}" if free > 0 else "已满"
        table.add_row(Text(name), bar, Text(count, style="" if free > 0 else "bold red"))
    return table if counties else Text("还没有数字", style="dim")


def _state(live: Live) -> RenderableType:
    table = Table.grid(padding=(0, 1))
    table.add_column(no_wrap=True)
    table.add_column()
    table.add_row("缴费", f"平台收到 {whole(live['paid'])} 笔，已入账 {whole(live['booked'])} 笔")
    held = f"{live['invariants_held']} 条成立"
    if broken := live["invariants_broken"]:
        names = "、".join(broken[:_NAMES_SHOWN])
        rest = f" 等 {len(broken)} 条" if len(broken) > _NAMES_SHOWN else ""
        table.add_row("规则", Text(f"{held}；✘ 违反：{names}{rest}", style="bold red"))
    elif live["invariants_held"]:
        table.add_row("规则", Text(f"{held}，无一违反", style="green"))
    else:
        table.add_row("规则", Text("还没有核对", style="dim"))
    faults = live["faults"][-_FAULTS_SHOWN:]
    for number, fault in enumerate(faults):
        table.add_row("" if number else "故障", Text(fault, style="yellow"))
    return table
