"""What a rehearsal says against itself."""

from __future__ import annotations

import pytest
from support.rush_report import sample_report
from zikao_ctl.rush.assembling import peak_problems
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
