"""kill -9 of the process that arranges, in every stage: another one comes to the same result."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from support.service import until
from support.service_databases import MakeDatabase
from support.tickets_arranging import planned
from support.tickets_database import CLOSED, SITE
from support.tickets_process import ServiceProcess
from support.tickets_service import Installation, running_service, tickets_installation
from zikao_kit.crypto import KeyRing
from zikao_tickets.domain.person import seed_context
from zikao_tickets.domain.rooms import Room
from zikao_tickets.domain.roster import Roster, Sitting
from zikao_tickets.domain.seating import Seat, draw

LEASE_SECONDS = 1.0
PEOPLE = [UUID(int=number) for number in range(1, 21)]
# What the work waits for when the process is killed, and whether the plan has been kept by then.
STAGES = {
    "reading": ("LOCK TABLE tickets.accommodation IN ACCESS EXCLUSIVE MODE", False),
    "solved": ("LOCK TABLE tickets.arrangement_plan IN EXCLUSIVE MODE", False),
    "writing": ("LOCK TABLE tickets.seat IN EXCLUSIVE MODE", True),
}


@pytest.fixture
async def installation(tmp_path: Path, make_database: MakeDatabase) -> AsyncIterator[Installation]:
    """Peers and a database with twenty people, ready for processes."""
    async with tickets_installation(tmp_path, await make_database("tickets")) as installation:
        for person in PEOPLE:
            installation.peers.register(person, "张三", b"photo")
            installation.peers.enroll(person, (1, "00015"))
        await installation.apply()
        await installation.move_to(CLOSED)
        await installation.arrive()
        await installation.stop()
        yield installation


@asynccontextmanager
async def running(it: Installation, folder: Path, process: ServiceProcess) -> Any:
    """The service in a process of its own."""
    dsn = it.config.database.resolved_dsn()
    settings: dict[str, Any] = {"arrangement_lease_seconds": LEASE_SECONDS}
    async with running_service(
        folder, dsn, it.ca, it.peers, serve=process.serve, **settings
    ) as service:
        yield service


async def waits(connection: asyncpg.Connection) -> bool:
    """Whether somebody in this database waits for a lock."""
    found = await connection.fetchval(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    return bool(found)


async def kept(connection: asyncpg.Connection, arrangement_id: str) -> Any:
    """The plan as it was stored, and by which transaction."""
    return await connection.fetchrow(
        "SELECT plan, xmin FROM tickets.arrangement_plan WHERE arrangement_id = $1", arrangement_id
    )


async def test_the_result_is_the_same(installation: Installation, tmp_path: Path) -> None:
    """Killed in three stages one after the other: each is taken over, and done once as it would be.

    What was solved before the process died is not solved again.
    """
    connection = await asyncpg.connect(installation.config.database.resolved_dsn())
    process, begun = ServiceProcess(tmp_path), None
    for statement, is_kept in STAGES.values():
        before = None
        async with running(installation, tmp_path, process) as service:
            if begun is not None:
                await require_same(service, connection, begun)
            async with connection.transaction():
                await connection.execute(statement)
                begun = (await service.start()).arrangement_id
                await until(lambda: waits(connection))
                before = await kept(connection, begun)
                process.kill()
                await asyncio.gather(service.task, return_exceptions=True)
        assert (before is not None) == is_kept
        process = ServiceProcess(tmp_path)
    assert begun is not None
    async with running(installation, tmp_path, process) as service:
        await require_same(service, connection, begun)
    assert await kept(connection, begun) == before
    await connection.close()


async def require_same(
    service: Installation, connection: asyncpg.Connection, arrangement_id: str
) -> None:
    """A second worker has done it, with the seats that its seed draws, and no more."""
    done = await service.until_done(arrangement_id)
    assert (done.candidates, done.sittings) == (len(PEOPLE), len(PEOPLE))
    sealed = await connection.fetchval(
        "SELECT seed_enc FROM tickets.arrangement WHERE arrangement_id = $1", arrangement_id
    )
    keys = KeyRing.from_file(service.config.key_ring_file)
    seed = keys.decrypt(sealed, seed_context(UUID(arrangement_id)))
    roster = Roster.of(Sitting(str(person), 1, "00015") for person in PEOPLE)
    plan = planned(roster, [Room(SITE.code, SITE.rooms[0].code, 30)])
    expected = draw(plan, roster, seed)
    rows = await connection.fetch(
        "SELECT slot, site_code, room_code, seat_number, candidate_id::text, course_code, late"
        " FROM tickets.seat WHERE arrangement_id = $1 ORDER BY seat_number",
        arrangement_id,
    )
    assert [Seat(*row) for row in rows] == expected
    attempts = "SELECT attempts FROM tickets.arrangement WHERE arrangement_id = $1"
    assert await connection.fetchval(attempts, arrangement_id) == 2
