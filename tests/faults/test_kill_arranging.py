"""kill -9 of whoever arranges, in every stage: another one comes to the same result.

The county has three sites and four slots, and people of several subjects, so that rooms are shared
and sites divided.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from support import halting_arranger
from support.postgres import THROWAWAY_SETTINGS
from support.service import until
from support.service_databases import MakeDatabase
from support.tickets_database import (
    COUNTY,
    KEYS,
    MORNING,
    SESSION,
    SITE,
    apply,
    arranged,
    everything_has_come,
    start,
)
from zikao_ctl.embedded_postgres import EmbeddedPostgres
from zikao_kit.config import DatabaseConfig
from zikao_kit.db import Database
from zikao_kit.migrate import migrate, open_database
from zikao_kit.roles import prepare_service
from zikao_tickets.domain.layout import RoomPlan
from zikao_tickets.domain.projections import EnrollmentState
from zikao_tickets.domain.session import Slot
from zikao_tickets.names import PACKAGE
from zikao_tickets.stores.feeds import FeedStore

PEOPLE = 400
SUBJECTS, CHOICE = 6, 2
SLOTS = (1, 2, 3, 4)
SECONDS = 60.0
PASSWORD = "correct-horse-battery"
STARTS = [MORNING + timedelta(hours=5.5 * half, days=day) for day in (0, 1) for half in (0, 1)]
COURSES = {f"{slot}{number:04}": "课程" for slot in SLOTS for number in range(CHOICE * SUBJECTS)}
FOUR_SLOTS = replace(
    SESSION,
    slots=tuple(
        Slot(slot, at, at + timedelta(hours=2.5)) for slot, at in zip(SLOTS, STARTS, strict=True)
    ),
    courses=COURSES,
)
SITES = [
    replace(SITE, code=code, rooms=tuple(RoomPlan(f"{room:03}", 5, 6) for room in range(1, 5)))
    for code in "ABC"
]
# What another transaction keeps the arranging from, and what is stored by then.
READING = "LOCK TABLE tickets.accommodation IN ACCESS EXCLUSIVE MODE"
KEEPING = "LOCK TABLE tickets.arrangement_plan IN EXCLUSIVE MODE"
WRITING = "LOCK TABLE tickets.seat IN EXCLUSIVE MODE"
CHECKING = "LOCK TABLE tickets.arrangement_slot IN ACCESS EXCLUSIVE MODE"

NEWEST = "SELECT * FROM tickets.arrangement ORDER BY requested_at DESC LIMIT 1"
FIGURES = ("attempts", "seats_sha256", "roster_sha256", "seed_sha256", "packs", "site_changes")
STORED = {
    "plan": "SELECT plan, input_sha256 FROM tickets.arrangement_plan WHERE arrangement_id = $1",
    "proofs": "SELECT slot, rooms, weights, packs_bound FROM tickets.arrangement_slot"
    " WHERE arrangement_id = $1 ORDER BY slot",
    "seats": "SELECT slot, site_code, room_code, seat_number, candidate_id, course_code, late"
    " FROM tickets.seat WHERE arrangement_id = $1"
    " ORDER BY slot, site_code, room_code, seat_number",
}


def enrolled() -> Iterator[EnrollmentState]:
    """Who sits what: one to four slots, of each a course of one's subject."""
    chance = Random(22)
    for number in range(1, PEOPLE + 1):
        first = CHOICE * (number % SUBJECTS)
        slots = sorted(chance.sample(SLOTS, chance.randint(1, 4)))
        taken = tuple((slot, f"{slot}{first + chance.randrange(CHOICE):04}") for slot in slots)
        yield EnrollmentState(SESSION.code, UUID(int=number), COUNTY, taken)


@asynccontextmanager
async def county(dsn: str) -> AsyncIterator[Database]:
    """The county, ready to be arranged."""
    async with open_database(DatabaseConfig(dsn=dsn), PACKAGE) as db:
        await apply(db, FOUR_SLOTS, SITES)
        async with db.transaction() as tx:
            await FeedStore(tx, KEYS).replace_sittings(list(enrolled()))
        yield db


async def begin(db: Database) -> None:
    """Leave the county's arrangement to whoever arranges."""
    await start(db)
    await everything_has_come(db)


class Arranger:
    """The process, one after the other, and what it has done."""

    def __init__(self, dsn: str, folder: Path, connection: asyncpg.Connection) -> None:
        self._dsn, self._keys, self.connection = dsn, folder / "keys.yaml", connection
        KEYS.write(self._keys)

    @asynccontextmanager
    async def running(self, halting_at: str = "") -> AsyncIterator[Process]:
        """The process, killed at the end."""
        command = (sys.executable, "-m", "support.halting_arranger", self._dsn, str(self._keys))
        process = await asyncio.create_subprocess_exec(
            *command,
            *([halting_at] if halting_at else []),
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        )
        try:
            yield process
        finally:
            process.kill()
            await process.wait()

    async def die_at(self, place: str) -> None:
        """Work, and be killed in a stage of solving or in the draw, as the progress shows it."""
        async with self.running(place):
            shown = "seating 0" if place == halting_arranger.DRAWING else place
            await until(lambda: self._shows(shown), SECONDS)

    async def die_before(self, statement: str) -> None:
        """Work, and be killed while another transaction has locked what is wanted next."""
        async with self.connection.transaction():
            await self.connection.execute(statement)
            async with self.running():
                await until(lambda: waits(self.connection), SECONDS)

    async def finish(self) -> dict[str, Any]:
        """Work to the end; what has come of it."""
        async with self.running():
            await until(self.is_done, SECONDS)
        return await result(self.connection)

    async def plan(self) -> Any:
        """The plan that is kept, and by which transaction."""
        return await self.connection.fetchrow(
            "SELECT kept.plan, kept.xmin FROM tickets.arrangement_plan AS kept"
            f" JOIN ({NEWEST}) AS newest USING (arrangement_id)"
        )

    async def _shows(self, shown: str) -> bool:
        shows: str | None = await self.connection.fetchval(
            "SELECT stage || ' ' || stage_done FROM tickets.arrangement WHERE state = 'running'"
        )
        return shows == shown

    async def is_done(self) -> bool:
        """Whether nothing is left to be arranged."""
        return not await self.connection.fetchval(
            "SELECT count(*) FROM tickets.arrangement WHERE state IN ('pending', 'running')"
        )


