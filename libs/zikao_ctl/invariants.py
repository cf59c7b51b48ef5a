"""Checks by SQL what must hold (DOMAIN sections 3 to 5), and says where it does not.

The rules are queries: registration's and tickets' in `sql/queries/invariants.sql`, enrollment's
in its own `audit.sql`; those of settled.sql hold once everything has come to rest.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeAlias

import asyncpg
from zikao_enrollment.domain.invariants import INVARIANTS, cutoffs
from zikao_enrollment.names import PACKAGE as ENROLLMENT_PACKAGE
from zikao_kit.invariants import Finding, counting
from zikao_kit.queries import Queries

PACKAGE = "zikao_ctl"
STATEMENT_TIMEOUT_SECONDS = 120.0
LONGEST_REST_SECONDS = 30.0
RUNNING_REFUND_DEADLINE = timedelta(hours=24)
_SETTINGS = {
    "application_name": "zikao-audit",
    "search_path": "",
    "jit": "off",
    "default_transaction_read_only": "on",
    # The other processors are for callers, and whoever changes a table goes first.
    "max_parallel_workers_per_gather": "0",
    "work_mem": "64MB",
    "lock_timeout": "1s",
    "statement_timeout": f"{STATEMENT_TIMEOUT_SECONDS:.0f}s",
}
_Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

# By the schema that each looks at, with what it says to people.
RULES: Mapping[str, Mapping[str, str]] = {
    "registration": {
        "registration_ticket_numbers_are_unique": "准考证号一人一号",
        "registration_numbers_are_their_candidates": "准考证号与考生一致",
        "registration_serials_are_dense": "准考证流水号连续",
        "registration_two_officers_where_two_are_needed": "复核由第二人完成",
        "registration_material_is_noted": "身份材料登记一致",
        "registration_one_account_a_person": "一人一个系统账号",
        "registration_approvals_are_decided_and_audited": "审核通过均有决定和留痕",
        "registration_approvals_are_in_the_feed": "审核通过均已推送",
    },
    "enrollment": INVARIANTS,
    "tickets": {
        "tickets_every_seat_is_one_persons": "座位一人一座",
        "tickets_everybody_has_a_seat": "已报考者均有座位",
        "tickets_everybody_has_one_ticket": "一人一张有效准考证",
        "tickets_show_the_seats_in_force": "有效准考证与已发布座位一致",
        "tickets_versions_follow_each_other": "准考证版本相继",
        "tickets_proofs_are_of_keys_that_count": "有效准考证的签名密钥有效",
        "tickets_seats_are_those_that_were_checked": "座位与检查时一致",
        "tickets_rooms_are_proven": "考场数有最少证明",
        "tickets_late_changes_move_few": "变更所调动的考生不过多",
        "tickets_the_notice_was_read": "打印前已阅读须知",
    },
}
# These compare the services, and hold only while nothing is on its way between them.
SETTLED: Mapping[str, str] = {
    "enrollment_only_the_approved_have_seats": "占用考位者均为在籍考生",
    "feeds_enrollment_knows_every_candidate": "报考服务掌握全部考生",
    "feeds_tickets_knows_every_candidate": "准考证服务掌握全部考生",
    "feeds_tickets_knows_every_enrollment": "准考证服务掌握全部报考",
}


@dataclass(frozen=True)
class Checked:
    """What became of one rule: a finding, or why it could not be checked."""

    invariant: str
    title_zh: str
    seconds: float
    finding: Finding | None = None
    error: str = ""


@dataclass(frozen=True)
class AuditPlan:
    """How to check: `now` by the clock of the installation."""

    now: datetime
    refund_deadline: timedelta
    # After each check it rests so many times as long as that took.
    rest_factor: float = 4.0
    settled: bool = False
    cutoffs: Mapping[str, datetime] = field(init=False)

    def __post_init__(self) -> None:
        """Work out what is overdue: at rest nothing has any more time."""
        running = cutoffs(self.now, self.refund_deadline)
        at_rest = dict.fromkeys(running, self.now)
        object.__setattr__(self, "cutoffs", at_rest if self.settled else running)


class NothingToAudit(Exception):  # noqa: N818 - it is what was found
    """The database has the schema of no service."""


async def audit(admin_dsn: str, plan: AuditPlan) -> AsyncIterator[Checked]:
    """Check the rules of the services whose schemas are in the database, one after the other.

    `admin_dsn` names a role that may read them. Each check sees one snapshot of its own and locks
    nothing: a longer one would keep what is dead in the tables of a busy system. Raises
    NothingToAudit, and asyncpg's errors and OSError when the database is lost.
    """
    async with _connected(admin_dsn) as connection:
        rules = _rules_for(await _schemas(connection), settled=plan.settled)
        queries = _queries(rules)
        for invariant, title_zh in rules.items():
            checked = await _check(connection, queries, invariant, title_zh, plan)
            yield checked
            await asyncio.sleep(min(checked.seconds * plan.rest_factor, LONGEST_REST_SECONDS))


async def count_violations(
    admin_dsn: str, now: datetime, *, settled: bool = True
) -> Mapping[str, int]:
    """Violations by invariant of a whole installation, all in one snapshot.

    `settled`: it is at rest, and nothing has any more time; else it may be busy, and the rules
    that hold only at rest are left out. `now` by its clock; `admin_dsn` as for `audit`.
    """
    rules = _rules_for(RULES.keys(), settled=settled)
    queries, plan = _queries(rules), AuditPlan(now, RUNNING_REFUND_DEADLINE, settled=settled)
    async with (
        _connected(admin_dsn) as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        return {name: (await _find(connection, queries, name, plan)).violations for name in rules}


@asynccontextmanager
async def _connected(dsn: str) -> AsyncIterator[_Connection]:
    connection = await asyncpg.connect(dsn, server_settings=_SETTINGS)
    try:
        yield connection
    finally:
        await connection.close()


async def _schemas(connection: _Connection) -> Collection[str]:
    known = "SELECT to_regclass($1 || '.schema_migration') IS NOT NULL"
    found = [schema for schema in RULES if await connection.fetchval(known, schema)]
    if not found:
        raise NothingToAudit(f"no schema of {', '.join(RULES)} in this database")
    return found


def _rules_for(schemas: Collection[str], *, settled: bool) -> dict[str, str]:
    rules = {name: zh for schema in schemas for name, zh in RULES[schema].items()}
    # They need all three.
    return {**rules, **SETTLED} if settled and len(schemas) == len(RULES) else rules


def _queries(rules: Collection[str]) -> Queries:
    texts = [Queries.load(PACKAGE), Queries.load(ENROLLMENT_PACKAGE)]
    found = {name: queries[name] for queries in texts for name in queries.names()}
    return counting(Queries(PACKAGE, found), rules)


async def _check(
    connection: _Connection, queries: Queries, invariant: str, title_zh: str, plan: AuditPlan
) -> Checked:
    began = time.monotonic()
    finding, error = None, ""
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            finding = await _find(connection, queries, invariant, plan)
    except asyncpg.PostgresError as failed:
        if connection.is_closed():
            raise
        error = f"{type(failed).__name__}: {failed}"
    return Checked(invariant, title_zh, time.monotonic() - began, finding, error)


async def _find(
    connection: _Connection, queries: Queries, invariant: str, plan: AuditPlan
) -> Finding:
    cutoff = plan.cutoffs.get(invariant)
    given = () if cutoff is None else (cutoff,)
    row = await connection.fetchrow(queries[invariant], *given)
    assert row is not None
    return Finding(row["violations"], tuple(row["offenders"]))
