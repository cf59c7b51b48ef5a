"""Tests of the images: collected where ZIKAO_TEST_IMAGES names them, as CI does."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
import pytest_asyncio
from support.containers import ServiceContainers
from support.images import chosen_tag
from support.postgres import Cluster
from support.service_databases import drop_installation, with_database
from zikao_ctl.installation import Installation, Shape, run_installation
from zikao_ctl.layout import Layout

collect_ignore_glob = [] if chosen_tag() else ["test_*.py"]


@pytest.fixture(scope="module")
def services() -> ServiceContainers:
    """The containers of the installation."""
    return ServiceContainers()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def installation(
    services: ServiceContainers, cluster: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Installation]:
    """All services as containers, on the PostgreSQL of this run; the payment platform beside."""
    name = f"containers_{uuid4().hex[:8]}"
    data = tmp_path_factory.mktemp("containers") / "installation"
    try:
        async with run_installation(
            Layout(data),
            port_base=None,
            database_url=with_database(cluster.admin_dsn, name),
            say=lambda _: None,
            shape=Shape(elsewhere=services),
        ) as running:
            yield running
    finally:
        await drop_installation(cluster, name)
