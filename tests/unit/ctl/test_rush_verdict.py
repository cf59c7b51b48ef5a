"""The verdict of a rehearsal: what makes it FAIL, what only INCONCLUSIVE."""

from pathlib import Path

import pytest
from support.rush_report import sample_report
from zikao_ctl.rush.records import Report
from zikao_ctl.rush.verdict import (
    Objective,
    ObjectivesError,
    judge,
    judged_while_broken,
    read_objectives,
)


def judged(**metrics: float | None) -> Report:
    """The sample, with other figures; None: not measured."""
    report = sample_report()
    for name, value in metrics.items():
        if value is None:
            del report["metrics"][name]
        else:
            report["metrics"][name] = value
    judge(report, read_objectives())
    return report


def test_a_good_rehearsal_passes_by_every_objective() -> None:
    """All objectives of the file apply to a rehearsal with overload, payments and a room."""
    report = judged()
    assert report["verdict"] == "PASS"
    assert len(report["objectives"]) == len(read_objectives())
    assert all(each["passed"] is True for each in report["objectives"])
    assert report["inconclusive_because"] == []


@pytest.mark.parametrize(
    ("metrics", "verdict"),
    [
        ({"lost_acknowledgements": 1.0}, "FAIL"),
        ({"goodput_overloaded_ratio": 0.89}, "FAIL"),
        ({"goodput_overloaded_ratio": 0.90}, "PASS"),
        ({"payments_within_1s_share": 0.9999}, "FAIL"),
        ({"payers_failed_share": 0.001}, "FAIL"),
        ({"payments_within_1s_share": None}, "INCONCLUSIVE"),
        ({"seats_given": 0.0}, "FAIL"),
        ({"faults_not_recovered": 1.0}, "FAIL"),
        ({"faults_without_effect_share": 1.0}, "INCONCLUSIVE"),
        ({"odd_refusals_share": 1.0}, "INCONCLUSIVE"),
        ({"room_places_per_candidate": 1.0001}, "FAIL"),
        ({"dropped_share": 0.002}, "INCONCLUSIVE"),
        ({"recovery_seconds": None}, "INCONCLUSIVE"),
        ({"goodput_overloaded_ratio": 0.1, "lag_p99_ms": 51.0}, "INCONCLUSIVE"),
        ({"oversold": 1.0, "lag_p99_ms": 51.0}, "FAIL"),
        ({"oversold": 1.0, "recovery_seconds": None}, "FAIL"),
    ],
)
def test_safety_is_judged_always_and_service_only_by_a_sound_measurement(
    metrics: dict[str, float | None], verdict: str
) -> None:
    """A broken rule is FAIL whatever was measured badly; a slow system is not judged then."""
    assert judged(**metrics)["verdict"] == verdict


@pytest.mark.parametrize(
    ("metrics", "verdict"),
    [
        ({"goodput_overloaded_ratio": 0.1, "recovery_seconds": 30.0}, "PASS"),
        ({"accepted_share": 0.98}, "FAIL"),
        ({"odd_refusals_share": 0.5}, "INCONCLUSIVE"),
        ({"lost_acknowledgements": 1.0}, "FAIL"),
    ],
)
def test_what_is_broken_on_purpose_may_be_slow_and_has_to_answer(
    metrics: dict[str, float], verdict: str
) -> None:
    """A service that never came back has lost nothing: but everybody stands before a shut door."""
    report = sample_report()
    report["metrics"] |= metrics
    judge(report, judged_while_broken(read_objectives()))
    assert report["verdict"] == verdict


def test_what_a_rehearsal_did_not_have_is_not_judged() -> None:
    """Without room, overload and payments their objectives are left out, and nothing is missed."""
    report = sample_report()
    report["room"], report["load_factor"], report["payments"]["made"] = None, 1.0, 0
    absent = ("room_", "goodput_", "recovery", "submit_p99", "payments_", "payers_")
    for name in [name for name in report["metrics"] if name.startswith(absent)]:
        del report["metrics"][name]
    judge(report, read_objectives())
    assert report["verdict"] == "PASS"
    assert {each["metric"] for each in report["objectives"]} <= report["metrics"].keys()


def test_what_the_rehearsal_says_against_itself_counts() -> None:
    """A reason that was there before makes it INCONCLUSIVE, and all reasons are kept."""
    report = sample_report()
    report["inconclusive_because"] = ["缺少一种故障"]
    report["metrics"]["dropped_share"] = 0.5
    judge(report, read_objectives())
    assert report["verdict"] == "INCONCLUSIVE"
    first, second = report["inconclusive_because"]
    assert (first, second[:5]) == ("缺少一种故障", "测量不可信")


@pytest.mark.parametrize("word", ["kind", "metric", "op", "when"])
def test_an_objective_that_cannot_be_judged_is_refused(word: str, tmp_path: Path) -> None:
    """A word that nobody knows is an error of the file, not an objective that is always met."""
    fields = {"kind": "safety", "metric": "oversold", "op": "==", "when": "room"}
    assert Objective("name", limit=0, title_zh="", **fields)  # type: ignore[arg-type]
    file = tmp_path / "objectives.yaml"
    words = ", ".join(
        f"{key}: {'odd' if key == word else value!r}" for key, value in fields.items()
    )
    file.write_text(f"- {{ name: one, limit: 0, title_zh: 一, {words} }}\n", encoding="utf-8")
    with pytest.raises(ObjectivesError, match="odd"):
        read_objectives(file)
