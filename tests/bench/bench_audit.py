"""The live auditor over a million orders: what it costs, what it finds, whom it holds up.

A session after its rush is written by SQL; one fen and one seat are planted; then submissions are
decided as fast as they can be, by turns with the audit beside them and without.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import UUID, uuid4

import asyncpg
from bench.audit_seeding import seed_orders
from bench.enrollment_seeding import COURSES, HOT_COUNTY, prepare
from support.bench import Rate, migrated, own_postgres, rate_of, report
from zikao.enrollment.v1.enrollment_service_pb2 import SubmitEnrollmentResponse
from zikao_ctl.audit import run_audit
from zikao_ctl.invariants import AuditPlan, Checked
from zikao_enrollment.domain.choices import Choice
from zikao_enrollment.domain.wishes import Submission
from zikao_enrollment.names import PACKAGE
from zikao_enrollment.seats.desk import SUBMISSIONS, Desk, Entry
from zikao_enrollment.views.boards import Boards
from zikao_enrollment.waiting.rooms import Rooms
from zikao_kit.background import repeat, running
from zikao_kit.batcher import Batcher
from zikao_kit.clock import SystemClock
from zikao_kit.config import DatabaseConfig
from zikao_kit.db import Database
from zikao_kit.idempotency import RequestKey
from zikao_kit.queries import Queries

ORDERS = 1_000_000
NEW_CANDIDATES = 400_000
AT_ONCE = 200
ROUNDS = 3
ROUND_SECONDS = 10.0
PLANTED = {
    "money_every_payment_is_an_enrollment_or_a_refund": (
        "UPDATE enrollment.payment SET amount_fen = amount_fen + 1 WHERE payment_id = "
        "(SELECT max(payment_id) FROM enrollment.payment WHERE disposition = 'applied')"
    ),
    "enrollment_no_seat_is_lost": (
        "UPDATE enrollment.seat_ledger SET held = held + 1 WHERE (county_code, slot) = "
        "(SELECT county_code, slot FROM enrollment.seat_ledger LIMIT 1)"
    ),
}


async def bench(folder: Path, orders: int) -> bool:
    """Measure and report; whether exactly what was planted was found."""
    with own_postgres(folder, shared_buffers="512MB", max_wal_size="4GB") as admin_dsn:
        dsn = await migrated(admin_dsn, "enrollment")
        await prepare(dsn, NEW_CANDIDATES)
        connection = await asyncpg.connect(dsn, server_settings={"statement_timeout": "0"})
        try:
            await seed_orders(connection, orders)
            clean = await _audit(dsn)
            for statement in PLANTED.values():
                await connection.execute(statement)
            found = await _audit(dsn)
            rates = await _submit_beside_and_alone(dsn)
        finally:
            await connection.close()
    return _report(orders, clean, found, rates)


async def _audit(dsn: str) -> list[Checked]:
    return await run_audit(dsn, AuditPlan(datetime.now(UTC), timedelta(days=1), rest_factor=0))


async def _submit_beside_and_alone(dsn: str) -> Mapping[str, Rate]:
    numbers = count(1)
    calls = {"submit, alone": 0, "submit, beside the audit": 0}
    seconds = dict.fromkeys(calls, 0.0)
    async with _batcher(dsn) as batcher:
        await _submit(batcher, numbers)  # to warm up
        for _ in range(ROUNDS):
            for name in calls:
                auditing = asyncio.create_task(_audit_for_ever(dsn)) if "beside" in name else None
                rate = await _submit(batcher, numbers)
                if auditing is not None:
                    auditing.cancel()
                    await asyncio.gather(auditing, return_exceptions=True)
                calls[name] += rate.calls
                seconds[name] += rate.seconds
    return {name: Rate(calls[name], seconds[name]) for name in calls}


@asynccontextmanager
async def _batcher(dsn: str) -> AsyncIterator[Batcher[Entry]]:
    """What a process of enrollment decides submissions with."""
    clock = SystemClock()
    async with await Database.connect(DatabaseConfig(dsn=dsn), Queries.load(PACKAGE)) as db:
        boards = Boards(db, clock)
        await boards.refresh()
        async with running(repeat("board", boards.work, 0.5)):
            desk = Desk(db, boards, Rooms(db, boards, clock), clock)
            yield Batcher(desk.decide, SUBMISSIONS, max_batch=500, in_flight=2)


async def _submit(batcher: Batcher[Entry], numbers: count[int]) -> Rate:
    ends_at = time.perf_counter() + ROUND_SECONDS

    async def one() -> int:
        done = 0
        while time.perf_counter() < ends_at:
            entry = _entry(next(numbers))
            await batcher.submit(entry.key, entry)
            done += 1
        return done

    return await rate_of([one] * AT_ONCE)


def _entry(number: int) -> Entry:
    candidate_id = UUID(int=number)
    key = RequestKey(str(candidate_id), uuid4(), "SubmitEnrollment", b"bench")
    wish = Submission(uuid4(), candidate_id, Choice(COURSES, (HOT_COUNTY,)))
    return Entry(key, "22.1", wish, SubmitEnrollmentResponse)


async def _audit_for_ever(dsn: str) -> None:
    """As the service does: each check is followed by its rest."""
    while True:
        await run_audit(dsn, AuditPlan(datetime.now(UTC), timedelta(days=1)))


def _report(
    orders: int, clean: Sequence[Checked], found: Sequence[Checked], rates: Mapping[str, Rate]
) -> bool:
    alone, beside = rates.values()
    wrong = {each.invariant: each.finding for each in found if _violations(each)}
    report(
        "audit",
        rates,
        {"submit_beside_per_alone": beside.per_second / alone.per_second},
        orders=orders,
        seconds={each.invariant: round(each.seconds, 2) for each in clean},
        seconds_in_all=round(sum(each.seconds for each in clean), 2),
        violations=sum(map(_violations, clean)),
        found={name: [*finding.offenders] for name, finding in wrong.items() if finding},
    )
    return not any(map(_violations, clean)) and PLANTED.keys() <= wrong.keys()


def _violations(checked: Checked) -> int:
    return -1 if checked.finding is None else checked.finding.violations


if __name__ == "__main__":
    with TemporaryDirectory(prefix="zikao-bench-") as directory:
        wanted = int(sys.argv[1]) if len(sys.argv) > 1 else ORDERS
        sys.exit(0 if asyncio.run(bench(Path(directory), wanted)) else 1)
