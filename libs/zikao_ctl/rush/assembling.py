"""The report, of what was counted and of what the databases say at the end."""

from __future__ import annotations

import os
import platform
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version

import asyncpg
from zikao_kit.clock import OffsetClock

from zikao_ctl.installation import Installation
from zikao_ctl.invariants import RULES, SETTLED, count_violations
from zikao_ctl.rush import checking, measuring, records
from zikao_ctl.rush.histograms import merged
from zikao_ctl.rush.people import Candidate, plan_sha256
from zikao_ctl.rush.preparing import opens_at
from zikao_ctl.rush.records import Report, Tick
from zikao_ctl.rush.scenario import Scenario
from zikao_ctl.rush.verdict import judge, read_objectives
from zikao_ctl.session_model import SessionFile


@dataclass(frozen=True)
class Run:
    """What a rehearsal did. `top`: the highest rate of those who came; `paid`: by part."""

    scenario: Scenario
    session: SessionFile
    seed: int
    people: Sequence[Candidate]
    coming: int
    seconds: float
    peak: float
    top: float
    began_at: datetime
    ticks: Sequence[Tick]
    phases: Sequence[records.Phase]
    counties: Sequence[records.CountySeats]
    paid: Mapping[str, int]
    acks: Sequence[checking.Ack]


async def write_up(installation: Installation, run: Run) -> Report:
    """Compare, count, judge."""
    dsn, opening = installation.admin_dsn, opens_at(run.scenario, run.session)
    platform_file = installation.layout.payment / "payment.sqlite"
    checks = await checking.compare(dsn, platform_file, run.session.code, run.acks)
    payments, notified = await checking.booked(dsn, run.paid, opening.timestamp())
    violations = await count_violations(dsn, OffsetClock(installation.clock_file).now())
    metrics = measuring.metrics_of(
        run.ticks,
        phases=run.phases,
        peak=run.peak,
        load_factor=run.top / run.peak if run.peak else 0.0,
        outcomes=Counter(ack["outcome"] for ack in run.acks),
        checks=checks,
        payments=payments,
        broken_invariants=sum(violations.values()),
    )
    latencies = merged(tick["hist"] for tick in run.ticks if tick["at"] > 0).latencies()
    report = Report(
        version=records.REPORT_VERSION,
        verdict="INCONCLUSIVE",
        violations=round(metrics["violations"]),
        inconclusive_because=[],
        began_at=run.began_at.isoformat(),
        took_seconds=(datetime.now(UTC) - run.began_at).total_seconds(),
        target="embedded",
        scenario=run.scenario.name,
        seed=run.seed,
        plan_sha256=plan_sha256(run.people),
        candidates=run.coming,
        counties_count=len(run.session.counties),
        seats=sum(sum(county.seats) for county in run.session.counties),
        opening_seconds=run.seconds,
        peak=run.peak,
        load_factor=metrics["load_factor"],
        machine=await _machine(dsn),
        phases=list(run.phases),
        ticks=list(run.ticks),
        latencies=[*latencies, *notified.latencies()],
        counties=list(run.counties),
        room=None,
        payments=payments,
        faults=[],
        invariants=_invariants(violations),
        checks=checks,
        metrics=metrics,
        objectives=[],
        notes_zh=_notes(run),
    )
    judge(report, read_objectives())
    return report


def _invariants(violations: Mapping[str, int]) -> list[records.InvariantRecord]:
    titles = {name: title for rules in (*RULES.values(), SETTLED) for name, title in rules.items()}
    return [
        {"name": name, "title_zh": titles[name], "violations": count}
        for name, count in violations.items()
    ]


def _notes(run: Run) -> list[str]:
    reasons = Counter(ack["reason"] for ack in run.acks if ack["reason"])
    refused = "、".join(f"{reason} {count}人" for reason, count in reasons.most_common())
    return [
        "考生及其志愿由种子生成，可重复；请求编号每次不同。",
        "考生按旧系统考生的方式写入注册服务，再经推送到达报考与准考证服务。",
        "考生令牌用本安装的签名密钥签发，未逐一登录：十万次口令验算需一小时以上。",
        f"获得考位者中约{run.scenario.pay.share:.0%}在演练中缴费，其余到期释放。",
        "发压端、数据库与各服务共用本机处理器。“办理”指得到考位或最终答复。",
        f"未获考位的原因：{refused}。" if refused else "来者均获考位。",
    ]


async def _machine(dsn: str) -> records.Machine:
    connection = await asyncpg.connect(dsn)
    try:
        postgres = await connection.fetchval("SHOW server_version")
    finally:
        await connection.close()
    return {
        "cores": os.cpu_count() or 1,
        "python": platform.python_version(),
        "postgres": postgres,
        "zikao": version("zikao"),
        "generators": generators_here(),
    }


def generators_here() -> int:
    """Processes that generate load: one core is the system's."""
    return max(1, (os.cpu_count() or 1) - 1)
