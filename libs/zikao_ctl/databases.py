"""The services' roles, schemas and migrations in an installation's database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TypeAlias

import asyncpg
from zikao_kit.migrate import migrate
from zikao_kit.migration_files import MigrationError
from zikao_kit.roles import prepare_service

from zikao_ctl.database_server import MAINTENANCE_DATABASE, DatabaseServer
from zikao_ctl.layout import InstallationError

SERVICES = ("registration", "enrollment", "tickets")
_Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


async def prepare_databases(
    server: DatabaseServer, password: Callable[[str], str], say: Callable[[str], None]
) -> None:
    """Bring the database to what this code needs, whatever is there.

    `password` gives a service's. Raises InstallationError.
    """
    try:
        dsns = [await _prepare(server, service, password(service)) for service in SERVICES]
        await asyncio.gather(
            *(
                migrate(dsn, f"zikao_{service}", say=lambda line: say(f"migrations of {line}"))
                for service, dsn in zip(SERVICES, dsns, strict=True)
            )
        )
    except MigrationError as error:
        raise InstallationError(f"{error}: --reset begins anew, without the data") from error
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        raise _explained(error) from error


async def services_with_data(server: DatabaseServer) -> Sequence[str]:
    """The services whose schema is in the database already. Raises InstallationError."""
    async with _database(server) as connection:
        return [] if connection is None else await _with_schema(connection)


async def drop_data(server: DatabaseServer) -> None:
    """Delete the services' schemas. Raises InstallationError."""
    async with _database(server) as connection:
        if connection is not None:
            for service in await _with_schema(connection):
                await connection.execute(f"DROP SCHEMA {service} CASCADE")


async def _prepare(server: DatabaseServer, service: str, password: str) -> str:
    # One after the other: PostgreSQL refuses two that grant rights on one database at once.
    maintenance = server.admin_dsn(MAINTENANCE_DATABASE)
    return await prepare_service(maintenance, server.database, service, password)


@asynccontextmanager
async def _database(server: DatabaseServer) -> AsyncIterator[_Connection | None]:
    """A connection to our database, None when there is no such database."""
    try:
        connection = await asyncpg.connect(server.admin_dsn(server.database))
    except asyncpg.InvalidCatalogNameError:
        yield None
        return
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        raise _explained(error) from error
    try:
        yield connection
    finally:
        await connection.close()


async def _with_schema(connection: _Connection) -> list[str]:
    known = "SELECT to_regclass($1 || '.schema_migration') IS NOT NULL"
    return [service for service in SERVICES if await connection.fetchval(known, service)]


def _explained(error: Exception) -> InstallationError:
    return InstallationError(f"the database cannot be used: {type(error).__name__}: {error}")
