"""What the service still does when far more is wanted than it can do, as ratios in one run.

    make bench-overload          # out/bench/overload.json

The service has one core for itself; PostgreSQL and the load share the other one. Each round
wants a little and more beyond the peak, then 70 % of it, three times, 70 %, ten times, 70 %. The
peak is what the same callers get done, in the median of the rounds. Submissions of
callers that keep to the contract ("What a caller owes" in docs/request-flow.md) count; what their
throttle holds back was wanted, and counts as offered. Word of payments comes all the time. In the
end callers that keep to nothing send three times as much. Phases in which the load, or the machine,
was short and not the service say nothing; where none is left the file says `inconclusive`, and
nothing is kept (`overload_judging`).
"""

from __future__ import annotations

import asyncio
import json
import os
import pickle
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.bench_enrollment import AWAY, LOAD_CPU, SERVER_CPU, violations
from bench.enrollment_load import STREAM
from bench.enrollment_load import Load as StreamLoad
from bench.enrollment_load import run as run_stream
from bench.enrollment_seeding import Candidates, people_of
from bench.overload_judging import (
    PEAKS,
    Figures,
    Seen,
    figures_of,
    figures_of_all,
    goodput,
    inconclusive_because,
    is_disturbed,
    is_generator_bound,
    peak_of,
    targets_of,
)
from bench.overload_load import Phase, Stage
from bench.overload_seeding import (
    CANDIDATES,
    PAID_SESSION,
    notifications,
    open_payments,
    open_sessions,
    submissions_of,
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
from support.cpu import pin

# Many short ones in turns: another guest of the machine slows a whole phase down.
ROUNDS = 6
PAYMENTS = 11_000
CALM_SHARE = 0.7
FIRST_GUESS_PER_SECOND = 3000.0

# In the file as ratios; the others have other units.
RATIOS = ("goodput_10x", "goodput_3x", "goodput_3x_naive", "p99_admitted_per_70")

# Figures, what they were made of, the peak: None where all that was beyond it says nothing.
Measured = tuple[Figures, dict[str, Any], float | None]


class Generator:
    """The process that makes the load."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def run(self, *phases: Phase) -> list[Seen]:
        """Phases without a pause between them."""
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("it was started without pipes")
        line = json.dumps([asdict(phase) for phase in phases]) + "\n"
        self._process.stdin.write(line.encode())
        said = await self._process.stdout.readline()
        if not said:
            raise RuntimeError("the load has ended")
        seen: list[Seen] = json.loads(said)
        for each in seen:
            _say(each)
        return seen


@asynccontextmanager
async def generator(stage: Stage) -> AsyncIterator[Generator]:
    """Start it, and wait until it is connected."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.overload_load"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=2**24,
    )
    try:
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("it was started without pipes")
        process.stdin.write(pickle.dumps(stage))
        await process.stdin.drain()
        if await process.stdout.readline() != b"ready\n":
            raise RuntimeError("the load cannot begin")
        yield Generator(process)
    finally:
        await end_process(process)


def _say(seen: Seen) -> None:
    cpu = " ".join(f"{name} {share:.2f}" for name, share in seen["cpu"].items())
    sys.stdout.write(
        f"[bench] {seen['name']:10} wanted {seen['wanted'] / seen['seconds']:6.0f}/s"
        f" sent {seen['sent'] / seen['seconds']:6.0f}/s done {goodput(seen):6.0f}/s"
        f" p50 {seen['latency_p50'] * 1000:5.1f} p99 {seen['latency_p99'] * 1000:5.1f} ms"
        f" payments {seen['timely_payments']}/{seen['payments']}"
        f" ({seen['slowest_payment'] * 1000:.0f} ms)"
        f" lag {seen['lag_p99'] * 1000:.0f} ms; cores {cpu}; {seen['other']}\n"
    )
    sys.stdout.flush()


async def feel(load: Generator) -> list[Seen]:
    """More and more is wanted, until not all of it is done: what the last one got is a guess."""
    guess, phases = FIRST_GUESS_PER_SECOND, []
    while True:
        phases += await load.run(Phase("feeling", guess, 2.0))
        if goodput(phases[-1]) < 0.95 * guess:
            return phases
        guess *= 1.25


