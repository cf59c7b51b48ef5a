"""One installation for the end-to-end tests: real processes, real sockets, mutual TLS."""

from collections.abc import AsyncIterator, Iterator
from uuid import uuid4

import pytest
import pytest_asyncio
from support.collector import collecting
from support.postgres import Cluster
from support.service_databases import drop_installation, with_database
from support.traced_client import Traces, tracing_client
from zikao_ctl.installation import Installation, run_installation
from zikao_ctl.layout import Layout


@pytest.fixture(scope="module")
def traces(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Traces]:
    """Every call is traced: by the services, and by this process as their caller."""
    with (
        collecting(tmp_path_factory.mktemp("collector")) as collector,
        tracing_client() as calls,
        pytest.MonkeyPatch.context() as patch,
    ):
        for name, value in collector.settings().items():
            patch.setenv(name, value)
        yield Traces(collector, calls)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def installation(
    cluster: Cluster, traces: Traces, tmp_path_factory: pytest.TempPathFactory
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
