"""What those cost who wait: streams of their own, and on a portal's stream; for bench_capacity."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
from bench.capacity_calls import WAITING_CODE
from bench.enrollment_seeding import Person, bench_session, store
from support.cpu import cpu_seconds
from support.memory import MEBIBYTE, resident_mib
from support.service import until
from zikao_enrollment.domain.timetable import Track, WaitingRoom, Window

OPEN_CODE = "22.3"
WATCHERS = 1_500
# So few that hardly anybody leaves, and in each look somebody.
ADMITTED_A_SECOND = 20
LOOK_SECONDS = 5.0
_DRAWN = "SELECT drawn_count FROM enrollment.waiting_room WHERE session_code = $1"


async def store_waiting(dsn: str) -> None:
    """The session that people wait for all the time."""
    await _store(dsn, WAITING_CODE, datetime.now(UTC) + timedelta(hours=1))


async def store_opening(dsn: str, seconds: float) -> None:
    """The session that opens in so many seconds."""
    await _store(dsn, OPEN_CODE, datetime.now(UTC) + timedelta(seconds=seconds))


async def _store(dsn: str, code: str, opens_at: datetime) -> None:
    room = WaitingRoom(
        opens_before=timedelta(hours=2),
        pass_life=timedelta(minutes=10),
        max_per_second=ADMITTED_A_SECOND,
        quiet=timedelta(minutes=1),
    )
    session = bench_session()
    window = Window(Track.SOCIAL, opens_at, opens_at + timedelta(days=1), room)
    # Nobody submits here: one county is enough.
    await store(dsn, replace(session, code=code, windows=(window,), counties=session.counties[:1]))


async def until_drawn(database: asyncpg.Connection) -> None:
    """Wait for the opening's draw."""
    await until(lambda: database.fetchval(_DRAWN, OPEN_CODE), 60.0)


@dataclass(frozen=True)
class Onlookers:
    """Who watches the room of OPEN_CODE, and the server that is watched."""

    folder: Path
    port: int
    server: int
    people: Sequence[Person]

    async def measure(self) -> dict[str, float]:
        """Memory and CPU of a stream, a tick, and a candidate on a portal's stream."""
        idle = await self._busy()
        before = resident_mib(self.server)
        async with self._watching("alone") as process:
            alone = resident_mib(self.server) - before
            told = await _messages(process)
            busy = await self._busy()
            told = await _messages(process) - told
        # What has been freed stays with the process: this grows less than the first time.
        cpu = cpu_seconds(self.server)
        async with self._watching("portal"):
            named = cpu_seconds(self.server) - cpu
        return {
            "place_stream_kib": round(alone * MEBIBYTE / 1024 / len(self.people), 1),
            "tick_us": round((busy - idle) / told * 1e6, 1),
            "ticks_a_second": round(told / len(self.people) / LOOK_SECONDS, 2),
            "watched_us": round(named / len(self.people) * 1e6, 1),
        }

    async def _busy(self) -> float:
        used = cpu_seconds(self.server)
        await asyncio.sleep(LOOK_SECONDS)
        return cpu_seconds(self.server) - used

    @asynccontextmanager
    async def _watching(self, how: str) -> AsyncIterator[Process]:
        tokens = self.folder / "tokens"
        tokens.write_text("\n".join(person.token for person in self.people), encoding="utf-8")
        module = str(Path(__file__).with_name("place_streams.py"))
        command = (module, str(self.folder / "certs"), str(self.port), OPEN_CODE, str(tokens), how)
        process = await asyncio.create_subprocess_exec(
            sys.executable, *command, stdin=PIPE, stdout=PIPE
        )
        assert process.stdout is not None
        try:
            await process.stdout.readline()
            yield process
        finally:
            process.kill()
            await process.wait()


async def _messages(process: Process) -> int:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b"\n")
    return int(await process.stdout.readline())
