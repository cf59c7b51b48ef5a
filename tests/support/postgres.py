"""Chooses the database cluster that a run of the tests uses.

In this order: the cluster that `ZIKAO_TEST_DSN` names, a container
(testcontainers), the embedded PostgreSQL. Every one is reached on TCP; a
container through its port published on 127.0.0.1, as nothing of a test goes elsewhere.
"""

import asyncio
import os
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import docker  # type: ignore[import-untyped]
from docker.errors import (  # type: ignore[import-untyped]
    DockerException,
    ImageNotFound,
)
from zikao_ctl.embedded_postgres import EmbeddedPostgres

DSN_VARIABLE = "ZIKAO_TEST_DSN"
IMAGE_VARIABLE = "ZIKAO_TEST_PG_IMAGE"
DEFAULT_IMAGE = "postgres:15"
ENGINE_ANSWER_SECONDS = 10
SUPERUSER = "postgres"
HOST = "127.0.0.1"
POSTGRES_PORT = 5432
NO_ENGINE = "no Docker engine answers"
# The cluster is thrown away after the run, so nothing waits for the disk. A killed
# server still keeps every commit (synchronous_commit stays on); a killed machine would not.
# Each test has databases of its own: on ext4 a third of the processors' time went into making and
# deleting their files. So the cluster is in memory where there is room for one of each process.
THROWAWAY_SETTINGS = {"fsync": "off", "full_page_writes": "off", "max_wal_size": "256MB"}
MEMORY_BYTES = 2 * 1024**3
SHARED_MEMORY = Path("/dev/shm")
IN_CONTAINER = "/pgdata"


@dataclass(frozen=True)
class Cluster:
    """A PostgreSQL cluster: a superuser's DSN, and what it is in a line for people."""

    admin_dsn: str
    description: str


@dataclass(frozen=True)
class Choice:
    """Which cluster a run takes: its way of starting, and a line for people."""

    start: Callable[[], AbstractContextManager[str]]
    description: str


def choose() -> Choice:
    """Choose by what the machine has; starts nothing."""
    if dsn := os.environ.get(DSN_VARIABLE):
        return Choice(lambda: nullcontext(dsn), f"the cluster that {DSN_VARIABLE} names")
    image = os.environ.get(IMAGE_VARIABLE, DEFAULT_IMAGE)
    if (obstacle := _obstacle(image)) is None:
        return Choice(lambda: _container(image), f"a container of {image} (testcontainers)")
    return Choice(_embedded, f"the embedded PostgreSQL ({obstacle})")


@contextmanager
def test_cluster() -> Iterator[Cluster]:
    """Yield the cluster for this run and end it afterwards, unless it is the user's own.

    Raises whatever testcontainers raises when an engine and an image are there
    but the container does not start: that is to be repaired, not worked around.
    """
    choice = choose()
    with choice.start() as dsn:
        version = asyncio.run(_server_version(dsn))
        yield Cluster(dsn, f"PostgreSQL {version}: {choice.description}")


# Its name would otherwise make pytest take it for a test where it is imported.
test_cluster.__test__ = False  # type: ignore[attr-defined]


def _obstacle(image: str) -> str | None:
    """Return None when a container of `image` can be had, else what to say about it."""
    try:
        engine = docker.from_env(timeout=ENGINE_ANSWER_SECONDS)
    except DockerException:
        return NO_ENGINE
    try:
        engine.ping()
    except (DockerException, OSError):
        return NO_ENGINE
    finally:
        engine.close()
    return None if _image_is_there(image) else f"Docker answers but has no image {image}"


def _image_is_there(image: str, *, pull: bool = True) -> bool:
    engine = docker.from_env()
    try:
        engine.images.get(image)
    except ImageNotFound:
        return pull and _pull(engine, image)
    finally:
        engine.close()
    return True


def _pull(engine: docker.DockerClient, image: str) -> bool:
    try:
        engine.images.pull(image)
    except (DockerException, OSError):
        return False
    return True


@contextmanager
def _container(image: str) -> Iterator[str]:
    # Both are imported late because testcontainers reads its settings on import.
    settle_reaper()
    from testcontainers.community.postgres import PostgresContainer  # noqa: PLC0415

    password = secrets.token_urlsafe(16)
    container = PostgresContainer(image, username=SUPERUSER, password=password, dbname=SUPERUSER)
    options = (word for item in THROWAWAY_SETTINGS.items() for word in ("-c", "=".join(item)))
    container.with_command(["postgres", "-c", "max_connections=200", *options])
    if _memory_has_room():
        container.tmpfs[IN_CONTAINER] = "mode=1777"
        container.with_env("PGDATA", f"{IN_CONTAINER}/cluster")
    with container:  # removes the container also when its start fails
        port = container.get_exposed_port(POSTGRES_PORT)
        yield f"postgresql://{SUPERUSER}:{password}@{HOST}:{port}/{SUPERUSER}"


def settle_reaper() -> None:
    """Do without testcontainers' reaper container when its image is not here: we stop our own."""
    from testcontainers.core.config import testcontainers_config  # noqa: PLC0415

    if not _image_is_there(testcontainers_config.ryuk_image, pull=False):
        os.environ["TESTCONTAINERS_RYUK_DISABLED"] = "true"
        testcontainers_config.ryuk_disabled = True


@contextmanager
def _embedded() -> Iterator[str]:
    in_memory = _memory_has_room() and shutil.disk_usage(SHARED_MEMORY).free > MEMORY_BYTES
    place = SHARED_MEMORY if in_memory else None
    with (
        tempfile.TemporaryDirectory(prefix="zikao-test-postgres-", dir=place) as directory,
        EmbeddedPostgres(Path(directory) / "cluster", settings=THROWAWAY_SETTINGS) as postgres,
    ):
        yield postgres.dsn()


def _memory_has_room() -> bool:
    """Whether each process of the run may have its cluster in memory, and half of it is left."""
    lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    sizes = {name: value for name, _, value in (line.partition(":") for line in lines)}
    available = int(sizes["MemAvailable"].split()[0]) * 1024
    processes = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    return available > 2 * processes * MEMORY_BYTES


async def _server_version(dsn: str) -> str:
    connection = await asyncpg.connect(dsn)
    try:
        version: str = await connection.fetchval("SHOW server_version")
    finally:
        await connection.close()
    return version.split(maxsplit=1)[0]  # "15.18 (Debian 15.18-0+deb12u1)"
