"""What honest callers still get while somebody abuses the server, for each kind of abuse.

    make bench-abuse                                # out/bench/abuse.json
    make bench-abuse BENCH_ARGS="ping_flood idle_tls"

A process of enrollment with a core of its own; PostgreSQL, the honest callers and the abuser share
the other one, the abuser last of all. Honest callers are a closed loop that keeps the server busy:
`cores` says who was the bottleneck. Each kind is measured between a time without and another one
after it. The abuser has the certificate of a portal, of the same name as the honest ones have, and
comes from another address; or it has none (`support.abuse`).
"""

from __future__ import annotations

import asyncio
import json
import os
import pickle
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from bench.abuse_honest import Stage
from bench.bench_enrollment import AWAY, LOAD_CPU, SERVER_CPU, violations
from bench.enrollment_seeding import bench_session, people_of, store
from bench.overload_seeding import open_sessions, submissions_of
from support.abuse import KINDS, Kind
from support.bench import (
    Rate,
    end_process,
    migrated,
    own_cluster,
    paths_of,
    report,
    service_process,
)
from support.cpu import pin
from support.memory import watched
from support.targets import Target, nothing_owed

PEOPLE = 4_000
BEFORE_SECONDS, AFTER_SECONDS, REST_SECONDS = 3.0, 2.0, 1.0
ABUSE_SECONDS = 6.0
# The abuser begins before it is looked at: its process takes so long to start.
START_SECONDS = 1.5
LOOK_SECONDS = 0.1
LEAST_RATIO = 0.9
MOST_GROWTH_MIB = 256
RATIO = "during_per_before"


class HonestProcess:
    """The process of the honest callers."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def run(self, seconds: float) -> dict[str, Any]:
        """What they saw in so many seconds."""
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("it was started without pipes")
        self._process.stdin.write(f"{seconds}\n".encode())
        said = await self._process.stdout.readline()
        if not said:
            raise RuntimeError("the honest callers have ended")
        seen: dict[str, Any] = json.loads(said)
        return seen


@asynccontextmanager
async def honest_process(stage: Stage) -> AsyncIterator[HonestProcess]:
    """Start it, and wait until it calls."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.abuse_honest"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("it was started without pipes")
        process.stdin.write(pickle.dumps(stage))
        await process.stdin.drain()
        if await process.stdout.readline() != b"ready\n":
            raise RuntimeError("the honest callers cannot begin")
        yield HonestProcess(process)
    finally:
        await end_process(process)


async def abused(kind: Kind, port: int, certs: Path) -> dict[str, Any]:
    """Let an abuser loose, and return what it says in the end."""
    seconds = START_SECONDS + ABUSE_SECONDS
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.abuse_load", kind.name, str(port), str(seconds), str(certs)),
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        said, _ = await process.communicate()
        told: dict[str, Any] = json.loads(said)
        return told | {"deeds_per_second": told["deeds"] / seconds}
    finally:
        await end_process(process)


async def measure(kind: Kind, honest: HonestProcess, stage: Stage, certs: Path) -> dict[str, Any]:
    """Before, meanwhile, and after."""
    before = await honest.run(BEFORE_SECONDS)
    async with watched(stage.watched["server"], LOOK_SECONDS) as memory:
        abusing = asyncio.ensure_future(abused(kind, stage.port, certs))
        await asyncio.sleep(START_SECONDS)
        during = await honest.run(ABUSE_SECONDS)
        abuser = await abusing
    await asyncio.sleep(REST_SECONDS)
    after = await honest.run(AFTER_SECONDS)
    figures = {
        "during_per_before": during["per_second"] / before["per_second"],
        "after_per_before": after["per_second"] / before["per_second"],
        "peak_rss_mib": max(memory),
        "rss_before_mib": memory[0],
    }
    _say(kind, figures, before, during, abuser)
    return figures | {"before": before, "during": during, "after": after, "abuser": abuser}


