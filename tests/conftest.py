"""One database cluster a process of the run, named in its first line; one database a test.

Processes (pytest-xdist) share none: a feed waits for every transaction of its cluster that is open.
"""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import structlog
import uvloop
from support.images import describe_choice
from support.postgres import Cluster, choose, test_cluster
from support.refusals import missing, noted
from support.service_databases import MakeDatabase, ServiceDatabases, with_database
from zikao_kit.server import NewLoop

TESTS = Path(__file__).parent
DESCRIPTIONS = pytest.StashKey[list[str]]()
REFUSALS = pytest.StashKey[set[tuple[str, str]]]()
UNSEEN = pytest.StashKey[list[str]]()
# What runs whole installations, and how many files of others come between two of its files.
WHOLE = (
    *("containers", "e2e", "faults"),
    *("integration/test_installation.py", "migration/test_upgrade.py"),
)
OTHERS_BETWEEN = 8


def pytest_configure() -> None:
    """Log tracebacks without the values of all variables: those take half a second each.

    And without colours, whatever test ran before: some look for words in what was logged.
    """
    # Its assertions fail with what differs, as those of tests do.
    pytest.register_assert_rewrite("support.order_life_machine")
    defaults = structlog.get_config()["processors"]
    plain = structlog.dev.ConsoleRenderer(
        colors=False, exception_formatter=structlog.dev.plain_traceback
    )
    structlog.configure(processors=[*defaults[:-1], plain])


def pytest_asyncio_loop_factories(item: pytest.Item) -> Mapping[str, NewLoop]:
    """Let tests of a service run on the event loop that it runs on."""
    if item.path.name.startswith(("test_enrollment_", "test_tickets_")):
        return {"uvloop": uvloop.new_event_loop}
    return {"asyncio": asyncio.new_event_loop}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin files that run whole installations one after the other, among those of others.

    Side by side they wait for each other's processes; one of them and others leave no core idle.
    And what is begun last is short: no process of the run works on alone for long.
    """
    files = dict.fromkeys(item.path for item in items)
    whole = [file for file in files if _is_below(file, WHOLE)]
    others = [file for file in files if file not in whole]
    order: list[Path] = []
    for number, file in enumerate(others):
        if number % OTHERS_BETWEEN == 0 and whole:
            order.append(whole.pop(0))
        order.append(file)
    place = {file: number for number, file in enumerate(order + whole)}
    items.sort(key=lambda item: place[item.path])


def _is_below(file: Path, names: Iterable[str]) -> bool:
    return any(file.is_relative_to(TESTS / name) for name in names)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """One process more than cores (`-n auto`): each waits for others a part of its time."""
    return len(os.sched_getaffinity(0)) + 1


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Say which PostgreSQL and which images the tests take, before anything else."""
    session.config.stash[DESCRIPTIONS] = []
    session.config.stash[REFUSALS] = set()
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None:
        reporter.write_line(f"[test] database: {choose().description}")
        reporter.write_line(f"[test] images: {describe_choice()}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say which it was, with its version, and which refusals no test of a whole run has seen."""
    stash = terminalreporter.config.stash
    descriptions = stash[DESCRIPTIONS]
    for description in dict.fromkeys(descriptions):
        terminalreporter.write_line(f"[test] database was {description}")
    for refusal in stash.get(UNSEEN, []):
        terminalreporter.write_line(f"[test] in the contract, but no test has got it: {refusal}")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Tell the first process of a run which it was, and what methods have refused.

    That one judges: a whole run in which some reason was got from no method that lists it fails.
    """
    stash = session.config.stash
    seen = stash[REFUSALS]
    seen.update(noted())
    output: dict[str, Any] = getattr(session.config, "workeroutput", {})
    output["databases"], output["refusals"] = stash[DESCRIPTIONS], list(seen)
    if _is_whole(session) and (unseen := missing(seen)):
        stash[UNSEEN] = unseen
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _is_whole(session: pytest.Session) -> bool:
    """Whether this process has heard of all tests, and every one has passed."""
    config = session.config
    selecting = ("keyword", "markexpr", "deselect", "lf", "ignore", "ignore_glob", "collectonly")
    return (
        not hasattr(config, "workeroutput")
        and session.exitstatus == pytest.ExitCode.OK
        and config.args_source is pytest.Config.ArgsSource.TESTPATHS
        and not any(config.getoption(name, None) for name in selecting)
    )


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Hear from another process which it was, and what methods have refused there."""
    output: dict[str, Any] = getattr(node, "workeroutput", {})
    node.config.stash[DESCRIPTIONS] += output.get("databases", [])
    node.config.stash[REFUSALS].update(map(tuple, output.get("refusals", [])))


@pytest.fixture(scope="session")
def cluster(pytestconfig: pytest.Config) -> Iterator[Cluster]:
    """The process's PostgreSQL, started when a test asks for it first."""
    with test_cluster() as running:
        pytestconfig.stash[DESCRIPTIONS].append(running.description)
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
