"""One installation for the end-to-end tests: real processes, real sockets, mutual TLS."""

from collections.abc import AsyncIterator
from uuid import uuid4

import asyncpg
import pytest
import pytest_asyncio
from support.postgres import Cluster
from support.service_databases import with_database
from zikao_ctl.installation import Installation, run_installation
from zikao_ctl.layout import Layout


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def installation(
    cluster: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Installation]:
    """All services and the payment platform, on the PostgreSQL of this run."""
    name = f"e2e_{uuid4().hex[:8]}"
    data = tmp_path_factory.mktemp("e2e") / "installation"
    try:
        async with run_installation(
            Layout(data),
            port_base=None,
            database_url=with_database(cluster.admin_dsn, name),
            say=lambda _: None,
        ) as running:
            yield running
    finally:
        await drop(cluster, name)


async def drop(cluster: Cluster, name: str) -> None:
    """Drop the installation's database and its roles."""
    admin = await asyncpg.connect(cluster.admin_dsn)
    try:
        await admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        for service in ("registration", "enrollment", "tickets"):
            await admin.execute(f"DROP ROLE IF EXISTS {name}_{service}")
    finally:
        await admin.close()
