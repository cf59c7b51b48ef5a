"""A role and a schema for each service, and no rights on another's (DESIGN section 2).

    dsn = await prepare_service(admin_dsn, "zikao", "enrollment", password)

The administrator needs CREATEROLE and CREATEDB (or the database's ownership), not
superuser. Running it again changes the password and nothing else.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import TypeAlias
from urllib.parse import quote, urlsplit, urlunsplit

import asyncpg

from zikao_kit.config import (
    IDLE_IN_TRANSACTION_SECONDS,
    LOCK_TIMEOUT_SECONDS,
    STATEMENT_TIMEOUT_SECONDS,
)

SCRAM_ITERATIONS = 4096
SCRAM_SALT_BYTES = 16
_Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
_RACED = (
    asyncpg.DuplicateObjectError,
    asyncpg.DuplicateDatabaseError,
    asyncpg.UniqueViolationError,
)

_CREATE_SCHEMA = "CREATE SCHEMA IF NOT EXISTS {schema} AUTHORIZATION {role}"
# What comes with every database, and what a service may there. CREATE is for the
# `CREATE SCHEMA IF NOT EXISTS` of its first migration. The settings also hold behind
# PgBouncer, which does not pass on those of a connection.
_GRANTS = (
    "REVOKE ALL ON DATABASE {database} FROM PUBLIC",
    "GRANT CONNECT, TEMPORARY, CREATE ON DATABASE {database} TO {role}",
    "ALTER ROLE {role} IN DATABASE {database} SET search_path = ''",
    "ALTER ROLE {role} IN DATABASE {database} SET jit = off",
    "ALTER ROLE {role} IN DATABASE {database} "
    f"SET statement_timeout = '{STATEMENT_TIMEOUT_SECONDS:g}s'",
    f"ALTER ROLE {{role}} IN DATABASE {{database}} SET lock_timeout = '{LOCK_TIMEOUT_SECONDS:g}s'",
    "ALTER ROLE {role} IN DATABASE {database} "
    f"SET idle_in_transaction_session_timeout = '{IDLE_IN_TRANSACTION_SECONDS:g}s'",
)


def role_of(database: str, service: str) -> str:
    """Return the role of a service in a database: `zikao_enrollment` in `zikao`.

    Roles belong to the whole cluster: several installations in one do not share them.
    """
    return f"{database}_{service}"


async def prepare_service(admin_dsn: str, database: str, service: str, password: str) -> str:
    """Make the service's role, the database and the service's own schema; return its DSN.

    The password goes to the server only as a SCRAM verifier, so that no log shows
    it. Raises ValueError for one that is not ASCII, and asyncpg's errors.
    """
    role = role_of(database, service)
    async with _connection(admin_dsn) as admin:
        await _ensure_role(admin, role, password)
        await _ensure_database(admin, database)
        await grant_service(admin, database, service)
    async with _connection(_with_database(admin_dsn, database)) as admin:
        await admin.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC")
        await _may_act_for(admin, role)
        await admin.execute(await _quoted(admin, _CREATE_SCHEMA, schema=service, role=role))
    return service_dsn(admin_dsn, database, service, password)


async def grant_service(admin: _Connection, database: str, service: str) -> None:
    """Give a service its rights on a database that exists (a clone has lost them)."""
    for statement in _GRANTS:
        await admin.execute(
            await _quoted(admin, statement, database=database, role=role_of(database, service))
        )


def service_dsn(admin_dsn: str, database: str, service: str, password: str) -> str:
    """Return the DSN of a service's role on the administrator's server."""
    address = urlsplit(admin_dsn).netloc.rpartition("@")[2]
    login = f"{quote(role_of(database, service), safe='')}:{quote(password, safe='')}"
    parts = urlsplit(_with_database(admin_dsn, database))
    return urlunsplit(parts._replace(netloc=f"{login}@{address}"))


def _with_database(dsn: str, database: str) -> str:
    return urlunsplit(urlsplit(dsn)._replace(path="/" + quote(database, safe="")))


@asynccontextmanager
async def _connection(dsn: str) -> AsyncIterator[_Connection]:
    connection = await asyncpg.connect(dsn)
    try:
        yield connection
    finally:
        await connection.close()


async def _ensure_role(admin: _Connection, role: str, password: str) -> None:
    verifier = _scram_verifier(password)
    if not await admin.fetchval("SELECT true FROM pg_catalog.pg_roles WHERE rolname = $1", role):
        with suppress(*_RACED):  # somebody else was faster; what follows is the same for both
            await admin.execute(await _quoted(admin, "CREATE ROLE {role} LOGIN", role=role))
    statement = await _quoted(admin, "ALTER ROLE {role} LOGIN PASSWORD ", role=role)
    await admin.execute(f"{statement}'{verifier}'")


async def _ensure_database(admin: _Connection, database: str) -> None:
    known = "SELECT true FROM pg_catalog.pg_database WHERE datname = $1"
    if await admin.fetchval(known, database):
        return
    statement = "CREATE DATABASE {database} TEMPLATE template0 ENCODING 'UTF8'"
    with suppress(*_RACED):
        await admin.execute(await _quoted(admin, statement, database=database))


async def _may_act_for(admin: _Connection, role: str) -> None:
    """Let an administrator who is no superuser make a schema for the role."""
    # Since PostgreSQL 16 who creates a role is a member, but may not yet act for it.
    superuser = "SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user"
    if not await admin.fetchval(superuser):
        await admin.execute(await _quoted(admin, "GRANT {role} TO CURRENT_USER", role=role))


async def _quoted(admin: _Connection, statement: str, **names: str) -> str:
    # Names of databases and roles cannot be parameters; the server quotes them.
    quoted = {
        key: await admin.fetchval("SELECT pg_catalog.quote_ident($1)", name)
        for key, name in names.items()
    }
    return statement.format(**quoted)


def _scram_verifier(password: str) -> str:
    """Return what PostgreSQL stores for a password (RFC 5803; ASCII needs no SASLprep)."""
    if not (password and password.isascii() and password.isprintable()):
        raise ValueError("a database password must be printable ASCII")
    salt = secrets.token_bytes(SCRAM_SALT_BYTES)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, SCRAM_ITERATIONS)
    stored_key = hashlib.sha256(_hmac(salted, b"Client Key")).digest()
    server_key = _hmac(salted, b"Server Key")
    return (
        f"SCRAM-SHA-256${SCRAM_ITERATIONS}:{_base64(salt)}"
        f"${_base64(stored_key)}:{_base64(server_key)}"
    )


def _hmac(key: bytes, message: bytes) -> bytes:
    return hmac.digest(key, message, "sha256")


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode()
