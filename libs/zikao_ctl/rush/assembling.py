"""The report, of what was counted and of what the databases say at the end."""

from __future__ import annotations

import os
import platform
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version

from zikao_ctl.invariants import RULES, SETTLED
from zikao_ctl.rush import checking, measuring, records
from zikao_ctl.rush.histograms import merged
from zikao_ctl.rush.people import Candidate, plan_sha256
from zikao_ctl.rush.records import Report, Tick
from zikao_ctl.rush.scenario import Scenario
from zikao_ctl.rush.submissions import REFUSED
from zikao_ctl.rush.verdict import judge, judged_while_broken, read_objectives
from zikao_ctl.session_model import SessionFile

# A final no that is an answer to a fair wish.
FULL = frozenset({"SOLD_OUT"})
# Of the load that was planned, at least so much has to come.
ENOUGH_OF_PLANNED = 0.8
NO_EFFECT = "no effect"


@dataclass(frozen=True)
class Run:
    """What a rehearsal did. `paid`: by part.

    `pays`: whether people were to pay at all.
    """

    scenario: Scenario
    session: SessionFile
    seed: int
    people: Sequence[Candidate]
    coming: int
    seconds: float
    peak: float
    peak_found: bool
    began_at: datetime
    ticks: Sequence[Tick]
    phases: Sequence[records.Phase]
    counties: Sequence[records.CountySeats]
    paid: Mapping[str, int]
    pays: bool
    acks: Sequence[checking.Ack]


@dataclass(frozen=True)
class Found:
    """What there is afterwards; `violations` by invariant, `notified`: how long payments took.

    `unseen_share`: of a deployment's candidates, those whose orders could not be had.
    """

    target: str
    checks: Sequence[records.Check]
    payments: records.Payments
    notified: Sequence[records.Latency]
    violations: Mapping[str, int]
    postgres: str
    notes_zh: Sequence[str]
    room: records.Room | None = None
    places_per_candidate: float = 0.0
    unseen_share: float | None = None


def write_up(run: Run, found: Found, faults: Sequence[records.FaultRecord] = ()) -> Report:
    """Count and judge."""
    metrics = measuring.metrics_of(
        run.ticks,
        phases=run.phases,
        peak=run.peak,
        outcomes=Counter(ack["outcome"] for ack in run.acks),
        checks=found.checks,
        payments=found.payments,
        broken_invariants=sum(found.violations.values()),
        in_line=run.scenario.waiting_room,
    )
    metrics |= _other_metrics(run, found, faults)
    latencies = merged(tick["hist"] for tick in run.ticks if tick["at"] > 0).latencies()
    report = Report(
        version=records.REPORT_VERSION,
        verdict="INCONCLUSIVE",
        violations=round(metrics["violations"]),
        inconclusive_because=[
            *peak_problems(run.peak, found=run.peak_found),
            *load_problems(metrics["load_factor"], run.scenario.load_factor),
        ],
        began_at=run.began_at.isoformat(),
        took_seconds=(datetime.now(UTC) - run.began_at).total_seconds(),
        target=found.target,
        scenario=run.scenario.name,
        seed=run.seed,
        plan_sha256=plan_sha256(run.people),
        candidates=run.coming,
        counties_count=len(run.session.counties),
        seats=sum(sum(county.seats) for county in run.session.counties),
        opening_seconds=run.seconds,
        peak=run.peak,
        load_factor=metrics["load_factor"],
        machine=_machine(found.postgres),
        phases=list(run.phases),
        ticks=list(run.ticks),
        latencies=[*latencies, *found.notified],
        counties=list(run.counties),
        room=found.room,
        payments=found.payments,
        faults=list(faults),
        invariants=_invariants(found.violations),
        checks=list(found.checks),
        metrics=metrics,
        objectives=[],
        notes_zh=[*found.notes_zh, *_notes(run)],
    )
    judge(report, judged_while_broken(read_objectives()) if faults else read_objectives())
    return report


def _other_metrics(
    run: Run, found: Found, faults: Sequence[records.FaultRecord]
) -> dict[str, float]:
    """Of what not every rehearsal has."""
    metrics = {"odd_refusals_share": odd_refusals_share(run.acks)}
    if run.pays:
        metrics["payers_failed_share"] = failed_share(run.paid)
    if faults:
        metrics |= fault_metrics(faults)
    if found.unseen_share is not None:
        metrics["unseen_share"] = found.unseen_share
    if found.room is not None:
        metrics["room_places_per_candidate"] = found.places_per_candidate
        if (p := found.room["chi_square_p"]) is not None:
            metrics["room_chi_square_p"] = p
    return metrics


def odd_refusals_share(acks: Sequence[checking.Ack]) -> float:
    """Of all who came, those refused for what a real opening has not: shut, not approved, ..."""
    odd = [ack for ack in acks if ack["outcome"] == REFUSED and ack["reason"] not in FULL]
    return len(odd) / max(1, len(acks))


def fault_metrics(faults: Sequence[records.FaultRecord]) -> dict[str, float]:
    """Whether anything was broken, and whether it was well again each time."""
    idle = sum(fault["note"].startswith(NO_EFFECT) for fault in faults)
    return {
        "faults_not_recovered": float(sum(each["recovered_after"] is None for each in faults)),
        "faults_without_effect_share": idle / len(faults),
    }


def failed_share(paid: Mapping[str, int]) -> float:
    """Of all who were to pay, those who could not; each counts once, who pays twice too."""
    parts = ("prompt", "first_of_two", "late", "never", "wrong_amount", "failed")
    return paid.get("failed", 0) / max(1, sum(paid.get(part, 0) for part in parts))


def peak_problems(peak: float, *, found: bool) -> list[str]:
    """Why a rehearsal that measures by the peak measures nothing."""
    if peak > 0 and found:
        return []
    return [
        "峰值未找到：校准结束时系统仍未饱和，或参加校准的考生不够，倍数不可信"
        if peak > 0
        else "峰值未找到：校准时无人办成"
    ]


def load_problems(measured: float, planned: float) -> list[str]:
    """Why it was no rehearsal of what was planned: less came than was to."""
    if measured >= ENOUGH_OF_PLANNED * planned:
        return []
    return [f"负载不足：最忙一秒只有峰值的{measured:.1f}倍，计划为{planned:.1f}倍"]


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
        "考生的志愿与到达时刻由种子生成，可重复；请求编号每次不同。",
        "“办理”指得到考位或最终答复。",
        f"未获考位的原因：{refused}。" if refused else "来者均获考位。",
    ]


def _machine(postgres: str) -> records.Machine:
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
