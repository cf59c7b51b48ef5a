"""The tickets service as processes: started by its command, ended by a signal."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.service_databases import MakeDatabase
from support.tickets_database import CLOSED
from support.tickets_process import ServiceProcess
from support.tickets_service import Installation, running_service, tickets_installation


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
