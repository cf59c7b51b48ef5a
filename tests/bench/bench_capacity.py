"""What each call of an opening costs here: the figures behind docs/capacity.md.

    make capacity                # docs/capacity-figures.json, docs/capacity.md

CPU of the server and of PostgreSQL by kind of call, bytes on the wire, log of the database, and the
memory of connections and streams. The server has one core, PostgreSQL and the load share another.
"""

from __future__ import annotations

import asyncio
import json
import platform
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
from bench.bench_availability import changing, watching
from bench.bench_enrollment import AWAY, LOAD_CPU, SERVER_CPU, Stage, Used, echo_stage
from bench.byte_counting import counted
from bench.capacity_calls import A_ROUND, Round, join_or_ask
from bench.capacity_room import (
    OPEN_CODE,
    WATCHERS,
    Onlookers,
    store_opening,
    store_waiting,
    until_drawn,
)
from bench.echo_server import METHOD as ECHO
from bench.enrollment_load import Load
from bench.enrollment_seeding import Person, prepare
from support.bench import migrated, own_cluster, paths_of, platform_process, service_process
from support.cpu import cpu_seconds, pin
from support.memory import MEBIBYTE, resident_mib
from zikao.enrollment.v1 import waiting_room_service_pb2 as rooms
from zikao_ctl.capacity.command import DEFAULT_QUESTION
from zikao_ctl.capacity.figures import read_figures
from zikao_ctl.capacity.page import insert, markdown
from zikao_kit.tls import DevelopmentCa

DOCS = Path(__file__).parents[2] / "docs"
FIGURES, PAGE = DOCS / "capacity-figures.json", DOCS / "capacity.md"
ROUNDS = 3
ECHOES = 4_000
STREAMS, CONNECTIONS, STREAMS_A_CONNECTION = 1_500, 300, 90
LOOK_SECONDS = 5.0
MOST_SHED = 0.1
# All have joined by then; and the board knows a session.
OPENS_IN_SECONDS, BOARD_SECONDS = 8.0, 2.0
_KIBIBYTE = 1024
_DATABASE = """SELECT
  pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint AS wal_bytes,
  (SELECT sum(fsyncs) FROM pg_stat_io WHERE object = 'wal')::bigint AS wal_flushes,
  (SELECT sum(xact_commit) FROM pg_stat_database)::bigint AS commits,
  (SELECT sum(pg_database_size(oid)) FROM pg_database)::bigint AS stored_bytes"""
# Backends tell their counts once a second at the most, when they rest.
_COUNTS_SETTLE_SECONDS = 1.5
COUNTED = ("submit", "submit_full", "submit_stream", "payment")


@dataclass
class Kind:
    """What a kind of call has used in all rounds, and in the first one on the wire."""

    used: Used = field(default_factory=Used)
    wire_calls: int = 0
    sent: int = 0
    received: int = 0
    database: dict[str, int] = field(default_factory=dict)

    def described(self) -> dict[str, float]:
        """By call."""
        calls = self.used.calls
        described = {
            "server_us": self.used.server / calls * 1e6,
            "postgres_us": self.used.postgres / calls * 1e6,
        }
        if self.wire_calls:
            described["bytes_in"] = self.sent / self.wire_calls
            described["bytes_out"] = self.received / self.wire_calls
        for name, count in self.database.items():
            described[name] = count / calls
        # A CPU second has a hundred ticks: more digits would be none.
        return {
            name: round(value, 3 if name in ("wal_flushes", "commits") else 1)
            for name, value in described.items()
        }


