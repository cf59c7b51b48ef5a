"""One database cluster a run, named in the run's first lines; one database a test."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator

import asyncpg
import pytest
from support.postgres import Cluster, test_cluster


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """The run's PostgreSQL, started when the first test asks for it."""
    with test_cluster() as running:
        yield running


@pytest.fixture
def empty_database(cluster: Cluster) -> Iterator[str]:
    """DSN of a new empty database, owned by the superuser, dropped after the test."""
    name = f"test_{uuid.uuid4().hex}"
    _admin(cluster, f'CREATE DATABASE "{name}"')
    yield _with_database(cluster.admin_dsn, name)
    _admin(cluster, f'DROP DATABASE "{name}" WITH (FORCE)')


def _admin(cluster: Cluster, statement: str) -> None:
    async def run() -> None:
        connection = await asyncpg.connect(cluster.admin_dsn)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    asyncio.run(run())


def _with_database(dsn: str, name: str) -> str:
    address, _, options = dsn.partition("?")
    return address.rpartition("/")[0] + f"/{name}" + (f"?{options}" if options else "")
