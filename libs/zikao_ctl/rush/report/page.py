"""The whole page."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from xml.etree.ElementTree import Element

from zikao_kit.files import write_whole

from zikao_ctl.rush.records import REPORT_VERSION, Report, Room
from zikao_ctl.rush.report import charts, grids, summary, tables
from zikao_ctl.rush.report.elements import element, written
from zikao_ctl.rush.report.frame import Band, Fault, Time
from zikao_ctl.rush.report.legends import patterns
from zikao_ctl.rush.report.numbers import figure, whole
from zikao_ctl.rush.report.others import Others
from zikao_ctl.rush.report.others import sections as other_sections
from zikao_ctl.rush.report.series import Step, steps_of
from zikao_ctl.rush.report.texts import FAULTS, PHASES, VICTIMS

STYLE = Path(__file__).with_name("style.css")
REPORT_FILE, PAGE_FILE = "report.json", "report.html"
NO_OTHERS = Others()
# Nothing may be loaded from anywhere, whatever the page says.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


class ReportError(ValueError):
    """There is no report that can be shown."""


def read_report(folder: Path) -> Report:
    """The report of a folder. Raises ReportError, OSError."""
    file = folder / REPORT_FILE
    try:
        report: Report = json.loads(file.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ReportError(f"{file}: {error}") from error
    if not isinstance(report, dict) or report.get("version") != REPORT_VERSION:
        raise ReportError(f"{file} is no report of version {REPORT_VERSION}")
    if missing := Report.__annotations__.keys() - report.keys():
        raise ReportError(f"{file} lacks {', '.join(sorted(missing))}")
    return report


def write_page(folder: Path, report: Report, others: Others = NO_OTHERS) -> Path:
    """Write report.html into a folder and return its path."""
    file = folder / PAGE_FILE
    write_whole(file, render(report, others))
    return file


def render(report: Report, others: Others = NO_OTHERS) -> str:
    """The page as HTML."""
    body = element("body", patterns(), _sections(report, others))
    page = element(
        "html",
        element(
            "head",
            element("meta", charset="utf-8"),
            element("meta", http_equiv="Content-Security-Policy", content=_POLICY),
            element("meta", name="viewport", content="width=device-width, initial-scale=1"),
            element("title", f"自考报名开放压力演练报告：{report['verdict']}"),
            element("style", STYLE.read_text(encoding="utf-8")),
        ),
        body,
        lang="zh-CN",
    )
    return f"<!DOCTYPE html>\n{written(page)}\n"


def _sections(report: Report, others: Others) -> Iterator[Element]:
    yield from summary.heading(report)
    yield summary.verdict(report)
    yield summary.tiles(report)
    yield from summary.objectives(report)
    if steps := steps_of(report):
        yield from _over_time(report, steps, time_of(report, steps))
    if room := report["room"]:
        yield from _draw(room)
    yield from _latencies(report)
    if report["faults"]:
        yield element("h2", "演练中注入的故障")
        yield tables.faults(report["faults"])
    yield element("h2", "规则逐条核对")
    yield element("p", "演练结束后，用发压端自己记下的每一个答复与数据库逐条比对，再跑全部规则。")
    yield from tables.rules(report["checks"], report["invariants"])
    yield from other_sections(others)
    yield from _method(report)


def time_of(report: Report, steps: list[Step]) -> Time:
    """What the charts over time share."""
    bands = [
        Band(each["begins"], each["ends"], PHASES.get(each["name"], each["name"]))
        for each in report["phases"]
    ]
    low = min([steps[0].begins, *(band.begins for band in bands)])
    high = max([steps[-1].ends, *(band.ends for band in bands)])
    faults = [
        Fault(
            each["at"],
            number,
            f"{VICTIMS.get(each['victim'], each['victim'])}："
            f"{FAULTS.get(each['kind'], each['kind'])}",
        )
        for number, each in enumerate(report["faults"], 1)
    ]
    return Time(low, high, bands, faults)


def _over_time(report: Report, steps: list[Step], time: Time) -> Iterator[Element]:
    yield element("h2", "每秒想要提交的报考，与系统的答复")
    yield element(
        "p",
        "黑线是考生想要提交的速度；下面的色块是结果。系统按自己的能力办理，"
        "多出来的由门户代为等候或请其稍后再来，不让系统垮掉。",
    )
    yield charts.requests(steps, time, report["peak"])
    yield element("p", "放大看其中真正到达系统的部分：办成的报考应当贴近峰值办理能力，始终平稳。")
    yield charts.arrivals(steps, time, report["peak"])
    yield element("h2", "提交报考多久得到答复")
    yield charts.latencies(steps, time)
    if report["counties"]:
        yield element("h2", "最热门考区的余位")
        yield grids.seats(report["counties"], time)
    if room := report["room"]:
        yield element("h2", "候场室")
        yield charts.waiting(room, time)
        yield charts.admission(room, time)
    if report["payments"]["made"]:
        yield from _payments(report, time)


def _payments(report: Report, time: Time) -> Iterator[Element]:
    money = report["payments"]
    yield element("h2", "缴费")
    yield element(
        "p",
        f"平台收到 {whole(money['made'])} 笔，入账 {whole(money['booked'])} 笔，其中"
        f" {whole(money['booked_within_1s'])} 笔在1秒内。"
        f"演练中故意安排：迟缴 {whole(money['late'])} 笔，"
        f"缴两次 {whole(money['twice'])} 人，金额不符 {whole(money['wrong_amount'])} 笔，"
        f"不缴 {whole(money['never'])} 人；已退款 {whole(money['refunded'])} 笔。",
    )
    yield charts.payments(money, time)


def _draw(room: Room) -> Iterator[Element]:
    yield element("h2", "抽签是否公平")
    yield element(
        "p",
        f"{whole(room['drawn'])} 人在开放前进入候场室（共 {whole(room['joins'])} 次请求，"
        f"含多个窗口），开放时抽签定先后；其中 {whole(room['told'])} 人得知了自己的名次。"
        "纵向是到达先后，横向是考生得知的名次：若早到或晚到都不占便宜，整片应是深浅均匀的浅灰。",
    )
    p = room["chi_square_p"]
    if p is None:
        yield element("p", "未抽签，或得知名次的考生太少：公平与否未测得。")
        return
    yield element(
        "p",
        f"卡方检验 p = {figure(p)}："
        + ("看不出任何偏向。" if p >= 0.001 else "如此偏差在公平抽签中不到千分之一，应查明原因。"),
    )
    yield grids.draw(room)


def _latencies(report: Report) -> Iterator[Element]:
    yield element("h2", "各类请求的用时")
    yield element("p", "从原定时刻算起，不是从实际发出时算起。")
    yield tables.latencies(report["latencies"])


def _method(report: Report) -> Iterator[Element]:
    yield element("h2", "怎样测得的")
    yield element("div", [element("p", f"· {note}") for note in report["notes_zh"]])
    yield tables.phases(report["phases"])
    yield tables.origin(report)
    yield element("h2", "用词")
    yield tables.glossary()
