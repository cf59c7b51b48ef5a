"""Until nothing is on its way any more: then everything has to agree."""

from __future__ import annotations

import asyncio
import time

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


async def until_at_rest(admin_dsn: str, clock: Clock, say: Say) -> None:
    """Wait until holds have ended, money is back, and the services know the same.

    After SETTLE_SECONDS it says so and goes on: the invariants then tell what is wrong.
    """
    connection = await asyncpg.connect(admin_dsn)
    try:
        async with asyncio.timeout(SETTLE_SECONDS):
            await _until_done(connection, clock)
            await _until_agreed(admin_dsn, clock)
    except TimeoutError:
        say(f"not everything has come to rest in {SETTLE_SECONDS:.0f} s")
    finally:
        await connection.close()


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
