"""An opening is rehearsed on an installation of its own, with all that goes wrong with money."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from zikao_ctl.rush.command import rush, write_report
from zikao_ctl.rush.records import Report
from zikao_ctl.rush.scenario import Scenario

SMALL = Path("examples/rush/small.yaml")
CANDIDATES = 400
SAFETY = (
    *("oversold", "lost_acknowledgements", "unacknowledged_orders", "doubtful_unresolved"),
    *("two_counties", "double_charges"),
)


async def test_an_opening_is_rehearsed_and_nothing_is_lost(tmp_path: Path) -> None:
    """Whoever came has a final answer, which is what is stored; money is right to the fen.

    How fast it was is no matter here: the machine is busy with other tests.
    """
    scenario = replace(
        Scenario.load(SMALL),
        candidates=CANDIDATES,
        calibration_seconds=2.0,
        early_seconds=1.0,
        longest_opening_seconds=5.0,
        calm_seconds=2.0,
    )
    report = await rush(tmp_path, scenario, seed=7)
    assert json.loads((tmp_path / "report.json").read_text()) == json.loads(json.dumps(report))
    assert report["violations"] == 0, [report["checks"], report["invariants"]]
    assert {each["name"]: each["violations"] for each in report["checks"]} == dict.fromkeys(
        SAFETY, 0
    )
    _assert_everybody_is_answered(report)
    _assert_money_came_in_every_way(report)
    assert {phase["name"] for phase in report["phases"]} == {
        *("calibration", "early", "opening", "calm")
    }
    assert all(
        phase["cpu"].keys() == {"server", "postgres", "generator"} for phase in report["phases"]
    )
    write_report(report, tmp_path)


def _assert_everybody_is_answered(report: Report) -> None:
    opened = [tick for tick in report["ticks"] if tick["at"] > 0]
    answered = sum(tick["accepted"] + tick["refused"] for tick in opened)
    assert 0 < answered == report["candidates"]
    assert report["metrics"]["accepted_share"] == 1.0
    journeys = next(each for each in report["latencies"] if each["kind"] == "journey")
    assert journeys["count"] == answered
    assert sum(tick["browsed"] for tick in report["ticks"]) > 0


def _assert_money_came_in_every_way(report: Report) -> None:
    payments = report["payments"]
    assert payments["made"] == payments["booked"] > 0
    assert payments["refunded"] == payments["twice"] + payments["wrong_amount"]
