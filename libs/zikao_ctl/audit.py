"""`zikao audit`: the invariants of a running system, as a table or as JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import asyncpg
from rich.console import Console
from rich.table import Table
from zikao_kit.audit_verifying import CLEAN, NOT_CHECKED, VIOLATED
from zikao_kit.clock import OffsetClock, SystemClock

from zikao_ctl.database_server import EmbeddedServer, ForeignServer
from zikao_ctl.invariants import AuditPlan, Checked, NothingToAudit, audit
from zikao_ctl.layout import InstallationError, Layout
from zikao_ctl.ports import POSTGRES


def admin_dsn_of(data: Path, database_url: str | None) -> str:
    """The administrator's DSN of an installation in `data`, or of the database given.

    Raises InstallationError.
    """
    server = ForeignServer(database_url) if database_url else _embedded(Layout(data))
    return server.admin_dsn(server.database)


def time_of(data: Path, database_url: str | None) -> datetime:
    """The time of an installation, whose clock may have been moved; else the machine's."""
    return (SystemClock() if database_url else OffsetClock(Layout(data).clock_file)).now()


async def run_audit(admin_dsn: str, plan: AuditPlan) -> list[Checked]:
    """Check everything. Raises InstallationError."""
    try:
        return [checked async for checked in audit(admin_dsn, plan)]
    except NothingToAudit as error:
        raise InstallationError(str(error)) from error
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        message = f"the database cannot be used: {type(error).__name__}: {error}"
        raise InstallationError(message) from error


def exit_code(results: Sequence[Checked]) -> int:
    """1 for a violation, else 2 for what could not be checked, else 0."""
    if any(each.finding is not None and each.finding.violations for each in results):
        return VIOLATED
    return NOT_CHECKED if any(each.finding is None for each in results) else CLEAN


def print_json(results: Sequence[Checked], as_of: datetime) -> None:
    """One object with a key for each invariant."""
    invariants = {
        each.invariant: {
            "violations": None if each.finding is None else each.finding.violations,
            "offenders": [] if each.finding is None else each.finding.offenders,
            "seconds": round(each.seconds, 3),
            **({"error": each.error} if each.error else {}),
        }
        for each in results
    }
    content = {"as_of": as_of.isoformat(), "invariants": invariants}
    sys.stdout.write(json.dumps(content, ensure_ascii=False, indent=2) + "\n")


def print_table(results: Sequence[Checked]) -> None:
    """A line for each invariant, and where it does not hold."""
    table = Table("规则 invariant", "违反 violations", "秒 s", "何处 where")
    for each in results:
        found = each.finding
        count = "?" if found is None else str(found.violations)
        colour = "yellow" if found is None else "red" if found.violations else "green"
        where = each.error if found is None else "\n".join(found.offenders)
        name = f"{each.title_zh}\n[dim]{each.invariant}[/]"
        table.add_row(name, f"[{colour}]{count}[/]", f"{each.seconds:.2f}", where)
    Console().print(table)


def _embedded(layout: Layout) -> EmbeddedServer:
    mark = layout.read_mark()
    port = mark.ports.get(POSTGRES)
    if port is None:
        raise InstallationError(f"{layout.data} has no PostgreSQL of its own: give --database-url")
    return EmbeddedServer(layout.postgres, port)
