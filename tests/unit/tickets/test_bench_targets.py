"""How the bench of tickets judges what it has measured."""

from __future__ import annotations

from typing import Any

import pytest
from bench.tickets_targets import targets_of
from support.targets import Target, nothing_owed

KEPT: dict[str, Any] = {
    "ratios": {
        "arrange_growth_exponent": 1.1,
        "bulk_per_typst": 5.0,
        "bulk_per_reportlab": 1.0,
    },
    "seconds": {"arrange_full": 60.0},
    "proofs": {"counties": 183, "optimal": 183},
    "counties": 183,
    "site_changes": 51,
    "site_changes_bound": 50,
    "violations": 0,
    "codes": {"tickets": 1000, "decoded": 1000, "narrowest_tenth_mm": 250},
    "rss_mib": 512.0,
}


def test_what_is_within_its_limits_is_kept() -> None:
    """Every limit itself is within it; parts that were not measured are not judged."""
    targets = targets_of(KEPT)
    assert {name: target.in_words() for name, target in targets.items()} == {
        "seconds.arrange_full": "(at most 60: kept)",
        "ratios.arrange_growth_exponent": "(at most 1.1: kept)",
        "proofs.optimal": "(at least 183: kept)",
        "site_changes": "(at most 51: kept)",
        "violations": "(at most 0: kept)",
        "codes.tickets": "(at least 1000: kept)",
        "codes.decoded": "(at least 1000: kept)",
        "ratios.bulk_per_typst": "(at least 5: kept)",
        "ratios.bulk_per_reportlab": "(at least 1: kept)",
        "rss_mib": "(at most 512: kept)",
    }
    assert targets_of({"ratios": {}}) == {}


@pytest.mark.parametrize(
    ("path", "figure", "is_wrong"),
    [
        ("seconds.arrange_full", 60.1, False),
        ("ratios.arrange_growth_exponent", 1.11, False),
        ("ratios.bulk_per_typst", 4.9, False),
        ("ratios.bulk_per_reportlab", 0.99, False),
        ("rss_mib", 513.0, False),
        ("site_changes", 52, False),
        ("proofs.optimal", 182, True),
        ("violations", 1, True),
        ("codes.decoded", 999, True),
    ],
)
def test_what_is_beyond_its_limit_falls_short(path: str, figure: float, is_wrong: bool) -> None:
    """It is said and stored of each alone; only what is wrong, and not slow, makes a run fail."""
    found = {key: {**value} if isinstance(value, dict) else value for key, value in KEPT.items()}
    *outer, key = path.split(".")
    (found[outer[0]] if outer else found)[key] = figure
    targets = targets_of(found)
    assert [name for name, target in targets.items() if not target.is_kept] == [path]
    assert targets[path].in_words().endswith(": FALLS SHORT)")
    assert targets[path].described()["figure"] == figure
    assert nothing_owed(targets) != is_wrong


def test_a_report_stores_limits_that_there_are() -> None:
    """Beside the figure and whether it is kept."""
    assert Target(1.5, at_most=2).described() == {
        "figure": 1.5,
        "at_most": 2,
        "is_owed": False,
        "is_kept": True,
    }
