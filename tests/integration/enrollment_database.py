"""A database of enrollment for one test, with the small session and some candidates."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from importlib import resources
from uuid import UUID, uuid4

import asyncpg
from support.postgres import Cluster
from zikao_enrollment.domain.timetable import Session
from zikao_kit.config import DatabaseConfig
from zikao_kit.db import Database
from zikao_kit.queries import Queries

NOW = datetime(2022, 2, 28, 1, tzinfo=UTC)


@asynccontextmanager
async def enrollment_database(
    cluster: Cluster, session: Session, candidates: int
) -> AsyncIterator[Database]:
    """Yield a migrated database; candidate n has the id UUID(int=n), from 1."""
    name = f"enrollment_{uuid4().hex}"
    admin = await asyncpg.connect(cluster.admin_dsn)
    await admin.execute(f"CREATE DATABASE {name}")
    connection = await asyncpg.connect(cluster.admin_dsn, database=name)
    schema = resources.files("zikao_enrollment").joinpath("sql", "schema.sql").read_text()
    await connection.execute(schema)
    await fill(connection, session, candidates)
    await connection.close()
    dsn = f"{cluster.admin_dsn.rpartition('/')[0]}/{name}"
    queries = Queries.load("zikao_enrollment")
    database = await Database.connect(DatabaseConfig(dsn=dsn), queries)
    try:
        yield database
    finally:
        await database.close()
        await admin.execute(f"DROP DATABASE {name}")
        await admin.close()


async def fill(connection: asyncpg.Connection, session: Session, candidates: int) -> None:
    """Store the session's ledger and active candidates of the social track."""
    await connection.execute(
        "INSERT INTO enrollment.session VALUES ($1, '{}', $2)", session.code, NOW
    )
    await connection.executemany(
        "INSERT INTO enrollment.seat_ledger VALUES ($1, $2, $3, $4)",
        [(session.code, *key, seats) for key, seats in session.capacities().items()],
    )
    await connection.executemany(
        "INSERT INTO enrollment.candidate VALUES ($1, $2, '510104', 'social', 'active', '')",
        [(UUID(int=number), f"{number:012}") for number in range(1, candidates + 1)],
    )
