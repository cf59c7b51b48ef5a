"""Fifty thousand holds end while people take seats in the same county.

    make bench-expiry              # out/bench/expiry.json

Two processes of enrollment over one database, and the payment platform: one hold in ten has a
payment code, and is closed there first. Submissions come in a closed loop; their rate while holds
end, as a ratio to that between, in the same run, should not be below 0.80. Afterwards all
invariants are looked at.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from statistics import quantiles
from typing import Any

import asyncpg
from support.bench import Rate, migrated, own_postgres, platform_process, report
from support.enrollment_audit import violations
from support.enrollment_database import NOW
from support.enrollment_people import JINJIANG, submission
from support.enrollment_replicas import Replicas, add_candidates, replicas
from support.enrollment_seeding import seed_holds
from support.enrollment_sessions import small_session
from support.service import move_clock
from zikao.enrollment.v1 import enrollment_service_pb2_grpc as enrollment_grpc

HOLDS, SEATS, CANDIDATES = 50_000, 400_000, 200_000
ONE_PAYS_IN = 10
WANTED = {"during_per_quiet": 0.80}
# They end in so many turns, with none between: both have the same weather on the machine.
GROUPS = 5
CLIENTS = 64
WARM_SECONDS, QUIET_SECONDS = 3.0, 5.0
LOOK_SECONDS = 0.5
TIMEOUT_SECONDS = 30.0


@dataclass
class Phase:
    """What was answered in a time, and how long each answer took."""

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)

    @property
    def rate(self) -> Rate:
        """Submissions a second."""
        return Rate(len(self.latencies), self.seconds)

    def add(self, other: Phase) -> None:
        """Go on with another one."""
        self.seconds += other.seconds
        self.latencies += other.latencies

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


async def sweep(dsn: str, crowd: Crowd, clock_file: Path, at: datetime) -> tuple[Phase, float]:
    """Submit while the holds of a group end at this time; also the seconds that this took."""
    done = asyncio.Event()

    async def watch() -> float:
        await move_clock(clock_file, at)
        began = time.perf_counter()
        connection = await asyncpg.connect(dsn)
        try:
            while await connection.fetchval(
                "SELECT true FROM enrollment.enrollment_order WHERE state IN"
                " ('held', 'paying', 'closing') AND held_until <= $1 LIMIT 1",
                at,
            ):
                await asyncio.sleep(LOOK_SECONDS)
        finally:
            await connection.close()
            done.set()
        return time.perf_counter() - began

    phase, seconds = await asyncio.gather(crowd.submit_while(lambda: not done.is_set()), watch())
    return phase, seconds


async def seed(dsn: str) -> None:
    """Candidates, and holds of which a group ends with every minute from the tenth on."""
    await add_candidates(dsn, range(1, HOLDS + CANDIDATES + 1))
    for group in range(GROUPS):
        await seed_holds(
            dsn,
            range(1 + group * HOLDS // GROUPS, 1 + (group + 1) * HOLDS // GROUPS),
            session_code="22.1",
            county_code=JINJIANG,
            held_until=end_of(group),
            created_at=NOW,
            one_pays_in=ONE_PAYS_IN,
        )


def end_of(group: int) -> datetime:
    """When the holds of a group end: before those of the candidates who submit."""
    return NOW + timedelta(minutes=10 + group)


async def bench(folder: Path, admin_dsn: str) -> None:
    """Measure and report; raises SystemExit when an invariant is broken."""
    dsn = await migrated(admin_dsn, "enrollment")
    quiet, during, swept = Phase(), Phase(), 0.0
    async with (
        platform_process(folder) as platform,
        replicas(dsn, folder, small_session(SEATS), NOW, platform_port=platform.port) as running,
    ):
        await seed(dsn)
        callers = [each for _ in range(2) for each in await running.connect()]
        stubs = [enrollment_grpc.EnrollmentServiceStub(caller.channel) for caller in callers]
        crowd = Crowd(running, stubs)
        await crowd.submit_for(WARM_SECONDS)
        for group in range(GROUPS):
            quiet.add(await crowd.submit_for(QUIET_SECONDS))
            phase, seconds = await sweep(dsn, crowd, folder / "clock.json", end_of(group))
            during.add(phase)
            swept += seconds
        quiet.add(await crowd.submit_for(QUIET_SECONDS))
        broken = await violations(dsn)
    rates = {"submit_quiet": quiet.rate, "submit_during": during.rate}
    ratio = during.rate.per_second / quiet.rate.per_second
    report(
        "expiry",
        rates | {"released": Rate(HOLDS, swept)},
        {"during_per_quiet": ratio},
        wanted=WANTED,
        milliseconds={"quiet": quiet.milliseconds(), "during": during.milliseconds()},
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
