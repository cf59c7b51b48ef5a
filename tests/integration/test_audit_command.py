"""`zikao audit` on a running database: a table or JSON, and an exit code for scripts."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from support.commands import Ended, run_command
from support.enrollment_audit import REFUND_DEADLINE
from support.enrollment_people import NOON, hold, open_enrollment
from support.postgres import Cluster
from support.service_databases import MakeDatabase
from zikao_ctl.audit import exit_code, run_audit
from zikao_ctl.invariants import PACKAGE, RULES, SETTLED, AuditPlan
from zikao_ctl.layout import InstallationError
from zikao_enrollment.domain.invariants import HOLDS_IN_TIME, INVARIANTS
from zikao_kit.audit_verifying import CLEAN, NOT_CHECKED, VIOLATED
from zikao_kit.queries import Queries


async def audited(*arguments: str) -> Ended:
    """What `zikao audit` has come to."""
    return await run_command(["audit", *arguments])


async def test_a_running_service_is_audited(make_database: MakeDatabase, tmp_path: Path) -> None:
    """All of its rules, as its own role; what is overdue by the clock given is named by its id."""
    async with open_enrollment(make_database, tmp_path) as running:
        order = await hold(running, 1)
        results = await run_audit(running.dsn, AuditPlan(NOON, REFUND_DEADLINE))
        assert [each.invariant for each in results] == list(INVARIANTS)
        assert exit_code(results) == CLEAN
        # By the machine's clock the hold ended years ago.
        code, table = await audited("--database-url", running.dsn, "--rest", "0")
        assert code == VIOLATED
        assert HOLDS_IN_TIME[:20] in table
        assert order.order_id[:20] in table
        code, out = await audited("--database-url", running.dsn, "--rest", "0", "--json")
        found: dict[str, Any] = json.loads(out)["invariants"]
        assert code == VIOLATED
        assert {name for name, each in found.items() if each["violations"]} == {HOLDS_IN_TIME}
        assert found[HOLDS_IN_TIME]["offenders"] == [order.order_id]


async def test_what_cannot_be_checked_is_no_success(
    make_database: MakeDatabase, cluster: Cluster, tmp_path: Path
) -> None:
    """No database, no schema, no installation: exit code 2 and a sentence, never 0."""
    for arguments in (
        ("--database-url", "postgresql://nobody:x@127.0.0.1:1/zikao"),
        ("--database-url", cluster.admin_dsn),
        ("--data", str(tmp_path / "nothing")),
    ):
        code, said = await audited(*arguments)
        assert code == NOT_CHECKED, said
        assert said.startswith("Error: ")
    dsn = await make_database("enrollment")
    plan = AuditPlan(NOON, timedelta(0))
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute("ALTER TABLE enrollment.refund RENAME TO gone")
        results = await run_audit(dsn, plan)
        assert exit_code(results) == NOT_CHECKED
        failed = [each.invariant for each in results if each.finding is None]
        assert all(name.startswith("money_") for name in failed)
        await connection.execute("DROP SCHEMA enrollment CASCADE")
    finally:
        await connection.close()
    with pytest.raises(InstallationError, match="no schema"):
        await run_audit(dsn, plan)


def test_every_rule_says_what_it_is() -> None:
    """Each query of the command is a rule with a title, and none is there twice."""
    named = [name for rules in (*RULES.values(), SETTLED) for name in rules]
    queries = [*Queries.load(PACKAGE).names(), *INVARIANTS]
    assert sorted(named) == sorted(queries)