@dataclass
class Bench:
    """The processes that are measured, and what has been."""

    ca: DevelopmentCa
    port: int
    server: int
    postgres: int
    database: asyncpg.Connection
    kinds: dict[str, Kind] = field(default_factory=dict)

    async def round(self, people: Any, *, on_the_wire: bool) -> None:
        """All kinds once: through a relay that counts bytes, or to see what they cost."""
        async for name, caller, load in Round(people, self.database).loads():
            kind = self.kinds.setdefault(name, Kind()) if name else Kind()
            if on_the_wire:
                await self._weigh(kind, caller, load)
            else:
                await self._time(kind, caller, load, settles=name in COUNTED)
            _say(name, kind)

    async def _weigh(self, kind: Kind, caller: str, load: Load) -> None:
        used = Used()
        async with counted(self.port) as wire:
            await self.stage(caller, wire.port).measure(load, used)
        kind.wire_calls, kind.sent, kind.received = used.calls, wire.sent, wire.received
        _require_answers(load, used)

    async def _time(self, kind: Kind, caller: str, load: Load, *, settles: bool) -> None:
        before = await self._counts()
        await self.stage(caller, self.port).measure(load, kind.used)
        _require_answers(load, kind.used)
        if settles:
            await asyncio.sleep(_COUNTS_SETTLE_SECONDS)
        for name, count in (await self._counts()).items():
            kind.database[name] = kind.database.get(name, 0) + count - before[name]

    def stage(self, caller: str, port: int) -> Stage:
        """Where the service is called with somebody's certificate."""
        return Stage(port, self.server, self.postgres, paths_of(self.ca.issue(caller)))

    async def _counts(self) -> dict[str, int]:
        (row,) = await self.database.fetch(_DATABASE)
        return dict(row)


def _require_answers(load: Load, used: Used) -> None:
    """A kind whose calls fail would look cheap; a few may be told to come again."""
    known = {"OK", "SOLD_OUT", "SESSION_UNKNOWN"}
    odd = {reason: count for reason, count in used.answers.items() if reason not in known}
    if set(odd) - {"OVERLOADED"} or sum(odd.values()) > MOST_SHED * used.calls:
        raise SystemExit(f"{load.method} was answered with {odd}")


async def streams(bench: Bench, certs: Path, dsn: str) -> dict[str, float]:
    """Memory of a stream and of a connection, and CPU of a message that all streams get."""
    at_first = resident_mib(bench.server)
    async with watching(certs, bench.port, CONNECTIONS, 1):
        with_connections = resident_mib(bench.server)
    between = resident_mib(bench.server)
    async with watching(certs, bench.port, STREAMS, STREAMS_A_CONNECTION) as looking:
        with_streams = resident_mib(bench.server)
        idle, _ = await _busy(bench, looking)
        async with changing(dsn):
            busy, messages = await _busy(bench, looking)
    a_stream = (with_streams - between) * MEBIBYTE / STREAMS / _KIBIBYTE
    both = (with_connections - at_first) * MEBIBYTE / CONNECTIONS / _KIBIBYTE
    return {
        "process_mib": round(at_first, 1),
        "stream_kib": round(a_stream, 1),
        "connection_kib": round(both - a_stream, 1),
        "message_us": round((busy - idle) / messages * 1e6, 1),
    }


async def room(bench: Bench, folder: Path, dsn: str, people: Sequence[Person]) -> dict[str, float]:
    """What those cost who wait."""
    await store_opening(dsn, OPENS_IN_SECONDS)
    await asyncio.sleep(BOARD_SECONDS)
    request = rooms.JoinWaitingRoomRequest(session_code=OPEN_CODE).SerializeToString()
    load, used = join_or_ask("JoinWaitingRoom", people, request), Used()
    await bench.stage("portal", bench.port).measure(load, used)
    _require_answers(load, used)
    await until_drawn(bench.database)
    return await Onlookers(folder, bench.port, bench.server, people).measure()


async def _busy(bench: Bench, looking: asyncio.subprocess.Process) -> tuple[float, int]:
    """CPU seconds of the server in a while, and the messages that streams got in it."""
    before, used = await _seen(looking), cpu_seconds(bench.server)
    await asyncio.sleep(LOOK_SECONDS)
    return cpu_seconds(bench.server) - used, await _seen(looking) - before


