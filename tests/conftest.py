"""One database cluster a run, named in the run's first line; one database a test.

The run's processes (pytest-xdist) share the cluster: the first one starts it and tells the others.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from dataclasses import astuple
from typing import Any

import asyncpg
import pytest
from support.postgres import Cluster, choose, test_cluster
from support.service_databases import MakeDatabase, ServiceDatabases, with_database

RUNNING = pytest.StashKey[Cluster]()
ENDING = pytest.StashKey[ExitStack]()


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Say which PostgreSQL the tests take, before anything else."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None:
        reporter.write_line(f"[test] database: {choose().description}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say which it was, with its version."""
    if (running := terminalreporter.config.stash.get(RUNNING, None)) is not None:
        terminalreporter.write_line(f"[test] database was {running.description}")


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell another process of this run where the cluster is."""
    node.workerinput["cluster"] = astuple(_running_cluster(node.config))


def pytest_unconfigure(config: pytest.Config) -> None:
    """End the cluster, in the process that has started it."""
    if (ending := config.stash.get(ENDING, None)) is not None:
        ending.close()


@pytest.fixture(scope="session")
def cluster(pytestconfig: pytest.Config) -> Cluster:
    """The run's PostgreSQL, started when somebody asks for it first."""
    told: dict[str, Any] = getattr(pytestconfig, "workerinput", {})
    return Cluster(*told["cluster"]) if told else _running_cluster(pytestconfig)


def _running_cluster(config: pytest.Config) -> Cluster:
    if RUNNING not in config.stash:
        config.stash[ENDING] = ExitStack()
        config.stash[RUNNING] = config.stash[ENDING].enter_context(test_cluster())
    return config.stash[RUNNING]


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
