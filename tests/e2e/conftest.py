"""One installation for the end-to-end tests: real processes, real sockets, mutual TLS."""

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
import pytest_asyncio
from support.postgres import Cluster
from support.service_databases import drop_installation, with_database
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
        await drop_installation(cluster, name)
