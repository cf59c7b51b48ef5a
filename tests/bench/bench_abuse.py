"""What honest callers still get while somebody abuses the server, for each kind of abuse.

    make bench-abuse        # out/bench/abuse.json, abuse-rounds.json
    make bench-abuse BENCH_ARGS="full ping_flood idle_tls"

A process of enrollment with a core of its own; PostgreSQL, the honest callers and the abuser share
the other one, the abuser last of all (`nice`). Two ways:

- `planned`: honest callers come at the rate that the capacity page plans for one core (60% of what
  it does), whatever they get;
- `full`: they are a closed loop that keeps the core busy, so that they lose all that the server
  does for the abuser. The output says who was the bottleneck.

A machine is quicker at one time and slower at another. So times without and with an abuser follow
each other by turns, each round is compared with its neighbours, and the median of the rounds
counts. An abuser's process is ready before its time begins, and comes from an address that the
server does not know: each round begins with all that it takes to notice. `nobody` does nothing,
and shows how good a figure is.

The abuser has the certificate of a portal, of the same name as the honest ones have, or none
(`support.abuse`). `lawful_calls` are no abuse of HTTP/2: what they leave is told, and judged by
`make bench-overload`.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median
from typing import Any

import grpc
from bench.abuse_honest import READS_A_SUBMISSION, Stage
from bench.abuse_processes import Honest, abuser_process, honest_process
from bench.bench_enrollment import AWAY, LOAD_CPU, SERVER_CPU, violations
from bench.enrollment_seeding import bench_session, people_of, store
from bench.overload_seeding import open_sessions, submissions_of
from support.abuse import KINDS, NOBODY, Kind
from support.bench import (
    OUT,
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

PEOPLE = 8_000
# A candidate submits once in a session, and there are as many sessions as the callers may need:
# a core does half as many calls a second here.
MOST_CALLS_A_SECOND = 8_000
BESIDE_SECONDS, REST_SECONDS, CAPACITY_SECONDS = 3.0, 1.0, 8.0
WARM_SECONDS = 16.0
# Who was let go of is not heard for a minute: what it takes to notice it counts for five times as
# much here as in an abuse that lasts.
ABUSE_SECONDS = 12.0
ROUNDS = {"planned": 1, "full": 5}
# Until an abuser's process is ready, at most.
READY_SECONDS = 3.0
# A process of one loop that works more than this share of a core has no time to spare.
BUSY = 0.93
LOOK_SECONDS = 0.1
LEAST_RATIO = 0.9
MOST_GROWTH_MIB = 256
# Of each kind; a server does not forget an address at once.
ADDRESSES = {"planned": "127.1.{}.{}", "full": "127.2.{}.{}"}
PLACES = (NOBODY, *KINDS)
LAWFUL = "lawful_calls"
# By number from the honest callers, by name from the portal.
LOST = (f"{grpc.StatusCode.UNAVAILABLE.value[0]} ", grpc.StatusCode.UNAVAILABLE.name)


@dataclass(frozen=True)
class Measuring:
    """Who is measured, and how: at a rate of calls or in a closed loop, so many times."""

    honest: Honest
    stage: Stage
    certs: Path
    way: str
    rate: float | None
    rounds: int

    async def measure(self, kind: Kind) -> dict[str, Any]:
        """Times without and with an abuser by turns, who comes from a new address each time."""
        beside, rounds = [await self._beside()], []
        async with watched(self.stage.watched["server"], LOOK_SECONDS) as memory:
            for number in range(self.rounds):
                address = ADDRESSES[self.way].format(1 + number, 1 + PLACES.index(kind))
                port = self.stage.port
                async with abuser_process(kind, port, self.certs, address) as abuser:
                    abusing = asyncio.ensure_future(abuser.run(ABUSE_SECONDS))
                    during = await self.honest.run(ABUSE_SECONDS, self.rate)
                    did = await abusing
                await asyncio.sleep(REST_SECONDS)
                beside.append(await self._beside())
                rounds.append(round_of(beside[-2], during, beside[-1], did))
                sys.stdout.write(said_of(kind, self.way, rounds[-1]))
                sys.stdout.flush()
        return {
            "during_per_beside": median(each["during_per_beside"] for each in rounds),
            "rss_before_mib": memory[0],
            "peak_rss_mib": max(memory),
            "rounds": rounds,
        }

    async def _beside(self) -> dict[str, Any]:
        return await self.honest.run(BESIDE_SECONDS, self.rate)


def round_of(
    before: dict[str, Any], during: dict[str, Any], after: dict[str, Any], did: dict[str, Any]
) -> dict[str, Any]:
    """What a time with an abuser was, compared with its neighbours without one."""
    beside = mean((before["per_second"], after["per_second"]))
    # Nothing beside it is no measure: such a round counts as one in which nothing was left.
    ratio = during["per_second"] / beside if beside else 0.0
    cores = during["cores"] | {"abuser": did["cpu_seconds"] / ABUSE_SECONDS}
    return {
        "during_per_beside": ratio,
        "before": before,
        "during": during | {"cores": cores},
        "after": after,
        "abuser": did | {"deeds_per_second": did["deeds"] / ABUSE_SECONDS},
    }


def bottleneck_of(cores: Mapping[str, float]) -> str:
    """Who had no time to spare: the server, or those who share the other core."""
    return "server" if cores["server"] >= BUSY else "load" if _others(cores) >= BUSY else "nobody"


def _others(cores: Mapping[str, float]) -> float:
    # The abuser takes what the others leave: it is none of those who keep honest callers waiting.
    return sum(share for name, share in cores.items() if name not in ("server", "abuser"))


def _cost_of(phase: Mapping[str, Any]) -> str:
    if not phase["per_second"]:
        return "-"
    return f"{phase['cores']['server'] / phase['per_second'] * 1000:.3f}"


def said_of(kind: Kind, way: str, told: Any) -> str:
    """A line of a round."""
    before, during, after, abuser = (told[n] for n in ("before", "during", "after", "abuser"))
    cores = " ".join(f"{name} {share:.2f}" for name, share in during["cores"].items())
    cost = " ".join(map(_cost_of, (before, during, after)))
    return (
        f"[bench] {kind.name:21} {way:7} honest {before['per_second']:5.0f}"
        f" {during['per_second']:5.0f} {after['per_second']:5.0f}/s"
        f" ({told['during_per_beside']:.2f}), {cost} ms of the"
        f" server a call, p99 {before['p99_ms']:.0f} ->"
        f" {during['p99_ms']:.0f} ms;"
        f" portal p99 {before['portal_p99_ms']:.0f} ->"
        f" {during['portal_p99_ms']:.0f} ms, failures {during['failures']}"
        f" {during['portal_failures']}; newcomers {during['newcomers']}"
        f" {during['newcomer_slowest_ms']:.0f} ms {during['newcomer_failures']};"
        f" abuser {abuser['deeds_per_second']:.0f} {kind.deed}/s,"
        f" {abuser['open_at_most']} open, {abuser['connections']} in all;"
        f" {abuser['answers']}; cores {cores}, bottleneck: {bottleneck_of(during['cores'])};"
        f" by half seconds {[round(each) for each in during['per_second_by_part']]}\n"
    )


async def run(
    folder: Path, postgres: Any, dsn: str, kinds: Sequence[Kind], ways: Sequence[str]
) -> dict[str, Any]:
    """Seed, start all, and measure one kind after the other."""
    await store(dsn, bench_session())
    sessions = sessions_of(len(kinds), ways)
    await open_sessions(dsn, sessions)
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
            submissions_of(people, sessions),
            watched_processes,
            LOAD_CPU,
        )
        pin(service.process_id, {SERVER_CPU})
        pin(postgres.process.pid, {LOAD_CPU})
        async with honest_process(stage) as honest:
            await honest.run(WARM_SECONDS, None)
            capacity = (await honest.run(CAPACITY_SECONDS, None))["per_second"]
            rates = {"planned": UTILISATION * capacity, "full": None}
            measuring = [
                Measuring(honest, stage, folder / "certs", way, rates[way], ROUNDS[way])
                for way in ways
            ]
            measured = {
                kind.name: {each.way: await each.measure(kind) for each in measuring}
                for kind in kinds
            }
        pin(postgres.process.pid, os.sched_getaffinity(0))
    return measured


def sessions_of(kinds: int, ways: Sequence[str]) -> int:
    """As many as it takes for all candidates' submissions to last for so many kinds."""
    round_seconds = READY_SECONDS + ABUSE_SECONDS + REST_SECONDS + BESIDE_SECONDS
    of_a_kind = sum(BESIDE_SECONDS + ROUNDS[way] * round_seconds for way in ways)
    seconds = WARM_SECONDS + CAPACITY_SECONDS + kinds * of_a_kind
    return math.ceil(seconds * MOST_CALLS_A_SECOND / (READS_A_SUBMISSION + 1) / PEOPLE)


