"""Thousands of holds end at once, and two processes release them."""

import asyncio
from collections import Counter
from datetime import timedelta
from typing import Any

import asyncpg
from support.clocks import FixedClock
from support.enrollment_audit import violations
from support.enrollment_database import NOW, enrollment_database
from support.enrollment_desks import entry, still_desk
from support.enrollment_seeding import seed_holds
from support.enrollment_sessions import small_session
from support.service_databases import MakeDatabase
from zikao_enrollment.money.till import Till
from zikao_enrollment.workers.expiry import ExpiryWorker

HOLDS = 1000
LATER = NOW + timedelta(minutes=11)


async def test_two_processes_sweep_together(make_database: MakeDatabase) -> None:
    """Each hold is released once, by one of them; somebody who submits meanwhile is not held up.

    They do not wait for each other, and each does its share.
    """
    dsn = await make_database("enrollment")

    async def same(_service: str) -> str:
        return dsn

    async with enrollment_database(same, small_session(HOLDS + 1), HOLDS + 1):
        await seed_holds(
            dsn,
            range(1, HOLDS + 1),
            session_code="22.1",
            county_code="510104",
            held_until=NOW + timedelta(minutes=10),
            created_at=NOW,
        )
    async with still_desk(dsn) as (db, boards, desk), still_desk(dsn) as (other_db, _, _):
        no_platform: Any = None  # it has never heard of these orders
        clock = FixedClock(LATER)
        workers = [
            ExpiryWorker(each, clock, Till(each, clock, boards), no_platform)
            for each in (db, other_db)
        ]
        one, other, answers = await asyncio.gather(
            sweep(workers[0]), sweep(workers[1]), desk.decide([entry(HOLDS + 1)])
        )
    assert isinstance(answers[0], bytes)
    assert min(one, other) > 1
    assert await moves(dsn) == {("held", "closing"): HOLDS, ("closing", "released"): HOLDS}
    assert await violations(dsn) == {}


async def sweep(worker: ExpiryWorker) -> int:
    """Work until there is no more; how many rounds that took."""
    rounds = 1
    while await worker.release_unpaid():
        rounds += 1
    return rounds


async def moves(dsn: str) -> Counter[tuple[str, str]]:
    """How often orders went from where to where; each order once at most."""
    connection = await asyncpg.connect(dsn)
    try:
        rows = await connection.fetch(
            "SELECT order_id, from_state, to_state, count(*) AS times"
            " FROM enrollment.order_event WHERE from_state IS NOT NULL GROUP BY 1, 2, 3"
        )
    finally:
        await connection.close()
    assert {row["times"] for row in rows} == {1}
    return Counter((row["from_state"], row["to_state"]) for row in rows)
