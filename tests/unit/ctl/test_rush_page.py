"""report.html: its figures are those of report.json, it loads nothing, and data stays text."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from support.rush_report import sample_report
from zikao_ctl.faults.schedule import CLOCK_JUMP, KINDS, PLANS
from zikao_ctl.main import main
from zikao_ctl.rush.records import Report
from zikao_ctl.rush.report.numbers import share
from zikao_ctl.rush.report.others import Found, Others, read_others
from zikao_ctl.rush.report.page import (
    PAGE_FILE,
    REPORT_FILE,
    ReportError,
    read_report,
    render,
    write_page,
)
from zikao_ctl.rush.report.texts import FAULTS as FAULT_WORDS
from zikao_ctl.rush.report.texts import VICTIMS
from zikao_ctl.rush.verdict import judge, read_objectives

VOID = {"meta", "br", "link", "img", "input", "hr"}
NOW = datetime(2026, 11, 26, 9, tzinfo=UTC)
MUTATION: dict[str, Any] = {
    "mutants": 2,
    "caught": 1,
    "verdicts": [
        {"mechanism": "A lock", "name": "lock", "harm": "Seats sold twice", "caught": True},
        {"mechanism": "A CHECK", "name": "check", "harm": "Nobody sees it", "caught": False},
    ],
}
FAULTS: dict[str, Any] = {
    "verdict": "PASS",
    "violations": 0,
    "seed": 11,
    "seconds": 700.0,
    "faults": 213,
    "kinds": {
        "kill": {
            "count": 45,
            "recovery_median": 1.9,
            "recovery_max": 3.2,
            "doubtful": 17,
            "violations": 0,
        }
    },
}
ODD = '<script>alert("&")</script><img src=x onerror=1>'


class Page(HTMLParser):
    """What a browser would see: elements with attributes, texts, and whether all is closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.cells: list[str] = []
        self.texts: dict[str, list[str]] = {}
        self.open: list[str] = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note it."""
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)
        if tag in ("td", "th"):
            self.cells.append("")

    def handle_endtag(self, tag: str) -> None:
        """It must be the one that is open."""
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Note it."""
        if self.open:
            self.texts.setdefault(self.open[-1], []).append(data)
        if {"td", "th"} & set(self.open):
            self.cells[-1] += data

    def text(self) -> str:
        """All that is read, without the style."""
        return "\n".join(
            text for tag, texts in self.texts.items() if tag != "style" for text in texts
        )


def judged(seed: int = 1) -> Report:
    """The sample with its objectives."""
    report = sample_report(seed)
    judge(report, read_objectives())
    return report


def section(html: str, heading: str) -> Page:
    """What stands under a heading."""
    (found,) = [part for part in html.split("<h2>")[1:] if part.startswith(f"{heading}<")]
    return Page(f"<h2>{found.removesuffix('</body></html>' + chr(10))}")


def paths(html: str, kind: str) -> Iterator[list[tuple[float, float]]]:
    """The points of the lines of a kind, without those of legends."""
    for way in re.findall(rf'<path d="([^"H]+)" class="{kind}"', html):
        numbers = [float(each) for each in re.findall(r"-?[\d.]+", way)]
        yield list(zip(numbers[::2], numbers[1::2], strict=True))


def test_the_figures_of_the_page_are_those_of_the_report() -> None:
    """Verdict, peak, counts of every phase, latencies, money and rules are read back."""
    report = judged()
    html = render(report)
    page = Page(html)
    assert "PASS" in page.text()
    assert f"{len(report['objectives'])}项目标全部达到" in page.text()
    tiles = page.texts["b"][1:]
    accepted = sum(tick["accepted"] for tick in report["ticks"] if tick["at"] > 0)
    assert tiles == [f"{accepted:,}", "3,800", "3 倍", "61\N{NO-BREAK SPACE}毫秒", "100%"]
    cells = section(html, "怎样测得的").cells
    assert report["plan_sha256"] in cells
    for name, title in (
        ("offered", "想要提交（含重试）"),
        ("accepted", "报考成功"),
        ("shed", "答复“请稍后再来”"),
    ):
        begin = cells.index(title) + 1
        counts = [each[name] for each in report["phases"]]  # type: ignore[literal-required]
        assert cells[begin : begin + len(counts)] == [f"{count:,}" for count in counts]
    cells = section(html, "规则逐条核对").cells
    for check in report["checks"]:
        begin = cells.index(check["title_zh"])
        assert cells[begin + 1 : begin + 3] == [f"{check['looked_at']:,}", "0"]
    for invariant in report["invariants"]:
        assert f"{invariant['title_zh']} {invariant['name']}" in cells
    cells = section(html, "各类请求的用时").cells
    for latency in report["latencies"]:
        assert f"{latency['count']:,}" in cells
    money = report["payments"]
    assert f"平台收到 {money['made']:,} 笔，入账 {money['booked']:,} 笔" in page.text()
    cells = section(html, "演练中注入的故障").cells
    for fault in report["faults"]:
        assert f"{fault['recovered_after']:g}\N{NO-BREAK SPACE}秒" in cells


