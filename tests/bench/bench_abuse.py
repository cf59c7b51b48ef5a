"""What honest callers still get while somebody abuses the server, for each kind of abuse.

    make bench-abuse                                # out/bench/abuse.json
    make bench-abuse BENCH_ARGS="ping_flood idle_tls"

A process of enrollment with a core of its own; PostgreSQL, the honest callers and the abuser share
the other one, the abuser last of all. Each kind is measured twice, between a time without and
another one after it:

- `planned`: honest callers come at the rate that the capacity page plans for one core (60% of what
  it does), whatever they get;
- `full`: they are a closed loop that keeps the core busy, so that they lose all that the server
  does for the abuser. `cores` says who was the bottleneck.

The abuser has the certificate of a portal, of the same name as the honest ones have, and comes from
another address, a new one each time; or it has none (`support.abuse`). `lawful_calls` are no abuse
of HTTP/2: what they leave is told, and judged by `make bench-overload`.
"""

from __future__ import annotations

import asyncio
import json
import os
import pickle
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
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
from zikao_ctl.capacity.sizing import UTILISATION

PEOPLE = 4_000
BESIDE_SECONDS, REST_SECONDS, CAPACITY_SECONDS = 3.0, 1.0, 8.0
WARM_SECONDS = 16.0
ABUSE_SECONDS = 6.0
# The abuser begins before it is looked at: its process takes so long to start.
START_SECONDS = 1.5
LOOK_SECONDS = 0.1
LEAST_RATIO = 0.9
MOST_GROWTH_MIB = 256
# Of each kind; a server does not forget an address at once.
ADDRESSES = {"planned": "127.0.66.{}", "full": "127.0.67.{}"}
LAWFUL = "lawful_calls"
# By number from the honest callers, by name from the portal.
LOST = (f"{grpc.StatusCode.UNAVAILABLE.value[0]} ", grpc.StatusCode.UNAVAILABLE.name)


