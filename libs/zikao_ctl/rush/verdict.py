"""PASS, FAIL or INCONCLUSIVE: a rehearsal's figures against its objectives, which are data.

The objectives are in objectives.yaml beside this file, which says what each kind means.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import yaml

from zikao_ctl.rush.records import METRICS, ObjectiveResult, Report, Verdict

OBJECTIVES_FILE = Path(__file__).with_name("objectives.yaml")
OVERLOADED_FROM = 1.5
"""Highest offered rate over the peak from which a rehearsal shows what overload does."""
EXIT_CODES: Mapping[Verdict, int] = {"PASS": 0, "FAIL": 1, "INCONCLUSIVE": 3}

Kind = Literal["safety", "service", "measurement"]
KINDS: Sequence[Kind] = ("safety", "service", "measurement")
_OPS: Mapping[str, Callable[[float, float], bool]] = {
    "==": operator.eq,
    "<=": operator.le,
    ">=": operator.ge,
}
_WHEN: Mapping[str, Callable[[Report], bool]] = {
    "": lambda _: True,
    "room": lambda report: report["room"] is not None,
    "faults": lambda report: bool(report["faults"]),
    "overload": lambda report: report["load_factor"] >= OVERLOADED_FROM,
    "target": lambda report: "unseen_share" in report["metrics"],
    "payments": lambda report: "payers_failed_share" in report["metrics"],
}


class ObjectivesError(ValueError):
    """The file of objectives is not in order."""


@dataclass(frozen=True)
class Objective:
    """`metric` `op` `limit`, where `when` holds of a rehearsal."""

    name: str
    kind: Kind
    metric: str
    op: str
    limit: float
    title_zh: str
    when: str = ""

    def __post_init__(self) -> None:
        """Refuse what could never be judged."""
        known = (
            (self.kind, KINDS),
            (self.metric, METRICS),
            (self.op, _OPS),
            (self.when, _WHEN),
        )
        for word, words in known:
            if word not in words:
                raise ObjectivesError(f"{self.name}: {word!r} is none of {', '.join(words)}")

    def judge(self, metrics: Mapping[str, float]) -> ObjectiveResult:
        """Whether a rehearsal has met it; None where the figure was not measured."""
        value = metrics.get(self.metric)
        return ObjectiveResult(
            name=self.name,
            title_zh=self.title_zh,
            metric=self.metric,
            op=self.op,
            limit=self.limit,
            value=value,
            passed=None if value is None else _OPS[self.op](value, self.limit),
        )


def read_objectives(file: Path = OBJECTIVES_FILE) -> list[Objective]:
    """The objectives of a file. Raises ObjectivesError, OSError."""
    try:
        objectives = [Objective(**each) for each in yaml.safe_load(file.read_text("utf-8"))]
    except (TypeError, yaml.YAMLError) as error:
        raise ObjectivesError(f"{file}: {error}") from error
    names = [each.name for each in objectives]
    if len(set(names)) != len(names):
        raise ObjectivesError(f"{file}: a name is there twice")
    return objectives


def judged_while_broken(objectives: Iterable[Objective]) -> list[Objective]:
    """Those of a rehearsal with faults: how quick it is then is shown and not judged.

    What counts is that no harm is done, and that people are served all the same (`when: faults`).
    """
    return [each for each in objectives if each.kind != "service" or each.when == "faults"]


def judge(report: Report, objectives: Sequence[Objective]) -> None:
    """Write verdict and objectives into a report that has its figures.

    What the rehearsal itself gave as `inconclusive_because` stays, and counts.
    """
    applicable = [each for each in objectives if _WHEN[each.when](report)]
    results = [each.judge(report["metrics"]) for each in applicable]
    missed = {
        kind: [
            result
            for each, result in zip(applicable, results, strict=True)
            if each.kind == kind and result["passed"] is False
        ]
        for kind in KINDS
    }
    unmeasured = [each for each in results if each["passed"] is None]
    report["inconclusive_because"] += [f"未测得：{each['title_zh']}" for each in unmeasured] + [
        f"测量不可信：{each['title_zh']}" for each in missed["measurement"]
    ]
    report["objectives"] = results
    if missed["safety"]:
        report["verdict"] = "FAIL"
    elif report["inconclusive_because"]:
        report["verdict"] = "INCONCLUSIVE"
    else:
        report["verdict"] = "FAIL" if missed["service"] else "PASS"
