"""What a rehearsal of faults has shown: for people a table, for machines report.json."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from zikao_kit.files import write_whole

from zikao_ctl.faults.load import Load
from zikao_ctl.faults.running import Happened
from zikao_ctl.faults.witness import Outcome

PASS, FAIL, INCONCLUSIVE = "PASS", "FAIL", "INCONCLUSIVE"
EXIT_CODES = {PASS: 0, FAIL: 1, INCONCLUSIVE: 3}


@dataclass(frozen=True)
class Wanted:
    """What was to be shown, and how it ended.

    `problem`: what did not come back; `cut_short`: why less was broken, though nothing was wrong.
    """

    seed: int
    count: int
    kinds: Collection[str]
    seconds: float
    rests: int
    problem: str = ""
    cut_short: str = ""


def report_of(wanted: Wanted, happened: Sequence[Happened], load: Load) -> dict[str, Any]:
    """The content of report.json."""
    effective = [each for each in happened if each.effective]
    by_kind = {kind: _of_kind(kind, effective) for kind in wanted.kinds}
    violations = [violation for each in happened for violation in each.violations]
    missing = sorted(kind for kind, found in by_kind.items() if not found["count"])
    enough = len(effective) >= wanted.count and not missing and not wanted.cut_short
    witness = load.witness
    return {
        "verdict": FAIL if violations or wanted.problem else PASS if enough else INCONCLUSIVE,
        "violations": len(violations) + bool(wanted.problem),
        "seed": wanted.seed,
        "faults": len(effective),
        "wanted": wanted.count,
        "without_effect": len(happened) - len(effective),
        "missing_kinds": missing,
        "seconds": round(wanted.seconds, 1),
        "problem": wanted.problem or wanted.cut_short,
        "what_was_wrong": violations,
        "kinds": by_kind,
        "audits": len(happened),
        "comparisons_at_rest": wanted.rests,
        "calls": {
            "sent": load.sent,
            "dropped": load.dropped,
            **{outcome: witness.counts[outcome] for outcome in Outcome},
            "by_method": dict(sorted(witness.counts.items())),
        },
        "doubtful": dict(witness.resolutions),
        "payments": len(load.paid),
        "schedule": [_entry(each) for each in happened],
    }


def write_report(folder: Path, report: Mapping[str, Any]) -> None:
    """As report.json."""
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / "report.json", json.dumps(report, ensure_ascii=False, indent=1))


def show_report(console: Console, report: Mapping[str, Any]) -> None:
    """The table, and the verdict under it."""
    table = Table("故障 kind", "次数 n", "恢复 s: 中位 / 最长", "存疑 in doubt", "违反 violations")
    for kind, found in report["kinds"].items():
        recovery = f"{found['recovery_median']:.1f} / {found['recovery_max']:.1f}"
        wrong = found["violations"]
        table.add_row(
            kind,
            str(found["count"]),
            recovery,
            str(found["doubtful"]),
            f"[red]{wrong}[/]" if wrong else "0",
        )
    console.print(table)
    calls, doubtful = report["calls"], report["doubtful"]
    console.print(
        f"{report['faults']} faults in {report['seconds']:.0f} s, seed {report['seed']}; "
        f"{report['without_effect']} more had no effect and do not count"
    )
    console.print(
        f"calls: {calls['sent']} sent, {calls['acknowledged']} acknowledged, "
        f"{calls['refused']} refused, {calls['shed']} shed, {calls['doubtful']} in doubt"
    )
    for words, count in doubtful.items():
        console.print(f"  of those in doubt {count}: {words}")
    for problem in filter(None, [report["problem"], *report["what_was_wrong"]]):
        console.print(f"[red]{problem}[/]", markup=True)
    if report["missing_kinds"]:
        console.print(f"never happened: {', '.join(report['missing_kinds'])}")
    console.print(f"verdict: {report['verdict']}")


def _of_kind(kind: str, effective: Sequence[Happened]) -> dict[str, Any]:
    found = [each for each in effective if each.fault.kind == kind]
    seconds = sorted(each.recovery_seconds for each in found) or [0.0]
    return {
        "count": len(found),
        "recovery_median": round(seconds[len(seconds) // 2], 2),
        "recovery_max": round(seconds[-1], 2),
        "doubtful": sum(each.doubtful for each in found),
        "violations": sum(len(each.violations) for each in found),
    }


def _entry(happened: Happened) -> dict[str, Any]:
    return {**asdict(happened.fault), **asdict(happened), "fault": None} | {
        "recovery_seconds": round(happened.recovery_seconds, 2)
    }
