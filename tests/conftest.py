"""One database cluster a run, named in the run's first lines; one database a test."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator

import asyncpg
import pytest
from support.postgres import Cluster, test_cluster
from support.service_databases import MakeDatabase, ServiceDatabases, with_database


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
    yield with_database(cluster.admin_dsn, name)
    _admin(cluster, f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture(scope="session")
def service_databases(cluster: Cluster) -> Iterator[ServiceDatabases]:
    """Migrated templates of the services' databases."""
    databases = ServiceDatabases(cluster)
    yield databases
    asyncio.run(databases.drop_all())


@pytest.fixture
async def make_database(service_databases: ServiceDatabases) -> AsyncIterator[MakeDatabase]:
    """Make migrated databases of services (`await make_database("enrollment")`), as their roles."""
    made: list[str] = []

    async def make(service: str) -> str:
        made.append(await service_databases.clone(service))
        return made[-1]

    yield make
    for dsn in made:
        await service_databases.drop(dsn)


def _admin(cluster: Cluster, statement: str) -> None:
    async def run() -> None:
        connection = await asyncpg.connect(cluster.admin_dsn)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    asyncio.run(run())
