"""Each service has a role and a schema of its own, and no rights on another's."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg
import pytest
from support.postgres import Cluster
from support.service_databases import database_of, with_database
from support.services import SERVICES
from zikao_kit.migrate import migrate
from zikao_kit.roles import prepare_service, role_of, service_dsn


@dataclass
class Installation:
    """One database with the roles and schemas of services."""

    admin_dsn: str
    database: str
    dsns: dict[str, str]

    async def prepare(self, service: str, password: str | None = None) -> str:
        """Make (or make again) a service's role and schema."""
        password = password or secrets.token_urlsafe(16)
        dsn = await prepare_service(self.admin_dsn, self.database, service, password)
        self.dsns[service] = dsn
        return dsn


@pytest.fixture
async def installation(cluster: Cluster) -> AsyncIterator[Installation]:
    """An installation without services yet; all of it is dropped afterwards."""
    made = Installation(cluster.admin_dsn, f"i_{uuid4().hex[:8]}", {})
    yield made
    async with connected(cluster.admin_dsn) as admin:
        await admin.execute(f"DROP DATABASE IF EXISTS {made.database} WITH (FORCE)")
        for service in made.dsns:
            await admin.execute(f"DROP ROLE {role_of(made.database, service)}")


@asynccontextmanager
async def connected(dsn: str) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    """Connect."""
    connection = await asyncpg.connect(dsn)
    try:
        yield connection
    finally:
        await connection.close()


async def test_a_service_has_no_rights_on_anothers_schema(installation: Installation) -> None:
    """It can neither read nor write another's tables, nor make things there or in public."""
    for service in SERVICES:
        await migrate(await installation.prepare(service), f"zikao_{service}", say=lambda _: None)
    for service in SERVICES:
        async with connected(installation.dsns[service]) as connection:
            await connection.fetch(f"SELECT * FROM {service}.idempotency")
            for other in {*SERVICES} - {service}:
                await assert_denied(connection, f"SELECT * FROM {other}.idempotency")
                await assert_denied(connection, f"DELETE FROM {other}.idempotency")
                await assert_denied(connection, f"CREATE TABLE {other}.mine ()")
                await assert_denied(connection, f"DROP SCHEMA {other} CASCADE")
                await assert_denied(connection, f"SET ROLE {role_of(installation.database, other)}")
            await assert_denied(connection, "CREATE TABLE public.mine ()")
            await assert_denied(connection, "CREATE ROLE mine")
            await assert_denied(connection, "CREATE DATABASE mine")


async def assert_denied(connection: asyncpg.Connection[asyncpg.Record], statement: str) -> None:
    """Run what the role may not do."""
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.execute(statement)


async def test_installations_in_one_cluster_are_apart(
    cluster: Cluster, installation: Installation, empty_database: str
) -> None:
    """A service of one installation cannot even connect to the database of another."""
    await installation.prepare("enrollment")
    other = Installation(cluster.admin_dsn, f"i_{uuid4().hex[:8]}", {})
    dsn = await other.prepare("enrollment")
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await asyncpg.connect(with_database(dsn, installation.database))
    finally:
        async with connected(cluster.admin_dsn) as admin:
            await admin.execute(f"DROP DATABASE {other.database} WITH (FORCE)")
            await admin.execute(f"DROP ROLE {role_of(other.database, 'enrollment')}")


async def test_running_again_changes_the_password_and_nothing_else(
    installation: Installation,
) -> None:
    """The data stay, the new password works, the old one does not any more."""
    old = await installation.prepare("probe", "old password: 100% /@:")
    await migrate(old, "support.zikao_probe", say=lambda _: None)
    async with connected(old) as connection:
        await connection.execute("INSERT INTO probe.account (name) VALUES ('a')")
    new = await installation.prepare("probe", "new")
    async with connected(new) as connection:
        assert await connection.fetchval("SELECT name FROM probe.account") == "a"
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(old)


async def test_an_administrator_without_superuser_is_enough(
    cluster: Cluster, installation: Installation
) -> None:
    """CREATEROLE and CREATEDB do, also for another run and for a second service."""
    name, password = f"operator_{uuid4().hex[:8]}", secrets.token_urlsafe(16)
    async with connected(cluster.admin_dsn) as admin:
        await admin.execute(f"CREATE ROLE {name} LOGIN CREATEROLE CREATEDB PASSWORD '{password}'")
    parts = urlsplit(cluster.admin_dsn)
    login = f"{name}:{password}@{parts.netloc.rpartition('@')[2]}"
    operator = Installation(urlunsplit(parts._replace(netloc=login)), installation.database, {})
    try:
        for service in ("enrollment", "tickets", "enrollment"):
            dsn = await operator.prepare(service)
            await migrate(dsn, f"zikao_{service}", say=lambda _: None)
    finally:
        async with connected(cluster.admin_dsn) as admin:
            await admin.execute(f"DROP DATABASE {installation.database} WITH (FORCE)")
            for service in operator.dsns:
                await admin.execute(f"DROP ROLE {role_of(installation.database, service)}")
            await admin.execute(f"DROP ROLE {name}")


async def test_a_roles_settings_hold_without_the_kits_pool(installation: Installation) -> None:
    """Behind PgBouncer the role itself brings the empty search path and the timeouts."""
    async with connected(await installation.prepare("probe")) as connection:
        names = ("search_path", "jit", "statement_timeout", "lock_timeout")
        values = [await connection.fetchval(f"SHOW {name}") for name in names]
    assert values == ['""', "off", "15s", "5s"]


@pytest.mark.parametrize("password", ["", "密码", "line\nbreak"])
async def test_a_password_that_cannot_be_encoded_is_refused(
    installation: Installation, password: str
) -> None:
    """Only printable ASCII: anything else would need preparation that clients do differently."""
    with pytest.raises(ValueError, match="printable ASCII"):
        await prepare_service(installation.admin_dsn, installation.database, "probe", password)


def test_a_services_dsn_is_the_administrators_with_another_login() -> None:
    """Address and options stay; names and passwords are quoted."""
    dsn = service_dsn("postgresql://root:x@h:5433/postgres?sslmode=require", "z", "tickets", "a@/b")
    assert dsn == "postgresql://z_tickets:a%40%2Fb@h:5433/z?sslmode=require"
    assert database_of(dsn) == "z"