async def waits(connection: asyncpg.Connection) -> bool:
    """Whether somebody in this database waits for a table."""
    found = await connection.fetchval(
        "SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = database"
        " WHERE datname = current_database() AND locktype = 'relation' AND NOT granted"
    )
    return bool(found)


async def result(connection: asyncpg.Connection) -> dict[str, Any]:
    """All that the newest arrangement has stored, but for its id, and how often it was begun."""
    newest = await connection.fetchrow(NEWEST)
    assert newest is not None
    assert (newest["state"], newest["failure"]) == ("done", "")
    stored = {
        name: [tuple(row) for row in await connection.fetch(query, newest["arrangement_id"])]
        for name, query in STORED.items()
    }
    in_all = await connection.fetchval("SELECT count(*) FROM tickets.seat")
    return {"in all": in_all, **{figure: newest[figure] for figure in FIGURES}, **stored}


def require_same(found: dict[str, Any], never_killed: dict[str, Any], begun: int) -> None:
    """The same bytes, of everybody once, and nothing beside them; begun that often."""
    sittings = sum(len(each.courses) for each in enrolled())
    assert len(never_killed["seats"]) == never_killed["in all"] == sittings
    assert len({seat[1] for seat in never_killed["seats"]}) > 1, "one site is no division"
    assert never_killed["attempts"] == 1
    assert found == {**never_killed, "attempts": begun}


async def test_whoever_arranges_is_killed(make_database: MakeDatabase, tmp_path: Path) -> None:
    """In every stage: each is taken over, what was solved is not solved again, nothing is twice.

    The seed is the same as long as the same seats are in force.
    """
    dsn = await make_database("tickets")
    connection = await asyncpg.connect(dsn)
    arranger = Arranger(dsn, tmp_path, connection)
    async with county(dsn) as db:
        await begin(db)
        await arranger.die_before(READING)
        await arranger.die_at("rooms 2")
        await arranger.die_at("sites 1")
        await arranger.die_before(KEEPING)
        assert await arranger.plan() is None
        in_solving = await arranger.finish()
        await begin(db)
        await arranger.die_at(halting_arranger.DRAWING)
        plan = await arranger.plan()
        await arranger.die_before(WRITING)
        await arranger.die_before(CHECKING)
        in_seating = await arranger.finish()
        assert await arranger.plan() == plan
        await arranged(db)
        never_killed = await result(connection)
    require_same(in_solving, never_killed, begun=5)
    require_same(in_seating, never_killed, begun=4)
    await connection.close()


@pytest.fixture
def postgres(tmp_path: Path) -> Iterator[EmbeddedPostgres]:
    """A cluster to be killed."""
    settings = {**THROWAWAY_SETTINGS, "shared_buffers": "16MB"}
    with EmbeddedPostgres(tmp_path / "cluster", settings=settings) as started:
        yield started


async def test_the_database_is_killed(postgres: EmbeddedPostgres, tmp_path: Path) -> None:
    """While seats are written, all of them before the commit: the same process goes on."""
    dsn = await prepare_service(postgres.dsn(), "zikao", "tickets", PASSWORD)
    await migrate(dsn, PACKAGE, say=lambda _: None)
    async with county(dsn) as db:
        await begin(db)
    connection = await asyncpg.connect(dsn)
    arranger = Arranger(dsn, tmp_path, connection)
    await arranger.die_at(halting_arranger.DRAWING)
    plan = await arranger.plan()
    blocking = connection.transaction()
    await blocking.start()
    await connection.execute(CHECKING)
    async with arranger.running() as process:
        await until(lambda: waits(connection), SECONDS)
        await asyncio.to_thread(kill, postgres)
        await asyncio.to_thread(postgres.start)
        arranger.connection = connection = await asyncpg.connect(dsn)
        await until(arranger.is_done, SECONDS)
        assert process.returncode is None
        assert await arranger.plan() == plan
        found = await result(connection)
    # Not beside the process, which takes whatever there is to arrange.
    async with open_database(DatabaseConfig(dsn=dsn), PACKAGE) as db:
        await arranged(db)
        require_same(found, await result(connection), begun=3)
    await connection.close()


def kill(postgres: EmbeddedPostgres) -> None:
    """End the server and its processes at once."""
    os.kill(postgres.process.pid, signal.SIGQUIT)
    postgres.process.wait(10)
