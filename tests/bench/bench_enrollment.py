"""What a submission costs, as ratios to an empty call and to plain SQL, all in one run.

    make bench-enrollment        # out/bench/enrollment.json

The server has one core for itself; PostgreSQL and the load share the other one. The load is a
process of its own that has everything serialised before the clock starts. Plain SQL (pgbench) has
the whole machine. So have two processes with a stream each (`submit_two_streams_hot`), which are
compared with the best way in plain SQL, by turns: they stand still while it runs (`best_sql`).
Afterwards the invariants are looked at.
"""

from __future__ import annotations

import asyncio
import json
import os
import pickle
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bench import sql_ways
from bench.echo_server import METHOD as ECHO
from bench.enrollment_load import STREAM, Load
from bench.enrollment_seeding import (
    HOT_COUNTY,
    SESSION_CODE,
    SOLD_OUT_COUNTY,
    Candidates,
    prepare,
)
from support.bench import (
    Rate,
    end_process,
    migrated,
    own_cluster,
    paths_of,
    report,
    service_process,
)
from support.cpu import cpu_seconds, pin
from support.service import free_port
from zikao.enrollment.v1 import enrollment_service_pb2 as enrollment
from zikao_ctl.audit import run_audit
from zikao_ctl.invariants import AuditPlan
from zikao_kit.tls import DevelopmentCa

SERVER_CPU, LOAD_CPU = 0, 1
WANTED = {
    "submit_hot_per_echo": 0.60,
    "submit_hot_per_spread": 0.95,
    "stream_hot_per_best_sql": 5.0,
    "soldout_per_echo": 0.85,
    "availability_per_echo": 0.80,
}
SERVICE = "/zikao.enrollment.v1.EnrollmentService/"
# Many short ones in turns, and empty calls before each that is compared with them, and with those
# alone: another guest of the machine slows whole seconds down.
ROUNDS = 10
CALLS = 2_000
STREAMED = 15_000
# Of both streams together: some two seconds, of which begin and end, when a core waits, are little.
# Plain SQL runs for six, and always at the full.
STREAMED_TOGETHER, TURNS = 60_000, 5
AGAINST_ECHO = ("submit_hot", "soldout", "availability")
AWAY = {"target": "127.0.0.1:1", "server_name": "away"}


@dataclass
class Used:
    """The CPU seconds of each side, and what was answered."""

    calls: int = 0
    seconds: float = 0.0
    server: float = 0.0
    postgres: float = 0.0
    load: float = 0.0
    answers: dict[str, int] = field(default_factory=dict)

    def add(self, measured: Mapping[str, Any], server: float, postgres: float) -> None:
        """One more round."""
        self.calls += sum(measured["answers"].values())
        self.seconds += measured["seconds"]
        self.server += server
        self.postgres += postgres
        self.load += measured["cpu_seconds"]
        for reason, count in measured["answers"].items():
            self.answers[reason] = self.answers.get(reason, 0) + count

    def described(self) -> dict[str, Any]:
        """Microseconds of CPU a call, the share of each core, and who kept the others waiting."""
        shared = self.postgres + self.load
        return {
            "server_cpu_us": round(self.server / self.calls * 1e6, 1),
            "postgres_cpu_us": round(self.postgres / self.calls * 1e6, 1),
            "load_cpu_us": round(self.load / self.calls * 1e6, 1),
            "server_core_used": round(self.server / self.seconds, 2),
            "other_core_used": round(shared / self.seconds, 2),
            "bottleneck": "server" if self.server >= shared else "postgres and load",
            "answers": self.answers,
        }


@dataclass(frozen=True)
class Stage:
    """What is measured."""

    port: int
    server: int
    postgres: int
    files: dict[str, str]

    async def measure(self, load: Load, used: Used) -> None:
        """Run one load and add what it has used."""
        before = cpu_seconds(self.server), cpu_seconds(self.postgres)
        measured = await _run(replace(load, port=self.port, files=self.files, cpu=LOAD_CPU))
        after = cpu_seconds(self.server), cpu_seconds(self.postgres)
        used.add(measured, after[0] - before[0], after[1] - before[1])


async def measure_together(stages: Sequence[Stage], loads: Sequence[Load], used: Used) -> None:
    """Run a load at each of several processes of one database, all on whichever core is free."""

    def spent() -> tuple[float, float]:
        return sum(cpu_seconds(s.server) for s in stages), cpu_seconds(stages[0].postgres)

    before = spent()
    ran = await asyncio.gather(
        *(
            _run(replace(load, port=stage.port, files=stage.files))
            for stage, load in zip(stages, loads, strict=True)
        )
    )
    after = spent()
    measured = {
        "seconds": max(each["seconds"] for each in ran),
        "cpu_seconds": sum(each["cpu_seconds"] for each in ran),
        "answers": sum((Counter(each["answers"]) for each in ran), Counter[str]()),
    }
    used.add(measured, after[0] - before[0], after[1] - before[1])


