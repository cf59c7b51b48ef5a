"""The top of the page: what it was, the verdict in a sentence, five figures, the objectives."""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree.ElementTree import Element

from zikao_ctl.rush.records import ObjectiveResult, Report
from zikao_ctl.rush.report.elements import element
from zikao_ctl.rush.report.numbers import (
    figure,
    milliseconds,
    people,
    seconds,
    share,
    when,
    whole,
)
from zikao_ctl.rush.report.tables import table
from zikao_ctl.rush.report.texts import VERDICTS

# Who misses 99.9% by little should not read 99.9%.
_EXACT_DIGITS = 3
UNMEASURED = "未测得"
_SIGNS = {"==": "＝", "<=": "≤", ">=": "≥"}


def heading(report: Report) -> Iterator[Element]:
    """What was rehearsed, where and when."""
    where = "在一台机器上的全套系统" if report["target"] == "embedded" else f"在 {report['target']}"
    yield element("h1", "自考报名开放压力演练报告")
    yield element(
        "p",
        f"{when(report['began_at'])}，{where}，方案“{report['scenario']}”："
        f"{people(report['candidates'])}名考生，{whole(report['counties_count'])}个考区，"
        f"{people(report['seats'])}个考位。",
        class_="soft",
    )


def verdict(report: Report) -> Element:
    """The verdict: a word, a sign and a frame that differ without colours, and why."""
    word, kind = VERDICTS[report["verdict"]]
    return element(
        "div",
        element("b", f"{word}　{report['verdict']}"),
        [element("p", sentence) for sentence in _reasons(report)],
        class_=f"verdict {kind}",
    )


def _reasons(report: Report) -> Iterator[str]:
    said = " ".join(report["inconclusive_because"])
    missed = [
        each["title_zh"]
        for each in report["objectives"]
        if each["passed"] is False and each["title_zh"] not in said
    ]
    factor = f"开放后涌入的报考最多达到峰值办理能力的{figure(round(report['load_factor'], 1))}倍"
    if report["verdict"] == "PASS":
        yield f"顶得住。{factor}，{len(report['objectives'])}项目标全部达到。"
        yield (
            f"系统答复“成功”的报考一件不丢；没有超卖考位，没有重复收费，没有人同时占两个考区"
            f"（违反规则 {whole(report['violations'])} 处）。"
        )
        return
    if report["verdict"] == "INCONCLUSIVE":
        yield "这次演练不能下结论，应排除下列原因后重做。"
        yield from (f"· {reason}" for reason in report["inconclusive_because"])
    else:
        yield f"没有顶住。{factor}。"
    if report["violations"]:
        yield f"有 {whole(report['violations'])} 处违反规则，见“规则逐条核对”。"
    if missed:
        yield f"未达到的目标：{'；'.join(missed)}。"
    if report["verdict"] == "FAIL" and report["inconclusive_because"]:
        yield f"此外：{'；'.join(report['inconclusive_because'])}。"


def tiles(report: Report) -> Element:
    """Five figures."""
    metrics = report["metrics"]
    accepted = sum(tick["accepted"] for tick in report["ticks"] if tick["at"] > 0)
    p99 = metrics.get("submit_p99_overloaded_ms")
    booked = metrics.get("payments_within_1s_share")
    figures = (
        (whole(accepted), "开放后办成的报考（件）"),
        (whole(report["peak"]), "峰值办理能力（件/秒）"),
        (f"{figure(round(report['load_factor'], 1))} 倍", "最高涌入，与峰值之比"),
        (UNMEASURED if p99 is None else milliseconds(p99), "过载时99%的提交在此时间内答复"),
        (UNMEASURED if booked is None else share(booked), "缴费通知在1秒内入账"),
    )
    return element(
        "div",
        [
            element("div", element("b", value), element("span", name), class_="tile")
            for value, name in figures
        ],
        class_="tiles",
    )


def objectives(report: Report) -> Iterator[Element]:
    """Each objective with what was wanted and what was measured."""
    yield element("h2", "目标与结果")
    yield table(
        ("", "目标", "要求", "实测"),
        [
            (
                _mark(each),
                each["title_zh"],
                f"{_SIGNS.get(each['op'], each['op'])} {in_unit(each['metric'], each['limit'])}",
                UNMEASURED if each["value"] is None else in_unit(each["metric"], each["value"]),
            )
            for each in report["objectives"]
        ],
        figures=(2, 3),
        missed=[each["passed"] is False for each in report["objectives"]],
    )


def in_unit(metric: str, value: float) -> str:
    """A figure as its metric's name says."""
    if metric.endswith("_share"):
        return share(value, _EXACT_DIGITS)
    if metric.endswith("_seconds"):
        return seconds(value)
    if metric.endswith("_ms"):
        return milliseconds(value)
    return figure(value)


def _mark(result: ObjectiveResult) -> Element:
    words = {True: ("✔ 达到", "met"), False: ("✘ 未达", "missed"), None: ("— 未测", "soft")}
    word, kind = words[result["passed"]]
    return element("span", word, class_=kind)