class HonestProcess:
    """The process of the honest callers."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def run(self, seconds: float, rate: float | None) -> dict[str, Any]:
        """What they saw in so many seconds, of so many calls a second or of as many as can be."""
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("it was started without pipes")
        self._process.stdin.write(f"{json.dumps([seconds, rate])}\n".encode())
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


async def abused(kind: Kind, port: int, certs: Path, address: str) -> dict[str, Any]:
    """Let an abuser loose, and return what it says in the end."""
    seconds = START_SECONDS + ABUSE_SECONDS
    what = (kind.name, str(port), str(seconds), str(certs), address)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.abuse_load", *what),
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        said, _ = await process.communicate()
        told: dict[str, Any] = json.loads(said)
        return told | {"deeds_per_second": told["deeds"] / seconds}
    finally:
        await end_process(process)


@dataclass(frozen=True)
class Measuring:
    """Who is measured, and how: at a rate of calls or in a closed loop."""

    honest: HonestProcess
    stage: Stage
    certs: Path
    way: str
    rate: float | None

    async def measure(self, kind: Kind) -> dict[str, Any]:
        """Before, meanwhile, and after."""
        address = ADDRESSES[self.way].format(1 + KINDS.index(kind))
        before = await self.honest.run(BESIDE_SECONDS, self.rate)
        async with watched(self.stage.watched["server"], LOOK_SECONDS) as memory:
            abusing = asyncio.ensure_future(abused(kind, self.stage.port, self.certs, address))
            await asyncio.sleep(START_SECONDS)
            during = await self.honest.run(ABUSE_SECONDS, self.rate)
            abuser = await abusing
        await asyncio.sleep(REST_SECONDS)
        after = await self.honest.run(BESIDE_SECONDS, self.rate)
        beside = (before["per_second"] + after["per_second"]) / 2
        figures = {
            "during_per_beside": during["per_second"] / beside,
            "peak_rss_mib": max(memory),
            "rss_before_mib": memory[0],
        }
        told = figures | {"before": before, "during": during, "after": after, "abuser": abuser}
        _say(kind, self.way, told)
        return told


def _say(kind: Kind, way: str, told: Any) -> None:
    before, during, after, abuser = (told[n] for n in ("before", "during", "after", "abuser"))
    cores = " ".join(f"{name} {share:.2f}" for name, share in during["cores"].items())
    sys.stdout.write(
        f"[bench] {kind.name:21} {way:7} honest {before['per_second']:5.0f}"
        f" {during['per_second']:5.0f} {after['per_second']:5.0f}/s"
        f" ({told['during_per_beside']:.2f}), p99 {before['p99_ms']:.0f} ->"
        f" {during['p99_ms']:.0f} ms;"
        f" portal p99 {before['portal_p99_ms']:.0f} ->"
        f" {during['portal_p99_ms']:.0f} ms, failures {during['failures']}"
        f" {during['portal_failures']}; newcomers {during['newcomers']}"
        f" {during['newcomer_slowest_ms']:.0f} ms {during['newcomer_failures']};"
        f" RSS {told['rss_before_mib']:.0f} -> {told['peak_rss_mib']:.0f} MiB;"
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
            await honest.run(WARM_SECONDS, None)
            capacity = (await honest.run(CAPACITY_SECONDS, None))["per_second"]
            ways = (
                Measuring(honest, stage, folder / "certs", "planned", UTILISATION * capacity),
                Measuring(honest, stage, folder / "certs", "full", None),
            )
            measured = {
                kind.name: {each.way: await each.measure(kind) for each in ways} for kind in kinds
            }
        pin(postgres.process.pid, os.sched_getaffinity(0))
    return measured


def lost_of(seen: Mapping[str, Any]) -> int:
    """Calls whose connection ended: honest ones are not to be let go."""
    failures = {**seen["failures"], **seen["portal_failures"]}
    return sum(count for why, count in failures.items() if why.startswith(LOST))


def targets_of(measured: dict[str, Any], broken: int) -> dict[str, Target]:
    """What each kind is to leave to honest callers, and of memory."""
    targets = {"violations": Target(broken, at_most=0, is_owed=True)}
    for name, ways in measured.items():
        for way, each in ways.items():
            if name != LAWFUL:
                targets[f"{way}_{name}"] = Target(each["during_per_beside"], at_least=LEAST_RATIO)
            targets[f"lost_{way}_{name}"] = Target(lost_of(each["during"]), at_most=0)
            growth = each["peak_rss_mib"] - each["rss_before_mib"]
            targets[f"growth_mib_{way}_{name}"] = Target(growth, at_most=MOST_GROWTH_MIB)
    return targets


def kinds_of(names: Sequence[str]) -> list[Kind]:
    """Those of these names, or all; SystemExit for a name that none has."""
    known = {kind.name: kind for kind in KINDS}
    if unknown := [name for name in names if name not in known]:
        raise SystemExit(f"no such kind: {', '.join(unknown)}. Kinds: {', '.join(known)}")
    return [known[name] for name in names or known]


def main(arguments: Sequence[str]) -> None:
    """Measure on a PostgreSQL of our own, which keeps what it commits."""
    kinds = kinds_of(arguments)
    with tempfile.TemporaryDirectory(prefix="zikao-bench-") as directory:
        folder = Path(directory)
        with own_cluster(folder) as postgres:
            dsn = asyncio.run(migrated(postgres.dsn(), "enrollment"))
            measured = asyncio.run(run(folder, postgres, dsn, kinds))
            broken = asyncio.run(violations(dsn))
    each_way = {
        f"{way}_{name}": each for name, ways in measured.items() for way, each in ways.items()
    }
    targets = targets_of(measured, sum(count or 0 for count in broken.values()))
    report(
        "abuse",
        {
            name: Rate(round(each["during"]["per_second"] * ABUSE_SECONDS), ABUSE_SECONDS)
            for name, each in each_way.items()
        },
        {
            f"honest_during_per_beside_{name}": m["during_per_beside"]
            for name, m in each_way.items()
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
