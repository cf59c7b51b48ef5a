"""Processes of enrollment that let people in, with nobody but the database to talk to."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from uuid import UUID

import asyncpg
from support.bench import ServiceProcess, service_process
from support.enrollment_rooms import AFTER, EARLY
from support.service import free_port, move_clock, until
from support.waiting_rooms import KEY
from zikao_enrollment.commands.apply_session import apply_session
from zikao_enrollment.domain.timetable import Session
from zikao_enrollment.names import PACKAGE
from zikao_enrollment.stores.sessions import SessionStore
from zikao_kit.config import DatabaseConfig
from zikao_kit.db import Database
from zikao_kit.queries import Queries

_WAIT = (
    "INSERT INTO enrollment.waiting_room (session_code, track, committed, pass_key, opened_at)"
    " VALUES ($1, $2, sha256('a'), sha256('b'), $3)",
    "INSERT INTO enrollment.waiting_place (session_code, track, candidate_id, drawn, joined_at)"
    " SELECT $1, $2, gen_random_uuid(), true, $3 FROM generate_series(1, $4::integer)",
)


@dataclass(frozen=True)
class Moment:
    """How far the room is, and who leads it."""

    admitted_until: int
    leader: UUID | None


@dataclass
class RoomProcesses:
    """The processes, of which the first one leads, and a way to look at the room."""

    processes: list[ServiceProcess]
    database: asyncpg.Connection

    def send(self, index: int, what: signal.Signals) -> None:
        """Kill, freeze, or let a process go on; nothing to one that has ended."""
        with suppress(ProcessLookupError):
            os.kill(self.processes[index].process_id, what)

    async def look(self) -> Moment:
        """The room now."""
        row = await self.database.fetchrow(
            "SELECT admitted_until, leader FROM enrollment.waiting_room"
        )
        assert row is not None
        return Moment(row["admitted_until"], row["leader"])

    async def until_working(self, process_id: UUID | None) -> None:
        """Wait until a process has looked, from now on, whether it leads."""
        now = await self.database.fetchval("SELECT clock_timestamp()")
        # The first report may have been begun before.
        for _ in range(2):

            async def reported(since: datetime = now) -> datetime | None:
                found: datetime | None = await self.database.fetchval(
                    "SELECT reported_at FROM enrollment.waiting_report"
                    " WHERE process_id = $1 AND reported_at > $2",
                    process_id,
                    since,
                )
                return found

            now = await until(reported)

    async def until_led_by_another(self, leader: UUID | None) -> Moment:
        """Wait until somebody else than this one leads and lets in."""
        before = (await self.look()).admitted_until

        async def led() -> Moment | None:
            found = await self.look()
            goes_on = found.leader != leader and found.admitted_until > before
            return found if goes_on else None

        found: Moment = await until(led)
        return found


@asynccontextmanager
async def room_processes(
    dsn: str, folder: Path, session: Session, waiting: int
) -> AsyncIterator[RoomProcesses]:
    """Two processes after the opening, before a room in which so many waited for it."""
    clock_file = folder / "clock.json"
    await move_clock(clock_file, EARLY)
    await _prepare(dsn, session, waiting)
    settings = {
        "registration": {"target": f"127.0.0.1:{free_port()}", "server_name": "registration"},
        "platform": {"target": f"127.0.0.1:{free_port()}", "server_name": "payment-platform"},
        "clock": {"offset_file": str(clock_file)},
        "log": {"level": "error"},
    }
    async with AsyncExitStack() as stack:
        database = await asyncpg.connect(dsn)
        stack.push_async_callback(database.close)
        starting = (service_process(folder, dsn, "enrollment", settings) for _ in range(2))
        started = await asyncio.gather(*map(stack.enter_async_context, starting))
        found = RoomProcesses([process for process, _ in started], database)
        # The second one sleeps through the opening: so it is known who leads.
        found.send(1, signal.SIGSTOP)
        stack.callback(found.send, 1, signal.SIGCONT)
        await move_clock(clock_file, AFTER)
        await found.until_led_by_another(None)
        found.send(1, signal.SIGCONT)
        yield found


async def _prepare(dsn: str, session: Session, waiting: int) -> None:
    async with await Database.connect(DatabaseConfig(dsn=dsn), Queries.load(PACKAGE)) as db:
        async with db.transaction() as tx:
            await apply_session(SessionStore(tx), session, dry_run=False, now=EARLY)
        queries = Queries("test", {"room": _WAIT[0], "places": _WAIT[1]})
        async with db.transaction() as tx:
            await tx.using(queries).execute("room", *KEY, EARLY)
            await tx.using(queries).execute("places", *KEY, EARLY, waiting)
