"""A migrated database for a test, as the service's own role: cloned from a template.

Migrations run once a service and run of the tests; a clone takes some 20 ms.
"""

import asyncio
import secrets
import threading
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg
from support.postgres import Cluster
from support.services import SERVICES
from zikao_kit.migrate import migrate
from zikao_kit.roles import prepare_service

# Half the work of the default, which writes every page to the log, and of a drop afterwards.
STRATEGY = "FILE_COPY"
MakeDatabase = Callable[[str], Awaitable[str]]


class ServiceDatabases:
    """Templates are made when first asked for; everything goes with `drop_all`."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._templates: dict[str, str] = {}  # service -> DSN of its template
        self._making = asyncio.Lock()
        self._superuser = Superuser(cluster.admin_dsn)

    async def clone(self, service: str) -> str:
        """DSN of a new database with the service's schema, as the service's role."""
        template = await self._template(service)
        name = f"{service}_{uuid4().hex}"
        source = f"TEMPLATE {database_of(template)} STRATEGY {STRATEGY}"
        # A clone loses its role's settings. This one is not asked for by who connects without
        # the kit, and a minute of compiling for the checker's query alone.
        await self._superuser.execute(
            f"CREATE DATABASE {name} {source}", f"ALTER DATABASE {name} SET jit = off"
        )
        return with_database(template, name)

    async def drop(self, dsn: str) -> None:
        """Drop a clone, whoever is still connected."""
        await self._superuser.execute(f"DROP DATABASE {database_of(dsn)} WITH (FORCE)")

    async def drop_all(self) -> None:
        """Drop the templates and their roles."""
        for dsn in self._templates.values():
            await self.drop(dsn)
            await self._superuser.execute(f"DROP ROLE {urlsplit(dsn).username}")
        self._templates.clear()
        await self._superuser.leave()

    async def _template(self, service: str) -> str:
        async with self._making:
            if service not in self._templates:
                name = f"template_{uuid4().hex[:8]}"
                password = secrets.token_urlsafe(16)
                dsn = await prepare_service(self._cluster.admin_dsn, name, service, password)
                await migrate(dsn, package_of(service), say=lambda _: None)
                self._templates[service] = dsn
            return self._templates[service]


class Superuser:
    """One connection for all tests of a process: one each took as long as making a database.

    Each test has an event loop of its own; the connection has one, too, in a thread.
    """

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._connection: asyncpg.Connection[asyncpg.Record] | None = None
        self._turn = asyncio.Lock()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    async def execute(self, *statements: str) -> None:
        """Execute statements, each in a transaction of its own."""
        there = asyncio.run_coroutine_threadsafe(self._execute(statements), self._loop)
        await asyncio.wrap_future(there)

    async def leave(self) -> None:
        """Close the connection, and end its thread."""
        if self._connection is not None:
            there = asyncio.run_coroutine_threadsafe(self._connection.close(), self._loop)
            await asyncio.wrap_future(there)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _execute(self, statements: tuple[str, ...]) -> None:
        async with self._turn:
            if self._connection is None or self._connection.is_closed():
                self._connection = await asyncpg.connect(self._dsn)
            for statement in statements:
                await self._connection.execute(statement)


def package_of(service: str) -> str:
    """The package with the schema of a service; the probe is one of the tests' own."""
    return "support.zikao_probe" if service == "probe" else f"zikao_{service}"


def database_of(dsn: str) -> str:
    """The database that a DSN names."""
    return urlsplit(dsn).path.removeprefix("/")


def with_database(dsn: str, name: str) -> str:
    """The same DSN for another database."""
    return urlunsplit(urlsplit(dsn)._replace(path=f"/{name}"))


async def drop_installation(cluster: Cluster, name: str) -> None:
    """Drop the installation's database and its roles."""
    admin = await asyncpg.connect(cluster.admin_dsn)
    try:
        await admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        for service in SERVICES:
            await admin.execute(f"DROP ROLE IF EXISTS {name}_{service}")
    finally:
        await admin.close()