async def _run(load: Load) -> dict[str, Any]:
    module = "bench.enrollment_load"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    said, _ = await process.communicate(pickle.dumps(load))
    if process.returncode != 0:
        raise RuntimeError(f"the load has ended with {process.returncode}")
    measured: dict[str, Any] = json.loads(said)
    return measured


@asynccontextmanager
async def echo_stage(ca: DevelopmentCa, postgres: int) -> AsyncIterator[Stage]:
    """A bare server on the server's core."""
    port, files = free_port(), ca.issue("enrollment")
    program = Path(__file__).parent / "echo_server.py"
    arguments = [str(program), str(port), *paths_of(files).values()]
    process = await asyncio.create_subprocess_exec(sys.executable, *arguments)
    try:
        pin(process.pid, {SERVER_CPU})
        yield Stage(port, process.pid, postgres, paths_of(ca.issue("portal")))
    finally:
        await end_process(process)


def loads(people: Candidates) -> Iterator[tuple[str, Load]]:
    """One round, in turns so that all have the same weather; each candidate submits once."""
    for name in ("submit_hot", "submit_spread", "soldout"):
        counties = people.counties if name == "submit_spread" else [HOT_COUNTY]
        counties = [SOLD_OUT_COUNTY] if name == "soldout" else counties
        took = people.take(CALLS)
        # Seen once before, as at the saving of the plan.
        yield "tokens_seen", Load(0, {}, STREAM, people.messages(took, session_code="none"))
        requests = [
            person.submission(counties[index % len(counties)]) for index, person in enumerate(took)
        ]
        tokens = [person.token for person in took]
        yield name, Load(0, {}, f"{SERVICE}SubmitEnrollment", requests, tokens)
    look = enrollment.GetAvailabilityRequest(session_code=SESSION_CODE, county_prefix=HOT_COUNTY)
    requests = [look.SerializeToString()] * CALLS
    yield "availability", Load(0, {}, f"{SERVICE}GetAvailability", requests, has_id=True)
    whole = enrollment.GetAvailabilityRequest(session_code=SESSION_CODE).SerializeToString()
    requests = [whole] * (CALLS // 2)
    yield (
        "availability_province",
        Load(0, {}, f"{SERVICE}GetAvailability", requests, has_id=True),
    )
    took = people.take(STREAMED)
    yield "tokens_seen", Load(0, {}, STREAM, people.messages(took, session_code="none"))
    yield "submit_stream_hot", Load(0, {}, STREAM, people.messages(took))


async def measure(
    folder: Path, postgres: Any, dsn: str, plain: Callable[[], Awaitable[Rate]] | None
) -> tuple[dict[str, Used], list[Rate]]:
    """All that the service does, and `plain` SQL in turns with the streams, where it is given."""
    turns: list[Rate] = []
    used: dict[str, Used] = {}
    wanted = ROUNDS * (3 * CALLS + STREAMED) + TURNS * STREAMED_TOGETHER
    people = await prepare(dsn, wanted)
    settings = {"registration": AWAY, "platform": AWAY}
    quiet = {"level": "error"}
    settings |= {"log": quiet}
    async with service_process(folder, dsn, "enrollment", settings) as (service, ca):
        pin(service.process_id, {SERVER_CPU})
        pin(postgres.process.pid, {LOAD_CPU})
        files = paths_of(ca.issue("portal"))
        stage = Stage(service.port, service.process_id, postgres.process.pid, files)
        for _ in range(ROUNDS):
            async with echo_stage(ca, postgres.process.pid) as echo:
                for name, load in loads(people):
                    if name in AGAINST_ECHO:
                        nothing = Load(0, {}, ECHO, [b""] * CALLS)
                        await echo.measure(nothing, used.setdefault(f"echo_{name}", Used()))
                    await stage.measure(load, used.setdefault(name, Used()))
                    _say(name, used[name])
        whole = os.sched_getaffinity(0)
        pin(postgres.process.pid, whole)
        pin(service.process_id, whole)
        (folder / "second").mkdir()
        beside = service_process(folder / "second", dsn, "enrollment", settings)
        async with beside as (second, its_ca):
            files = paths_of(its_ca.issue("portal"))
            other = Stage(second.port, second.process_id, postgres.process.pid, files)
            for _ in range(TURNS):
                await _stream_to_both((stage, other), people, used)
                if plain is not None:
                    with halted(service.process_id, second.process_id):
                        turns.append(await plain())
    return used, turns


@contextmanager
def halted(*process_ids: int) -> Iterator[None]:
    """Let processes stand still: also what they do when nobody calls would slow others down."""
    for process_id in process_ids:
        os.kill(process_id, signal.SIGSTOP)
    try:
        yield
    finally:
        for process_id in process_ids:
            os.kill(process_id, signal.SIGCONT)


async def _stream_to_both(
    stages: Sequence[Stage], people: Candidates, used: dict[str, Used]
) -> None:
    """Two processes on the whole machine, which plain SQL has, too."""
    took = people.take(STREAMED_TOGETHER)
    parts = [took[begin :: len(stages)] for begin in range(len(stages))]
    seen = [Load(0, {}, STREAM, people.messages(p, session_code="none")) for p in parts]
    await measure_together(stages, seen, used.setdefault("tokens_seen", Used()))
    loads = [Load(0, {}, STREAM, people.messages(part)) for part in parts]
    name = "submit_two_streams_hot"
    await measure_together(stages, loads, used.setdefault(name, Used()))
    _say(name, used[name])


def _say(name: str, used: Used) -> None:
    described = used.described()
    sys.stdout.write(
        f"[bench] {name}: {used.calls / used.seconds:.0f}/s, CPU a call: server"
        f" {described['server_cpu_us']:.0f} µs, PostgreSQL {described['postgres_cpu_us']:.0f} µs,"
        f" load {described['load_cpu_us']:.0f} µs; {used.answers}\n"
    )
    sys.stdout.flush()


async def violations(dsn: str) -> dict[str, int | None]:
    """How often each invariant does not hold; None where that is not known."""
    plan = AuditPlan(datetime.now(UTC), timedelta(days=1), rest_factor=0)
    return {
        each.invariant: None if each.finding is None else each.finding.violations
        for each in await run_audit(dsn, plan)
    }


def ratios(rates: Mapping[str, Rate]) -> dict[str, float]:
    """The figures that count; those with plain SQL where that was measured."""
    speed = {name: rate.per_second for name, rate in rates.items()}
    sql = speed.get("best_sql")
    return {
        "submit_hot_per_echo": speed["submit_hot"] / speed["echo_submit_hot"],
        "submit_hot_per_spread": speed["submit_hot"] / speed["submit_spread"],
        **({"stream_hot_per_best_sql": speed["submit_two_streams_hot"] / sql} if sql else {}),
        **({"one_stream_hot_per_best_sql": speed["submit_stream_hot"] / sql} if sql else {}),
        "soldout_per_echo": speed["soldout"] / speed["echo_soldout"],
        "availability_per_echo": speed["availability"] / speed["echo_availability"],
    }


def best_of(ways: Mapping[str, Rate]) -> tuple[str, int]:
    """The quickest of the three ways, and its number of clients."""
    three = [(way, clients) for way in sql_ways.WAYS for clients in sql_ways.CLIENTS]
    return max(three, key=lambda each: ways[f"{each[0]}_{each[1]}"].per_second)


def total(rates: Sequence[Rate]) -> Rate:
    """Several times the same."""
    return Rate(sum(rate.calls for rate in rates), sum(rate.seconds for rate in rates))


async def measure_all(
    folder: Path, postgres: Any, dsn: str, *, with_sql: bool
) -> tuple[dict[str, Used], dict[str, Rate]]:
    """The service, and plain SQL: each way once, and the best one again in turns with streams."""
    if not with_sql:
        return (await measure(folder, postgres, dsn, None))[0], {}
    sql = sql_ways.PlainSql(folder, postgres.dsn())
    await sql.prepare()
    ways = await sql.measure()
    best = best_of(ways)
    used, turns = await measure(folder, postgres, dsn, lambda: sql.run(*best))
    return used, ways | {"best_sql": total(turns)}


def main(arguments: Sequence[str]) -> None:
    """Measure on a PostgreSQL of our own, which keeps what it commits."""
    with tempfile.TemporaryDirectory(prefix="zikao-bench-") as directory:
        folder = Path(directory)
        with own_cluster(folder) as postgres:
            dsn = asyncio.run(migrated(postgres.dsn(), "enrollment"))
            with_sql = "--no-sql" not in arguments
            used, ways = asyncio.run(measure_all(folder, postgres, dsn, with_sql=with_sql))
            broken = asyncio.run(violations(dsn))
    rates = {name: Rate(each.calls, each.seconds) for name, each in used.items()} | ways
    rates["echo"] = total([rates[f"echo_{name}"] for name in AGAINST_ECHO])
    cpu = {name: each.described() for name, each in used.items()}
    report(
        "enrollment",
        rates,
        ratios(rates),
        wanted=WANTED,
        violations=broken,
        cpu=cpu,
        cores=f"server on {SERVER_CPU}; PostgreSQL and load on {LOAD_CPU}; plain SQL on all",
    )
    if any(broken.values()):
        raise SystemExit("invariants are broken")


if __name__ == "__main__":
    main(sys.argv[1:])
