"""The tickets service as processes: started by its command, ended by signals, killed at work."""

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest
from support.service import until
from support.service_databases import MakeDatabase
from support.tickets_database import CLOSED
from support.tickets_process import ServiceProcess
from support.tickets_service import Installation, running_service, tickets_installation
from zikao.tickets.v1 import arrangement_service_pb2 as arrangement

LEASE_SECONDS = 1.0
PEOPLE = [UUID(int=number) for number in range(1, 6)]


@pytest.fixture
async def installation(tmp_path: Path, make_database: MakeDatabase) -> AsyncIterator[Installation]:
    """Peers and a database, ready for processes."""
    async with tickets_installation(tmp_path, await make_database("tickets")) as installation:
        await installation.apply()
        await installation.move_to(CLOSED)
        await installation.stop()
        yield installation


async def test_a_process_serves_and_ends_cleanly(
    installation: Installation, tmp_path: Path
) -> None:
    """Started by its command it serves from its configuration file; SIGTERM ends it with 0."""
    it, process = installation, ServiceProcess(tmp_path)
    dsn = it.config.database.resolved_dsn()
    async with running_service(tmp_path, dsn, it.ca, it.peers, serve=process.serve) as service:
        assert await service.apply() == []
    assert process.process is not None
    assert process.process.returncode == 0


async def test_an_arrangement_survives_a_kill(installation: Installation, tmp_path: Path) -> None:
    """The process at work is killed; another one takes the arrangement over when its lease ends."""
    it, first, second = installation, ServiceProcess(tmp_path), ServiceProcess(tmp_path)
    dsn = it.config.database.resolved_dsn()
    settings = {"arrangement_lease_seconds": LEASE_SECONDS}
    for person in PEOPLE:
        it.peers.register(person, "张三", b"photo")
        it.peers.enroll(person, (1, "00015"))
    connection = await asyncpg.connect(dsn)
    async with running_service(
        tmp_path, dsn, it.ca, it.peers, serve=first.serve, **settings
    ) as service:
        await service.arrive()
        async with connection.transaction():
            # Whoever arranges waits for the rooms, which a session file is changing.
            await connection.execute("SELECT 1 FROM tickets.session FOR NO KEY UPDATE")
            begun = await service.start()

            async def at_work() -> bool:
                found = await service.arrangement(begun.arrangement_id)
                return bool(found.state == arrangement.ARRANGEMENT_STATE_RUNNING)

            await until(at_work)
            first.kill()
            await service.task
    await connection.close()
    async with running_service(
        tmp_path, dsn, it.ca, it.peers, serve=second.serve, **settings
    ) as service:
        done = await service.until_done(begun.arrangement_id)
        assert done.candidates == len(PEOPLE)
        published = await service.publish(done.arrangement_id)
        assert published.seed_sha256 == begun.seed_sha256
