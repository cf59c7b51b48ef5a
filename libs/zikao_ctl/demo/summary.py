"""The end of a rehearsal: the invariants, counted in the databases, as a table and as a file."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import asyncpg
from rich.console import Console
from rich.table import Table

from zikao_ctl.demo.stage import Stage
from zikao_ctl.invariants import count_violations

PLATFORM_PAYMENTS = "SELECT payment_id, amount_fen FROM payment"
PLATFORM_REFUNDS = "SELECT refund_id, payment_id, amount_fen FROM refund"
OUR_PAYMENTS = "SELECT payment_id, amount_fen FROM enrollment.payment"
OUR_REFUNDS = "SELECT refund_id::text, payment_id, amount_fen FROM enrollment.refund"


async def check(stage: Stage) -> Mapping[str, int]:
    """Violations by invariant: those of the services, and what the platform knows otherwise."""
    at = stage.installation
    violations = dict(await count_violations(at.admin_dsn, stage.now()))
    platform = at.layout.payment_ledger
    connection = await asyncpg.connect(at.admin_dsn)
    try:
        for name, ours, theirs in (
            ("money_platform_and_we_know_the_same_payments", OUR_PAYMENTS, PLATFORM_PAYMENTS),
            ("money_platform_and_we_know_the_same_refunds", OUR_REFUNDS, PLATFORM_REFUNDS),
        ):
            here = {tuple(row) for row in await connection.fetch(ours)}
            violations[name] = len(here ^ _at_the_platform(platform, theirs))
    finally:
        await connection.close()
    return violations


def _at_the_platform(file: Path, query: str) -> set[tuple[object, ...]]:
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
        return set(database.execute(query))


def write_summary(
    file: Path, counts: Mapping[str, int], violations: Mapping[str, int], seconds: float
) -> None:
    """`counts` by what was counted, `invariants` with their violations, `seconds` of the story."""
    summary = {
        "counts": dict(counts),
        "invariants": {name: {"violations": count} for name, count in sorted(violations.items())},
        "seconds": round(seconds, 1),
    }
    file.write_text(json.dumps(summary, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


def show(console: Console, counts: Mapping[str, int], violations: Mapping[str, int]) -> None:
    """Two tables for people."""
    totals = Table("what happened", "candidates", title="The session")
    for name, count in counts.items():
        totals.add_row(name, str(count))
    table = Table("invariant", "violations", title="What must hold, checked by SQL")
    for name, count in sorted(violations.items()):
        colour = "red" if count else "green"
        table.add_row(name.replace("_", " "), f"[{colour}]{count}[/]")
    console.print(totals)
    console.print(table)
