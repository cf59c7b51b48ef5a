"""The tables of the page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from xml.etree.ElementTree import Element

from zikao_ctl.rush.records import Check, FaultRecord, InvariantRecord, Latency, Phase, Report
from zikao_ctl.rush.report.elements import element
from zikao_ctl.rush.report.numbers import figure, milliseconds, moment, seconds, whole
from zikao_ctl.rush.report.texts import (
    COUNTS,
    FAULTS,
    GLOSSARY,
    KINDS,
    PHASES,
    SIDES,
    VICTIMS,
    WITHOUT_EFFECT,
)

Cell = str | Element
NOT_RECOVERED = "未恢复"


def table(
    header: Sequence[str],
    rows: Iterable[Sequence[Cell]],
    *,
    figures: Sequence[int] = (),
    missed: Sequence[bool] = (),
) -> Element:
    """A table; the columns `figures` are numbers, rows that are `missed` stand out."""

    def cells(tag: str, row: Sequence[Cell]) -> list[Element]:
        return [
            element(tag, cell, class_="figure" if number in figures else None)
            for number, cell in enumerate(row)
        ]

    marks = list(missed)
    body = [
        element("tr", cells("td", row), class_="missed" if marks[n : n + 1] == [True] else None)
        for n, row in enumerate(rows)
    ]
    made = element(
        "table",
        element("thead", element("tr", cells("th", header))),
        element("tbody", body),
    )
    return element("div", made, class_="wide")


def phases(all_phases: Sequence[Phase]) -> Element:
    """What each part of the rehearsal had, with the cores of each side."""
    names = ("offered", "sent", "accepted", "refused", "shed", "held_back", "doubtful", "dropped")
    header = ["", *(PHASES.get(each["name"], each["name"]) for each in all_phases)]
    rows: list[list[str]] = [
        ["时间", *(f"{seconds(each['ends'] - each['begins'])}" for each in all_phases)]
    ]
    for name in names:
        counts = (each[name] for each in all_phases)  # type: ignore[literal-required]
        rows.append([COUNTS[name], *(whole(count) for count in counts)])
    rows.append(["每秒办成", *(whole(each["goodput"]) for each in all_phases)])
    rows.append(["提交的p50", *(milliseconds(each["submit_p50_ms"]) for each in all_phases)])
    rows.append(["提交的p99", *(milliseconds(each["submit_p99_ms"]) for each in all_phases)])
    sides = dict.fromkeys(side for each in all_phases for side in each["cpu"])
    for side in sides:
        used = (f"{each['cpu'].get(side, 0.0):.2f}" for each in all_phases)
        rows.append([f"占用核数：{SIDES.get(side, side)}", *used])
    rows.append(["发压端迟发p99", *(milliseconds(each["lag_p99_ms"]) for each in all_phases)])
    rows.append(
        ["发压端是瓶颈", *("是" if each["generator_bound"] else "否" for each in all_phases)]
    )
    return table(header, rows, figures=range(1, len(header)))


def latencies(all_latencies: Sequence[Latency]) -> Element:
    """Distributions by kind."""
    return table(
        ("", "次数", "p50", "p90", "p99", "p99.9", "最长"),
        [
            (
                KINDS.get(each["kind"], each["kind"]),
                whole(each["count"]),
                *(
                    milliseconds(value)
                    for value in (
                        each["p50_ms"],
                        each["p90_ms"],
                        each["p99_ms"],
                        each["p999_ms"],
                        each["max_ms"],
                    )
                ),
            )
            for each in all_latencies
        ],
        figures=range(1, 7),
    )


def faults(all_faults: Sequence[FaultRecord]) -> Element:
    """What was broken, by the numbers in the charts, and how soon it was well."""
    return table(
        ("号", "时刻", "故障", "对象", "持续", "恢复用时"),
        [
            (
                str(number),
                moment(round(each["at"], 1)),
                with_note(FAULTS.get(each["kind"], each["kind"]), each["note"]),
                VICTIMS.get(each["victim"], each["victim"]),
                seconds(each["seconds"]) if each["seconds"] else "瞬间",
                _recovery(each),
            )
            for number, each in enumerate(all_faults, 1)
        ],
        figures=(4, 5),
        missed=[_recovery(each) == NOT_RECOVERED for each in all_faults],
    )


def _recovery(fault: FaultRecord) -> str:
    if fault["recovered_after"] is not None:
        return seconds(fault["recovered_after"])
    return WITHOUT_EFFECT if fault["note"].startswith(WITHOUT_EFFECT) else NOT_RECOVERED


def rules(checks: Sequence[Check], invariants: Sequence[InvariantRecord]) -> Iterator[Element]:
    """What the generator knows against the databases, then the invariants; those that hold last."""
    broken = [each for each in invariants if each["violations"]]
    holding = [each for each in invariants if not each["violations"]]
    rows = [
        (
            with_note(each["title_zh"], "、".join(each["examples"])),
            whole(each["looked_at"]),
            whole(each["violations"]),
        )
        for each in checks
    ]
    yield table(
        ("规则", "核对", "违反"),
        [*rows, *map(_invariant, broken)],
        figures=(1, 2),
        missed=[each["violations"] > 0 for each in [*checks, *broken]],
    )
    yield element(
        "details",
        element("summary", f"另有 {len(holding)} 条规则在全库核对，无一违反"),
        table(("规则", "核对", "违反"), map(_invariant, holding), figures=(1, 2)),
    )


def _invariant(found: InvariantRecord) -> Sequence[Cell]:
    name = element("span", f"{found['title_zh']} ", element("small", found["name"]))
    return (name, "全库", whole(found["violations"]))


def glossary() -> Element:
    """Words of the page."""
    return table(("词", "意思"), GLOSSARY)


def origin(report: Report) -> Element:
    """Where the figures come from."""
    machine = report["machine"]
    rows = (
        (
            "机器",
            f"{machine['cores']} 核；发压端 {machine['generators']} 个进程，在同一台机器上"
            if report["target"] == "embedded"
            else f"发压端 {machine['cores']} 核，{machine['generators']} 个进程",
        ),
        (
            "版本",
            f"zikao {machine['zikao']}，PostgreSQL {machine['postgres']}，"
            f"Python {machine['python']}",
        ),
        ("种子", str(report["seed"])),
        ("计划摘要（SHA-256）", element("small", report["plan_sha256"])),
        ("全程用时", seconds(report["took_seconds"])),
        ("测得峰值", f"{figure(report['peak'])} 件/秒"),
    )
    return table(("项目", "内容"), rows)


def with_note(text: str, note: str) -> Element:
    """Words with small ones below."""
    return element(
        "span", text, element("br") if note else None, element("small", note) if note else None
    )