def test_every_objective_is_there_with_its_limit_and_what_was_measured() -> None:
    """A line an objective, in its unit; what was missed is marked by a sign, not by a colour."""
    report = judged()
    report["metrics"] |= {"goodput_overloaded_ratio": 0.7512, "dropped_share": 0.00051}
    del report["metrics"]["recovery_seconds"]
    judge(report, read_objectives())
    cells = section(render(report), "目标与结果").cells
    lines = [cells[begin : begin + 4] for begin in range(4, len(cells), 4)]
    found = {title: (sign, limit, value) for sign, title, limit, value in lines}
    for each in report["objectives"]:
        sign = {True: "✔", False: "✘", None: "—"}[each["passed"]]
        assert found[each["title_zh"]][0].startswith(sign)
    assert found["过载时仍保持的办理能力（与峰值之比）"] == ("✘ 未达", "≥ 0.9", "0.7512")
    assert found["发压端未能按时发出的比例"] == ("✔ 达到", "≤ 0.1%", "0.051%")
    recovery = found["高峰过后恢复正常所需秒数"]
    assert recovery == ("— 未测", "≤ 2\N{NO-BREAK SPACE}秒", "未测得")


def test_a_chart_is_drawn_to_scale() -> None:
    """The line of what was wanted has a step a second, its highest at the named figure."""
    report = judged()
    html = render(report)
    (points,) = paths(html, "line offered")
    assert len(points) == 2 * 85  # from -15 to 70 seconds
    by_second: dict[int, float] = {}
    for tick in report["ticks"]:
        second = int(-(-tick["at"] // 1))
        by_second[second] = by_second.get(second, 0.0) + tick["offered"]
    most = max(by_second.values())
    assert f"最高 {most:,.0f} 件/秒" in html
    # What was wanted is zero before the opening: the lowest place. 20,000 is the highest.
    zero = max(y for _, y in points)
    grid = [float(y) for y in re.findall(r'y1="([\d.]+)" y2="[\d.]+" class="grid"', html)][:5]
    assert zero == grid[0]
    assert min(y for _, y in points) == pytest.approx(
        zero - (zero - grid[-1]) * most / 20_000, abs=0.1
    )


def test_the_page_loads_nothing_from_anywhere() -> None:
    """No script, no address, no picture, no font: and a policy that would refuse them."""
    html = render(judged(), Others(mutation=Found(MUTATION, NOW), faults=Found(FAULTS, NOW)))
    page = Page(html)
    assert not {"script", "link", "img", "image", "iframe", "object", "use"} & set(page.tags)
    assert "http:" not in html
    assert "https:" not in html
    assert not re.search(r"@import|@font-face|src=", html)
    assert set(re.findall(r"url\(([^)]*)\)", html)) == {"#hatched", "#dotted", "#pale"}
    assert not [name for _, name, _ in page.attributes if name in ("href", "src", "srcset")]
    assert not [name for _, name, _ in page.attributes if name.startswith("on")]
    policy = ("meta", "content", "default-src 'none'; style-src 'unsafe-inline'")
    assert policy in page.attributes
    assert len(html.encode()) < 1024 * 1024


def test_text_of_data_is_text() -> None:
    """Names, notes and reasons that look like elements are shown as they are written."""
    report = judged()
    report["scenario"] = report["target"] = ODD
    report["counties"][0]["name"] = ODD
    report["faults"][0] |= {"note": ODD, "kind": ODD, "victim": ODD}
    report["checks"][0] |= {"title_zh": ODD, "examples": [ODD]}
    report["phases"][0]["name"] = ODD
    report["notes_zh"] = [ODD]
    report["verdict"], report["inconclusive_because"] = "INCONCLUSIVE", [ODD]
    mutant = {"mechanism": ODD, "name": ODD, "harm": ODD, "caught": False}
    others = Others(
        mutation=Found({**MUTATION, "verdicts": [mutant]}, NOW),
        faults=Found({**FAULTS, "kinds": {ODD: FAULTS["kinds"]["kill"]}}, NOW),
    )
    html = render(report, others)
    page = Page(html)
    assert not {"script", "img"} & set(page.tags)
    assert page.text().count(ODD) >= 12


@pytest.mark.parametrize("broken", ["violation", "objective", "reason"])
def test_the_verdict_says_why(broken: str) -> None:
    """What broke is said at the top: rules, missed objectives, or why it is inconclusive."""
    report = judged()
    if broken == "violation":
        report["metrics"]["violations"] = report["violations"] = 3
        report["metrics"]["dropped_share"] = 0.2
    elif broken == "objective":
        report["metrics"]["goodput_overloaded_ratio"] = 0.5
    else:
        report["inconclusive_because"] = ["缺少一种故障"]
    judge(report, read_objectives())
    html = render(report)
    top = html[html.index('<div class="verdict') : html.index('<div class="tiles')]
    wanted = {
        "violation": ("FAIL", "有 3 处违反规则", "此外：测量不可信：发压端未能按时发出的比例。"),
        "objective": ("FAIL", "未达到的目标：过载时仍保持的办理能力（与峰值之比）。"),
        "reason": ("INCONCLUSIVE", "· 缺少一种故障"),
    }[broken]
    assert all(words in top for words in wanted)
    assert "顶得住" not in top


def test_a_rehearsal_without_anything_has_a_page() -> None:
    """No ticks, no counties, no room, no payments, no faults: tables remain, and no empty chart."""
    report = judged()
    report |= {"ticks": [], "counties": [], "faults": [], "phases": [], "latencies": []}
    report["room"] = None
    page = Page(render(report))
    assert "chart" not in {value for _, name, value in page.attributes if name == "class"}
    assert "0" in page.texts["b"]


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (1.0, "100%"),
        (0.999996, "99.99%"),
        (0.81532, "81.53%"),
        (0.5, "50%"),
        (0.0005, "0.05%"),
        (0.000001, "0.01%"),
        (0.0, "0%"),
    ],
)
def test_a_share_is_all_or_nothing_only_when_it_is(number: float, words: str) -> None:
    """What is nearly everybody is not said to be everybody."""
    assert share(number) == words