def round_of(peak: float) -> list[Phase]:
    """The phases of a round."""
    calm = Phase("calm", CALM_SHARE * peak, 3.0)
    return [
        *(Phase(name, factor * peak, 3.0) for name, factor in PEAKS.items()),
        calm,
        Phase("3x", 3 * peak, 4.0),
        calm,
        Phase("10x", 10 * peak, 4.0),
        calm,
    ]


async def measure(load: Generator) -> Measured:
    """What the rounds say, all that was seen, and the peak."""
    felt = await feel(load)
    peak, rounds = goodput(felt[-1]), []
    for _ in range(ROUNDS):
        rounds.append(await load.run(*round_of(peak)))
        peak = peak_of(rounds) or peak
    (naive,) = await load.run(Phase("3x naive", 3 * peak, 4.0, throttled=False))
    figures = figures_of_all(rounds, naive)
    phases = [*felt, *(phase for each in rounds for phase in each), naive]
    more = {
        "inconclusive": inconclusive_because(figures),
        "generator_bound": [each["name"] for each in phases if is_generator_bound(each)],
        "disturbed": [each["name"] for each in phases if is_disturbed(each)],
        "rounds": [figures_of(each) for each in rounds],
        "phases": phases,
    }
    return figures, more, peak_of(rounds)


@asynccontextmanager
async def stage_of(
    folder: Path, postgres: Any, dsn: str, server: Mapping[str, Any]
) -> AsyncIterator[Generator]:
    """Seed, start the service, and what makes its load."""
    await open_sessions(dsn)
    people = list(await people_of(dsn, CANDIDATES))
    settings: dict[str, Any] = {
        "registration": AWAY,
        "platform": AWAY,
        "log": {"level": "error"},
        "server": server,
    }
    async with service_process(folder, dsn, "enrollment", settings) as (service, ca):
        files = paths_of(ca.issue("portal"))
        # All tokens are seen so, and the first have orders to pay.
        messages = Candidates(iter(()), ()).messages(people, PAID_SESSION)
        await run_stream(StreamLoad(service.port, files, STREAM, messages))
        await open_payments(dsn, PAYMENTS)
        stage = Stage(
            port=service.port,
            portal=files,
            platform=paths_of(ca.issue("payment-platform")),
            submissions=submissions_of(people),
            notifications=await notifications(dsn),
            watched={"server": service.process_id, "postgres": postgres.process.pid},
            cpu=LOAD_CPU,
        )
        pin(service.process_id, {SERVER_CPU})
        pin(postgres.process.pid, {LOAD_CPU})
        async with generator(stage) as load:
            yield load
        pin(postgres.process.pid, os.sched_getaffinity(0))


async def run(folder: Path, postgres: Any, dsn: str) -> Measured:
    """All of it."""
    async with stage_of(folder, postgres, dsn, {}) as load:
        return await measure(load)


def main() -> None:
    """Measure on a PostgreSQL of our own, which keeps what it commits."""
    with tempfile.TemporaryDirectory(prefix="zikao-bench-") as directory:
        folder = Path(directory)
        with own_cluster(folder) as postgres:
            dsn = asyncio.run(migrated(postgres.dsn(), "enrollment"))
            figures, more, peak = asyncio.run(run(folder, postgres, dsn))
            broken = asyncio.run(violations(dsn))
    targets = targets_of(figures, sum(count or 0 for count in broken.values()))
    report(
        "overload",
        {"peak": Rate(round(peak), 1.0)} if peak else {},
        {name: ratio for name in RATIOS if (ratio := figures[name]) is not None},
        targets=targets,
        payments_within_1s=figures["payments_within_1s"],
        recovery_seconds=figures["recovery_seconds"],
        violations=broken,
        **more,
    )
    if any(broken.values()):
        raise SystemExit("invariants are broken")


if __name__ == "__main__":
    main()
