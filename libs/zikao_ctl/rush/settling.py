"""Until nothing is on its way any more: then everything has to agree."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import asyncpg
from zikao_kit.clock import Clock

from zikao_ctl.installation import Say
from zikao_ctl.invariants import SETTLED, count_violations

SETTLE_SECONDS = 90.0
_POLL_SECONDS = 1.0
_UNDER_WAY = """SELECT
    (SELECT count(*) FROM enrollment.enrollment_order
     WHERE state IN ('held', 'paying', 'closing') AND held_until < $1)
    + (SELECT count(*) FROM enrollment.refund WHERE refunded_at IS NULL AND refusal IS NULL)"""


async def until_at_rest(admin_dsn: str, clock: Clock, say: Say, ledger: Path) -> None:
    """Wait until payments are told, holds have ended, money is back, and services know the same.

    `ledger`: the file of the sandbox's payment platform, which knows whom it has yet to tell.

    After SETTLE_SECONDS it says so and goes on: the invariants then tell what is wrong.
    """
    connection = await asyncpg.connect(admin_dsn)
    try:
        async with asyncio.timeout(SETTLE_SECONDS):
            await _until_told(ledger)
            await _until_done(connection, clock)
            await _until_agreed(admin_dsn, clock)
    except TimeoutError:
        say(f"not everything has come to rest in {SETTLE_SECONDS:.0f} s")
    finally:
        await connection.close()


async def _until_told(ledger: Path) -> None:
    with closing(sqlite3.connect(f"file:{ledger}?mode=ro", uri=True)) as platform:
        while platform.execute("SELECT count(*) FROM notification").fetchone()[0]:
            await _rest()


async def _until_done(connection: asyncpg.Connection[asyncpg.Record], clock: Clock) -> None:
    while await connection.fetchval(_UNDER_WAY, clock.now()):
        await _rest()


async def _until_agreed(admin_dsn: str, clock: Clock) -> None:
    while True:
        began = time.monotonic()
        violations = await count_violations(admin_dsn, clock.now())
        if not any(violations.get(name) for name in SETTLED):
            return
        await _rest(time.monotonic() - began)


async def _rest(seconds: float = 0.0) -> None:
    await asyncio.sleep(max(_POLL_SECONDS, seconds))
