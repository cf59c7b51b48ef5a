"""What it costs a process to show seats to many who keep looking.

A process of enrollment with all its work, and streams of the whole province to another process.
Every seat count changes between two readings of the board, or none does.
"""

from __future__ import annotations

import asyncio
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import asyncpg
import grpc
from bench.enrollment_seeding import SESSION_CODE, prepare
from support.bench import CHANNEL, Rate, migrated, own_postgres, report, service_process
from support.certificates import channel_credentials
from support.cpu import cpu_seconds
from support.service import Caller
from zikao.enrollment.v1 import enrollment_service_pb2 as enrollment
from zikao_kit.tls import DevelopmentCa

STREAMS = 2000
STREAMS_A_CONNECTION = 90  # of 100 that a connection carries
SECONDS = 10.0
PROBES_PER_SECOND = 20
AWAY = {"target": "127.0.0.1:1", "server_name": "away"}
CHANGE = "UPDATE enrollment.seat_ledger SET capacity = capacity + 1"


async def bench(folder: Path, streams: int) -> None:
    """Measure and report."""
    with own_postgres(folder) as admin_dsn:
        dsn = await migrated(admin_dsn, "enrollment")
        await prepare(dsn, 1)
        settings = {"registration": AWAY, "platform": AWAY, "log": {"level": "error"}}
        async with (
            service_process(folder, dsn, "enrollment", settings) as (service, ca),
            _portal(ca, service.port) as portal,
        ):
            stage = Stage(service.process_id, portal)
            measured = {"nobody looks": await stage.measure()}
            async with watching(folder / "certs", service.port, streams) as stage.watching:
                measured["quiet"] = await stage.measure()
                async with changing(dsn):
                    measured["all changes"] = await stage.measure()
    _report(streams, measured)


@dataclass
class Stage:
    """The process that serves, somebody who makes other calls, and the process that looks."""

    process_id: int
    portal: Caller
    watching: Process | None = None

    async def measure(self) -> dict[str, float]:
        """CPU of the process, messages, and how long other calls take meanwhile."""
        (messages, _), times = await self._seen(), []
        cpu = cpu_seconds(self.process_id)
        began = time.perf_counter()
        while (passed := time.perf_counter() - began) < SECONDS:
            asked = time.perf_counter()
            await self.portal.call(enrollment.GetTimetableRequest(session_code=SESSION_CODE))
            times.append(time.perf_counter() - asked)
            await asyncio.sleep(1 / PROBES_PER_SECOND)
        times.sort()
        cpu = cpu_seconds(self.process_id) - cpu
        seen, oldest_ms = await self._seen()
        return {
            "cpu_share": cpu / passed,
            "messages_per_second": (seen - messages) / passed,
            "oldest_message_ms": oldest_ms,
            "call_p50_ms": times[len(times) // 2] * 1000,
            "call_p99_ms": times[int(len(times) * 0.99)] * 1000,
        }

    async def _seen(self) -> tuple[int, float]:
        """Messages until now, and the age of the oldest since this was asked last."""
        if self.watching is None:
            return 0, 0.0
        assert self.watching.stdin is not None
        assert self.watching.stdout is not None
        self.watching.stdin.write(b"\n")
        messages, oldest_ms = (await self.watching.stdout.readline()).split()
        return int(messages), float(oldest_ms)


@asynccontextmanager
async def _portal(ca: DevelopmentCa, port: int) -> AsyncIterator[Caller]:
    credentials = channel_credentials(ca.issue("portal"))
    async with grpc.aio.secure_channel(f"localhost:{port}", credentials, CHANNEL) as channel:
        yield Caller(channel)


@asynccontextmanager
async def watching(
    certs: Path, port: int, streams: int, a_connection: int = STREAMS_A_CONNECTION
) -> AsyncIterator[Process]:
    """Keep so many streams open while the block runs; it begins when each has its table."""
    load = Path(__file__).with_name("availability_load.py")
    numbers = (str(port), str(streams), str(a_connection))
    command = (sys.executable, str(load), str(certs), *numbers)
    process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE)
    assert process.stdout is not None
    try:
        await process.stdout.readline()
        yield process
    finally:
        process.kill()
        await process.wait()


@asynccontextmanager
async def changing(dsn: str) -> AsyncIterator[None]:
    """Change every seat count, again and again, while the block runs."""

    async def change() -> None:
        connection = await asyncpg.connect(dsn)
        while True:
            await connection.execute(CHANGE)
            await asyncio.sleep(0.2)

    task = asyncio.create_task(change())
    yield
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def _report(streams: int, measured: dict[str, dict[str, float]]) -> None:
    rates = {
        name: Rate(round(each["messages_per_second"] * SECONDS), SECONDS)
        for name, each in measured.items()
    }
    idle = measured["nobody looks"]["cpu_share"]
    busy = measured["all changes"]
    microseconds = (busy["cpu_share"] - idle) / busy["messages_per_second"] * 1e6
    report(
        "availability",
        rates,
        {name: each["cpu_share"] for name, each in measured.items()},
        streams=streams,
        cpu_us_a_message=round(microseconds, 1),
        measured={
            name: {key: round(value, 3) for key, value in each.items()}
            for name, each in measured.items()
        },
    )


if __name__ == "__main__":
    with TemporaryDirectory(prefix="zikao-bench-") as directory:
        wanted = int(sys.argv[1]) if len(sys.argv) > 1 else STREAMS
        asyncio.run(bench(Path(directory), wanted))
