"""What `bench_tickets` is to show, of the parts that were measured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench.tickets_codes import TICKETS
from support.targets import Target

ARRANGE_SECONDS = 60
GROWTH_EXPONENT = 1.1
# Of the bound on sittings away from their candidate's site.
SITE_CHANGES_FACTOR = 1.02
BULK_PER_TYPST, BULK_PER_REPORTLAB = 5, 1
MEMORY_MIB = 512
_NO_COUNTS = ("narrowest_tenth_mm",)


def targets_of(found: Mapping[str, Any]) -> dict[str, Target]:
    """Name in the report to figure and limit."""
    targets: dict[str, Target] = {}
    if "proofs" in found:
        targets |= _arranging(found)
    if "codes" in found:
        targets |= _codes(found["codes"])
    if "rss_mib" in found:
        targets |= _paper(found)
    return targets


def _arranging(found: Mapping[str, Any]) -> dict[str, Target]:
    exponent = found["ratios"]["arrange_growth_exponent"]
    changes = found["site_changes_bound"] * SITE_CHANGES_FACTOR
    return {
        "seconds.arrange_full": Target(found["seconds"]["arrange_full"], at_most=ARRANGE_SECONDS),
        "ratios.arrange_growth_exponent": Target(exponent, at_most=GROWTH_EXPONENT),
        "proofs.optimal": Target(
            found["proofs"]["optimal"], at_least=found["counties"], is_owed=True
        ),
        "site_changes": Target(found["site_changes"], at_most=changes),
        "violations": Target(found["violations"], at_most=0, is_owed=True),
    }


def _codes(codes: Mapping[str, int]) -> dict[str, Target]:
    return {
        f"codes.{key}": Target(count, at_least=TICKETS, is_owed=True)
        for key, count in codes.items()
        if key not in _NO_COUNTS
    }


def _paper(found: Mapping[str, Any]) -> dict[str, Target]:
    ratios = found["ratios"]
    return {
        "ratios.bulk_per_typst": Target(ratios["bulk_per_typst"], at_least=BULK_PER_TYPST),
        "ratios.bulk_per_reportlab": Target(
            ratios["bulk_per_reportlab"], at_least=BULK_PER_REPORTLAB
        ),
        "rss_mib": Target(found["rss_mib"], at_most=MEMORY_MIB),
    }