def test_every_kind_of_fault_and_victim_has_a_word() -> None:
    """A page for offices names none of them in English."""
    assert FAULT_WORDS.keys() == set(KINDS)
    victims = {
        victim for kind, plan in PLANS.items() if kind != CLOCK_JUMP for victim in plan.victims
    }
    assert victims == VICTIMS.keys() & victims


def test_two_faults_at_once_are_both_seen() -> None:
    """Their marks are in different rows, with the numbers that the table has."""
    report = judged()
    report["faults"] = [
        {**report["faults"][0], "at": at, "recovered_after": None} for at in (6.0, 6.2, 30.0)
    ]
    html = render(report)
    rows = re.findall(r'cy="([\d.]+)" r="7" class="fault-mark"', html)[:3]
    assert rows[0] == rows[2] != rows[1]
    numbers = re.findall(r'class="fault-number middle">(\d)<', html)[:3]
    assert numbers == ["1", "2", "3"]
    assert Page(html).cells.count("未恢复") == 3
    report["faults"][0]["note"] = "未生效：没有连接"
    assert Page(render(report)).cells.count("未恢复") == 2


def test_the_page_is_made_again_from_the_report(tmp_path: Path) -> None:
    """report.json alone is enough, and what is no report of this version is refused."""
    report = judged()
    file = tmp_path / REPORT_FILE
    file.write_text(json.dumps(report), encoding="utf-8")
    assert write_page(tmp_path, read_report(tmp_path)) == tmp_path / PAGE_FILE
    assert (tmp_path / PAGE_FILE).read_text(encoding="utf-8") == render(report)
    for content in ('{"version": 0}', "[]", "no JSON", '{"version": 1}', '{"version": 2}'):
        file.write_text(content, encoding="utf-8")
        with pytest.raises(ReportError):
            read_report(tmp_path)


def test_the_page_shows_what_other_rehearsals_found(tmp_path: Path) -> None:
    """The last faults and mutants below `out`, with what was missed outside of what is folded."""
    for folder, name, content in (
        ("mutation", "mutation.json", MUTATION),
        ("faults", "report.json", FAULTS),
    ):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / name).write_text(json.dumps(content), encoding="utf-8")
    html = render(judged(), read_others(tmp_path))
    faults = section(html, "另一次演练：接连注入故障")
    assert "注入 213 次故障" in faults.text()
    assert faults.cells[-5:] == ["45", *(f"{n}\N{NO-BREAK SPACE}秒" for n in (1.9, 3.2)), "17", "0"]
    mutants = section(html, "另一项检验：拆掉安全机制，测试必须发现")
    assert "逐一拆除 2 个安全机制并重跑测试，1 个被发现" in mutants.text()
    assert mutants.cells[2:4] == ["A CHECKcheck", "Nobody sees it"]
    assert read_others(tmp_path / "nothing") == Others()
    (tmp_path / "faults" / "report.json").write_text("{}", encoding="utf-8")
    with pytest.raises(ValueError, match=r"faults/report\.json"):
        read_others(tmp_path)


def test_the_command_makes_the_page_anew(tmp_path: Path) -> None:
    """`zikao rush report FOLDER` starts nothing; a folder without a report is an error."""
    (tmp_path / REPORT_FILE).write_text(json.dumps(judged()), encoding="utf-8")
    done = CliRunner().invoke(main, ["rush", "report", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert "PASS" in (tmp_path / PAGE_FILE).read_text(encoding="utf-8")
    refused = CliRunner().invoke(main, ["rush", "report", str(tmp_path / "nothing")])
    assert refused.exit_code == 1