def _say(kind: Kind, figures: Any, before: Any, during: Any, abuser: Any) -> None:
    cores = " ".join(f"{name} {share:.2f}" for name, share in during["cores"].items())
    sys.stdout.write(
        f"[bench] {kind.name:22} honest {before['per_second']:5.0f}/s, meanwhile"
        f" {during['per_second']:5.0f}/s ({figures['during_per_before']:.2f}), after"
        f" {figures['after_per_before']:.2f}; portal p99 {before['portal_p99_ms']:.0f} ->"
        f" {during['portal_p99_ms']:.0f} ms, failures {during['failures']}"
        f" {during['portal_failures']}; newcomers {during['newcomers']}"
        f" {during['newcomer_slowest_ms']:.0f} ms {during['newcomer_failures']};"
        f" RSS {figures['rss_before_mib']:.0f} -> {figures['peak_rss_mib']:.0f} MiB;"
        f" abuser {abuser['deeds_per_second']:.0f} {kind.deed}/s,"
        f" {abuser['open_at_most']} open, {abuser['connections']} in all,"
        f" {abuser['cpu_seconds']:.1f} s; {abuser['answers']}; cores {cores}\n"
    )
    sys.stdout.flush()


async def run(folder: Path, postgres: Any, dsn: str, kinds: Sequence[Kind]) -> dict[str, Any]:
    """Seed, start all, and measure one kind after the other."""
    await store(dsn, bench_session())
    await open_sessions(dsn)
    people = list(await people_of(dsn, PEOPLE))
    settings: dict[str, Any] = {
        "registration": AWAY,
        "platform": AWAY,
        "log": {"level": "error"},
    }
    async with service_process(folder, dsn, "enrollment", settings) as (service, ca):
        watched_processes = {"server": service.process_id, "postgres": postgres.process.pid}
        stage = Stage(
            service.port,
            paths_of(ca.issue("portal")),
            submissions_of(people),
            watched_processes,
            LOAD_CPU,
        )
        pin(service.process_id, {SERVER_CPU})
        pin(postgres.process.pid, {LOAD_CPU})
        async with honest_process(stage) as honest:
            await honest.run(BEFORE_SECONDS)  # to get warm
            measured = {
                kind.name: await measure(kind, honest, stage, folder / "certs") for kind in kinds
            }
        pin(postgres.process.pid, os.sched_getaffinity(0))
    return measured


def targets_of(measured: dict[str, Any], broken: int) -> dict[str, Target]:
    """What each kind is to leave to honest callers, and of memory."""
    targets = {"violations": Target(broken, at_most=0, is_owed=True)}
    for name, each in measured.items():
        targets[f"honest_during_per_before_{name}"] = Target(each[RATIO], at_least=LEAST_RATIO)
        growth = each["peak_rss_mib"] - each["rss_before_mib"]
        targets[f"growth_mib_{name}"] = Target(growth, at_most=MOST_GROWTH_MIB)
    return targets


def main(arguments: Sequence[str]) -> None:
    """Measure on a PostgreSQL of our own, which keeps what it commits."""
    kinds = [kind for kind in KINDS if not arguments or kind.name in arguments]
    with tempfile.TemporaryDirectory(prefix="zikao-bench-") as directory:
        folder = Path(directory)
        with own_cluster(folder) as postgres:
            dsn = asyncio.run(migrated(postgres.dsn(), "enrollment"))
            measured = asyncio.run(run(folder, postgres, dsn, kinds))
            broken = asyncio.run(violations(dsn))
    targets = targets_of(measured, sum(count or 0 for count in broken.values()))
    report(
        "abuse",
        {
            name: Rate(round(each["during"]["per_second"] * ABUSE_SECONDS), ABUSE_SECONDS)
            for name, each in measured.items()
        },
        {
            f"honest_during_per_before_{name}": m["during_per_before"]
            for name, m in measured.items()
        },
        targets=targets,
        violations=broken,
        cores=f"server on {SERVER_CPU}; PostgreSQL, honest callers and abuser on {LOAD_CPU}",
        kinds=measured,
    )
    if not nothing_owed(targets):
        raise SystemExit("invariants are broken")


if __name__ == "__main__":
    main(sys.argv[1:])
