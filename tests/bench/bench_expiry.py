"""Fifty thousand holds end while people take seats in the same county.

    make bench-expiry              # out/bench/expiry.json

A process of enrollment, submissions from a process of their own in a closed loop; their rate
while the sweep goes on, as a ratio to that before and after it, in the same run. It should not
be below 0.80. Afterwards all invariants are looked at.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from statistics import quantiles
from typing import Any

import asyncpg
from support.bench import Rate, own_postgres, report
from support.enrollment_audit import violations
from support.enrollment_database import NOW
from support.enrollment_people import JINJIANG, submission
from support.enrollment_replicas import Replicas, add_candidates, replicas
from support.enrollment_seeding import seed_holds
from support.enrollment_sessions import small_session
from support.service import move_clock
from zikao.enrollment.v1 import enrollment_service_pb2_grpc as enrollment_grpc
from zikao_kit.migrate import migrate
from zikao_kit.roles import prepare_service

HOLDS, SEATS, CANDIDATES = 50_000, 400_000, 120_000
CLIENTS = 64
QUIET_SECONDS = 15.0
LOOK_SECONDS = 0.5
TIMEOUT_SECONDS = 30.0
MINUTE = timedelta(minutes=1)


@dataclass
class Phase:
    """What was answered in a time, and how long each answer took."""

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)

    @property
    def rate(self) -> Rate:
        """Submissions a second."""
        return Rate(len(self.latencies), self.seconds)

    def milliseconds(self) -> dict[str, float]:
        """The middle and the slowest hundredth."""
        cuts = quantiles(self.latencies, n=100)
        return {"p50": round(1000 * cuts[49], 1), "p99": round(1000 * cuts[98], 1)}


class Crowd:
    """Everybody submits once; CLIENTS at a time."""

    def __init__(self, running: Replicas, stubs: list[Any]) -> None:
        self._stubs = stubs
        # Made before anything is measured.
        self._tokens: Iterator[str] = iter(
            [running.token(number) for number in range(HOLDS + 1, HOLDS + CANDIDATES + 1)]
        )

    async def submit_while(self, goes_on: Callable[[], bool]) -> Phase:
        """Submit until it is over."""
        phase, began = Phase(), time.perf_counter()

        async def work(stub: Any) -> None:
            while goes_on():
                sent = time.perf_counter()
                bearer = (("authorization", f"Bearer {next(self._tokens)}"),)
                await stub.SubmitEnrollment(submission(), timeout=TIMEOUT_SECONDS, metadata=bearer)
                phase.latencies.append(time.perf_counter() - sent)

        await asyncio.gather(*(work(self._stubs[n % len(self._stubs)]) for n in range(CLIENTS)))
        phase.seconds = time.perf_counter() - began
        return phase

    async def submit_for(self, seconds: float) -> Phase:
        """Submit for a while."""
        end = time.perf_counter() + seconds
        return await self.submit_while(lambda: time.perf_counter() < end)


async def sweep(dsn: str, crowd: Crowd, clock_file: Path) -> tuple[Phase, float]:
    """Submit while all holds end; also the seconds that this took."""
    done = asyncio.Event()

    async def watch() -> float:
        await move_clock(clock_file, NOW + 11 * MINUTE)
        began = time.perf_counter()
        connection = await asyncpg.connect(dsn)
        try:
            while await connection.fetchval(
                "SELECT true FROM enrollment.enrollment_order WHERE state IN"
                " ('held', 'paying', 'closing') AND held_until <= $1 LIMIT 1",
                NOW + 11 * MINUTE,
            ):
                await asyncio.sleep(LOOK_SECONDS)
        finally:
            await connection.close()
            done.set()
        return time.perf_counter() - began

    phase, seconds = await asyncio.gather(crowd.submit_while(lambda: not done.is_set()), watch())
    return phase, seconds


async def bench(folder: Path, admin_dsn: str) -> None:
    """Measure and report; raises SystemExit when an invariant is broken."""
    dsn = await prepare_service(admin_dsn, "zikao_bench", "enrollment", "bench")
    await migrate(dsn, "zikao_enrollment", say=lambda _: None)
    async with replicas(dsn, folder, small_session(SEATS), NOW, count=1) as running:
        await add_candidates(dsn, range(1, HOLDS + CANDIDATES + 1))
        holders = range(1, HOLDS + 1)
        await seed_holds(
            dsn,
            holders,
            session_code="22.1",
            county_code=JINJIANG,
            held_until=NOW + 10 * MINUTE,
            created_at=NOW,
        )
        callers = [each for _ in range(4) for each in await running.connect()]
        stubs = [enrollment_grpc.EnrollmentServiceStub(caller.channel) for caller in callers]
        crowd = Crowd(running, stubs)
        phases = {"warm": await crowd.submit_for(3.0)}
        phases["submit_before"] = await crowd.submit_for(QUIET_SECONDS)
        phases["submit_during"], swept = await sweep(dsn, crowd, folder / "clock.json")
        phases["submit_after"] = await crowd.submit_for(QUIET_SECONDS)
        broken = await violations(dsn)
    del phases["warm"]
    rates = {name: phase.rate for name, phase in phases.items()} | {"released": Rate(HOLDS, swept)}
    quiet = (rates["submit_before"].per_second + rates["submit_after"].per_second) / 2
    report(
        "expiry",
        rates,
        {"during_per_quiet": rates["submit_during"].per_second / quiet},
        milliseconds={name: phase.milliseconds() for name, phase in phases.items()},
        violations=broken,
    )
    if broken:
        raise SystemExit("an invariant is broken")


def main() -> None:
    """Measure on a PostgreSQL of our own, which keeps what it commits."""
    with tempfile.TemporaryDirectory(prefix="zikao-bench-") as directory:
        folder = Path(directory)
        with own_postgres(folder) as admin_dsn:
            asyncio.run(bench(folder, admin_dsn))


if __name__ == "__main__":
    main()