def lost_of(rounds: Sequence[Mapping[str, Any]]) -> int:
    """Calls whose connection ended: honest ones are not to be let go."""
    return sum(
        count
        for each in rounds
        for whose in ("failures", "portal_failures", "newcomer_failures")
        for why, count in each["during"][whose].items()
        if why.startswith(LOST)
    )


def targets_of(measured: dict[str, Any], broken: int) -> dict[str, Target]:
    """What each kind is to leave to honest callers, and of memory."""
    targets = {"violations": Target(broken, at_most=0, is_owed=True)}
    for name, ways in measured.items():
        for way, each in ways.items():
            if name != LAWFUL:
                targets[f"{way}_{name}"] = Target(each["during_per_beside"], at_least=LEAST_RATIO)
            targets[f"lost_{way}_{name}"] = Target(lost_of(each["rounds"]), at_most=0)
            growth = each["peak_rss_mib"] - each["rss_before_mib"]
            targets[f"growth_mib_{way}_{name}"] = Target(growth, at_most=MOST_GROWTH_MIB)
    return targets


def wanted_of(names: Sequence[str]) -> tuple[list[Kind], list[str]]:
    """Kinds and ways of these names, or all; SystemExit for a name that none has."""
    known = {kind.name: kind for kind in PLACES}
    if unknown := [name for name in names if name not in known and name not in ROUNDS]:
        raise SystemExit(
            f"no such kind: {', '.join(unknown)}. Kinds: {', '.join(known)}; or {', '.join(ROUNDS)}"
        )
    ways = [name for name in names if name in ROUNDS]
    kinds = [known[name] for name in names if name in known]
    return kinds or list(PLACES), ways or list(ROUNDS)


def main(arguments: Sequence[str]) -> None:
    """Measure on a PostgreSQL of our own, which keeps what it commits."""
    kinds, ways = wanted_of(arguments)
    with tempfile.TemporaryDirectory(prefix="zikao-bench-") as directory:
        folder = Path(directory)
        # A slow disk would keep honest callers waiting, and leave the server time to spare.
        with own_cluster(folder, synchronous_commit="off") as postgres:
            dsn = asyncio.run(migrated(postgres.dsn(), "enrollment"))
            measured = asyncio.run(run(folder, postgres, dsn, kinds, ways))
            broken = asyncio.run(violations(dsn))
    targets = targets_of(measured, sum(count or 0 for count in broken.values()))
    report(
        "abuse",
        {},
        {
            f"{way}_{name}_round_{number}": each["during_per_beside"]
            for name, by_way in measured.items()
            for way, told in by_way.items()
            for number, each in enumerate(told["rounds"], 1)
        },
        targets=targets,
    )
    details = {"violations": broken, "kinds": measured}
    (OUT / "abuse-rounds.json").write_text(json.dumps(details, indent=2) + "\n")
    if not nothing_owed(targets):
        raise SystemExit("invariants are broken")


if __name__ == "__main__":
    main(sys.argv[1:])
