"""The charts over time: requests, latencies, the waiting room, payments."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from xml.etree.ElementTree import Element

from zikao_ctl.rush.records import Payments, Room
from zikao_ctl.rush.report.frame import (
    Frame,
    Time,
    area,
    axes,
    events,
    level,
    line,
    peak,
    tips,
)
from zikao_ctl.rush.report.legends import (
    DOTTED,
    GREY,
    HATCHED,
    PALE,
    SOLID,
    area_of,
    block,
    line_of,
)
from zikao_ctl.rush.report.numbers import figure, milliseconds, moment, whole
from zikao_ctl.rush.report.scales import ratio_ticks, round_ticks
from zikao_ctl.rush.report.series import Step, highest, number_of, step_seconds
from zikao_ctl.rush.report.texts import COUNTS

FILLS = {"accepted": SOLID, "refused": GREY, "shed": HATCHED, "held_back": DOTTED}
ALL, ARRIVED = tuple(FILLS), ("accepted", "refused", "shed")


def requests(steps: Sequence[Step], time: Time, capacity: float) -> Element:
    """What was wanted and what became of it, a second."""
    return _stack(
        steps, time, capacity, ("offered", ALL), label="每秒想要提交的报考与结果", height=340
    )


def arrivals(steps: Sequence[Step], time: Time, capacity: float) -> Element:
    """What reached the service, and what it made of it: the lowest part of the other, larger."""
    return _stack(
        steps, time, capacity, ("sent", ARRIVED), label="每秒到达系统的报考与结果", height=260
    )


def _stack(
    steps: Sequence[Step],
    time: Time,
    capacity: float,
    shown: tuple[str, Sequence[str]],
    *,
    label: str,
    height: float,
) -> Element:
    wanted, parts = shown
    frame = Frame(label, "件/秒", time, height=height)
    sums = [sum(step.rates[name] for name in parts) for step in steps]
    at, rate = highest(steps, wanted)
    ticks = round_ticks(max([rate, capacity, *sums]))
    frame.y = frame.linear(ticks)
    axes(frame, ticks, [whole(tick) for tick in ticks])
    below = [0.0] * len(steps)
    for name in parts:
        above = [low + step.rates[name] for low, step in zip(below, steps, strict=True)]
        corners = [
            (step.begins, step.ends, low, high)
            for step, low, high in zip(steps, below, above, strict=True)
        ]
        area(frame, corners, name, FILLS[name])
        below = above
    # As steps, like what became of it: a line from middle to middle would cut corners.
    rates = [(at, step.rates[wanted]) for step in steps for at in (step.begins, step.ends)]
    line(frame, rates, wanted)
    if capacity:
        level(frame, capacity, f"测得的峰值办理能力 {whole(capacity)} 件/秒")
    events(frame)
    if rate:
        peak(frame, at, rate, f"最高 {whole(rate)} 件/秒")
    tips(frame, ((step.begins, step.ends, _what_became(step)) for step in steps))
    entries = [(line_of(wanted), COUNTS[wanted])]
    entries += [(area_of(FILLS[name]), COUNTS[name]) for name in parts]
    return block(frame.draw(), entries)


def _what_became(step: Step) -> str:
    parts = [f"{word} {whole(step.rates[name])}" for name, word in COUNTS.items()]
    return f"{moment(step.begins)}起，每秒：\n" + "\n".join(parts)


def latencies(steps: Sequence[Step], time: Time) -> Element:
    """How long those who were accepted waited for the answer, by ratios."""
    frame = Frame("每秒提交报考的响应时间", "毫秒（对数刻度）", time)
    seen = [value for step in steps for value in (step.p50_ms, step.p99_ms) if value is not None]
    ticks = ratio_ticks(seen)
    frame.y = frame.log(ticks)
    axes(frame, ticks, [figure(tick) for tick in ticks])
    line(frame, ((step.middle, step.p50_ms) for step in steps), "dashed")
    line(frame, ((step.middle, step.p99_ms) for step in steps), "bold")
    events(frame)
    tips(
        frame,
        (
            (
                step.begins,
                step.ends,
                f"{moment(step.begins)}起\np50 {milliseconds(step.p50_ms)}"
                f"\np99 {milliseconds(step.p99_ms)}",
            )
            for step in steps
            if step.p50_ms is not None and step.p99_ms is not None
        ),
    )
    entries = [
        (line_of("dashed"), "p50（一半请求比这快）"),
        (line_of("bold"), "p99（99%的请求比这快）"),
    ]
    return block(frame.draw(), entries)


def waiting(room: Room, time: Time) -> Element:
    """How many waited in the room."""
    frame = Frame("候场室中等待的人数", "人", time, height=230)
    ticks = round_ticks(max((tick["waiting"] for tick in room["ticks"]), default=0))
    frame.y = frame.linear(ticks)
    axes(frame, ticks, [whole(tick) for tick in ticks])
    corners = [
        (one["at"], other["at"], 0.0, float(one["waiting"]))
        for one, other in pairwise(room["ticks"])
    ]
    area(frame, corners, "waiting", PALE)
    line(frame, ((tick["at"], tick["waiting"]) for tick in room["ticks"]), "bold")
    events(frame)
    tips(
        frame,
        (
            (begins, ends, f"{moment(begins)}\n等待 {whole(count)} 人")
            for begins, ends, _, count in corners
        ),
    )
    return block(frame.draw(), [(line_of("bold"), "等待人数")])


def admission(room: Room, time: Time) -> Element:
    """How many were admitted a second, and how many should have been."""
    frame = Frame("候场室每秒放行人数", "人/秒", time, height=230)
    admitted = admitted_rates(room)
    wanted = [(tick["at"], tick["rate"]) for tick in room["ticks"]]
    most = max((rate for _, rate in [*admitted, *wanted]), default=0.0)
    ticks = round_ticks(most)
    frame.y = frame.linear(ticks)
    axes(frame, ticks, [whole(tick) for tick in ticks])
    line(frame, admitted, "bold")
    line(frame, wanted, "dashed")
    events(frame)
    return block(
        frame.draw(),
        [(line_of("bold"), "实际放行"), (line_of("dashed"), "当时的目标（无人等待时放不满）")],
    )


def admitted_rates(room: Room) -> list[tuple[float, float]]:
    """(moment, admitted a second) between the ticks, about a second wide."""
    found, first = [], None
    for tick in room["ticks"]:
        if first is None:
            first = tick
        elif tick["at"] - first["at"] >= 1 - 1e-6:
            passed = tick["at"] - first["at"]
            rate = (tick["admitted_until"] - first["admitted_until"]) / passed
            found.append(((tick["at"] + first["at"]) / 2, rate))
            first = tick
    return found


def payments(money: Payments, time: Time) -> Element:
    """Payments made, and booked, a second."""
    frame = Frame("每秒缴费与入账笔数", "笔/秒", time, height=230)
    width = step_seconds(time.high - time.low)
    made: dict[int, int] = {}
    booked: dict[int, int] = {}
    for at, one, other in money["series"]:
        if not time.low < at <= time.high:
            continue  # long after: those who pay late
        number = number_of(at, width)
        made[number] = made.get(number, 0) + one
        booked[number] = booked.get(number, 0) + other
    most = max([*made.values(), *booked.values()], default=0) / width
    ticks = round_ticks(most)
    frame.y = frame.linear(ticks)
    axes(frame, ticks, [figure(tick) for tick in ticks])
    for counts, kind in ((made, ""), (booked, "bold dashed")):
        points = (((n + 0.5) * width, count / width) for n, count in sorted(counts.items()))
        line(frame, points, kind)
    events(frame)
    return block(frame.draw(), [(line_of(""), "平台收到"), (line_of("bold dashed"), "系统入账")])
