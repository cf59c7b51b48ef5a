"""Histograms of a rehearsal: exact enough, mergeable, and the sample report is made of them."""

from __future__ import annotations

import json

import pytest
from support.rush_report import sample_report
from zikao_ctl.rush.histograms import HIGHEST_US, Histograms, merged
from zikao_ctl.rush.records import METRICS, Report


def test_parts_that_are_merged_say_what_the_whole_says() -> None:
    """Two halves that went through text have the percentiles of all values, to three digits."""
    whole, halves = Histograms(), (Histograms(), Histograms())
    for number in range(1, 10_001):
        whole.record("submit", number / 1000)
        halves[number % 2].record("submit", number / 1000)
    both = merged(half.take() for half in halves)
    for percent in (50, 99, 99.9):
        assert both.percentile_ms("submit", percent) == whole.percentile_ms("submit", percent)
        assert both.percentile_ms("submit", percent) == pytest.approx(percent * 100, rel=2e-3)
    assert both.latencies() == whole.latencies()
    assert all(half.count("submit") == 0 for half in halves), "what was taken is counted once"


def test_what_is_out_of_range_is_counted_all_the_same() -> None:
    """A latency of two minutes counts as one: leaving it out would make the worst look better."""
    histograms = Histograms()
    histograms.record("submit", 120.0)
    histograms.record("submit", 0.0)
    assert histograms.count("submit") == 2
    assert histograms.percentile_ms("submit", 100) == pytest.approx(HIGHEST_US / 1000, rel=1e-3)


def test_the_sample_report_has_everything_that_a_report_has() -> None:
    """Those who make pages of it meet every field and every metric."""
    sample = json.loads(json.dumps(sample_report()))
    assert sample.keys() == Report.__annotations__.keys()
    assert sample["metrics"].keys() == METRICS.keys()
    assert {each["kind"] for each in sample["latencies"]} >= {"submit", "journey", "browse"}