async def _seen(looking: asyncio.subprocess.Process) -> int:
    assert looking.stdin is not None
    assert looking.stdout is not None
    looking.stdin.write(b"\n")
    return int((await looking.stdout.readline()).split()[0])


@asynccontextmanager
async def benched(folder: Path, postgres: Any, dsn: str) -> AsyncIterator[Bench]:
    """Enrollment and the platform as processes, each side on its core."""
    async with platform_process(folder) as payments:
        target = f"127.0.0.1:{payments.port}"
        settings = {
            "registration": AWAY,
            "platform": {"target": target, "server_name": "payment-platform"},
            "log": {"level": "error"},
            # All come from one address, at once.
            "server": {"max_new_connections_per_second": CONNECTIONS},
        }
        async with service_process(folder, dsn, "enrollment", settings) as (service, ca):
            pin(service.process_id, {SERVER_CPU})
            pin(postgres.process.pid, {LOAD_CPU})
            pin(payments.process_id, {LOAD_CPU})
            database = await asyncpg.connect(postgres.dsn(dsn.rpartition("/")[2]))
            try:
                yield Bench(ca, service.port, service.process_id, postgres.process.pid, database)
            finally:
                await database.close()


async def measure(folder: Path, postgres: Any) -> dict[str, Any]:
    """Everything, as the file has it."""
    dsn = await migrated(postgres.dsn(), "enrollment")
    people = await prepare(dsn, (1 + ROUNDS) * A_ROUND + WATCHERS)
    await store_waiting(dsn)
    empty = Used()
    async with benched(folder, postgres, dsn) as bench:
        memory = await streams(bench, folder / "certs", dsn)
        memory |= await room(bench, folder, dsn, people.take(WATCHERS))
        before = resident_mib(bench.server)
        await bench.round(people, on_the_wire=True)
        for _ in range(ROUNDS):
            async with echo_stage(bench.ca, bench.postgres) as echo:
                await echo.measure(Load(0, {}, ECHO, [b""] * ECHOES), empty)
            await bench.round(people, on_the_wire=False)
        grown_bytes = max(0.0, resident_mib(bench.server) - before) * MEBIBYTE
        memory["candidate_bytes"] = round(grown_bytes / ((1 + ROUNDS) * A_ROUND), 1)
        version = await bench.database.fetchval("SHOW server_version")
    return {
        "measured": {
            "on": datetime.now(UTC).date().isoformat(),
            "python": platform.python_version(),
            "postgresql": version.split()[0],
            "empty_call_us": round(empty.server / empty.calls * 1e6, 1),
        },
        "calls": {name: kind.described() for name, kind in bench.kinds.items()},
        "memory": memory,
    }


def _say(name: str, kind: Kind) -> None:
    if name and kind.used.calls:
        cost = kind.described()
        sys.stdout.write(
            f"[capacity] {name}: server {cost['server_us']:.0f} µs,"
            f" PostgreSQL {cost['postgres_us']:.0f} µs; {kind.used.answers}\n"
        )
        sys.stdout.flush()


def main() -> None:
    """Measure on a PostgreSQL of our own, which keeps what it commits."""
    with tempfile.TemporaryDirectory(prefix="zikao-bench-") as directory:
        folder = Path(directory)
        with own_cluster(folder) as postgres:
            figures = asyncio.run(measure(folder, postgres))
    text = json.dumps(figures, indent=2, ensure_ascii=False) + "\n"
    FIGURES.write_text(text, encoding="utf-8")
    answer = markdown(DEFAULT_QUESTION, read_figures(FIGURES))
    PAGE.write_text(insert(PAGE.read_text("utf-8"), answer), encoding="utf-8")
    sys.stdout.write(f"[capacity] {FIGURES}\n[capacity] {PAGE}\n")


if __name__ == "__main__":
    main()
