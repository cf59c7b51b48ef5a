"""What a rehearsal says against itself."""

from __future__ import annotations

import pytest
from support.rush_report import sample_report
from zikao_ctl.rush.assembling import failed_share, fault_metrics, odd_refusals_share, peak_problems
from zikao_ctl.rush.verdict import judge, read_objectives


@pytest.mark.parametrize(
    ("peak", "found", "verdict"),
    [(800.0, True, "PASS"), (305.0, False, "INCONCLUSIVE"), (0.0, True, "INCONCLUSIVE")],
)
def test_a_peak_that_was_never_reached_makes_it_inconclusive(
    peak: float, found: bool, verdict: str
) -> None:
    """Where answers never lagged in the calibration, three times its rate may be no overload."""
    report = sample_report()
    report["inconclusive_because"] = peak_problems(peak, found=found)
    judge(report, read_objectives())
    assert report["verdict"] == verdict


def test_who_cannot_pay_is_counted_and_nobody_paying_is_no_reason_not_to_judge() -> None:
    """Where all fail the share is 1, and that nothing was booked then is not measured, not good."""
    assert failed_share({"failed": 7}) == 1
    assert failed_share({"prompt": 5, "first_of_two": 1, "twice": 1, "failed": 2}) == 0.25
    report = sample_report()
    report["payments"]["made"], report["metrics"]["payers_failed_share"] = 0, 1.0
    judge(report, read_objectives())
    assert report["verdict"] == "FAIL"


def test_a_no_for_another_reason_than_full_counties_is_counted() -> None:
    """People refused as not approved, or by a shut window, are not served by it."""
    full = {"outcome": "refused", "reason": "SOLD_OUT"}
    shut = {"outcome": "refused", "reason": "WINDOW_CLOSED"}
    told = {"outcome": "accepted", "reason": ""}
    assert odd_refusals_share([full, shut, told, told]) == 0.25
    assert odd_refusals_share([]) == 0


def test_faults_that_broke_nothing_or_never_ended_are_counted() -> None:
    """A rehearsal of faults shows something only where they took effect and went by."""
    kill, freeze = sample_report()["faults"]
    stuck = {**kill, "recovered_after": None, "note": "enrollment does not answer"}
    idle = {**freeze, "note": "no effect: nobody is connected"}
    counted = fault_metrics([kill, freeze, stuck, idle])  # type: ignore[list-item]
    assert counted == {"faults_not_recovered": 1, "faults_without_effect_share": 0.25}
