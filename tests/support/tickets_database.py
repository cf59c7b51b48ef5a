"""A tickets database of its own, and a small county to fill it with."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from importlib import resources
from uuid import uuid4

import asyncpg
from support.postgres import Cluster
from zikao_kit.db import Transaction
from zikao_kit.queries import Queries
from zikao_kit.tokens import Actor
from zikao_tickets.domain.session import Notice, RoomPlan, Session, Site, Slot
from zikao_tickets.parts import ENROLLMENTS

SQL = resources.files("zikao_tickets").joinpath("sql")
COUNTY = "510104"
CLOSED = datetime(2022, 3, 3, 9, tzinfo=UTC)
MORNING = datetime(2022, 4, 16, 1, tzinfo=UTC)
OFFICER = Actor(subject="officer", role="county_officer", scope=COUNTY)
SESSION = Session(
    code="22.1",
    name="2022年4月高等教育自学考试",
    time_zone="Asia/Shanghai",
    enrollment_closes_at=CLOSED,
    printing_opens_at=datetime(2022, 4, 11, 1, tzinfo=UTC),
    printing_closes_at=datetime(2022, 4, 17, 6, 45, tzinfo=UTC),
    slots=(Slot(1, MORNING, MORNING + timedelta(hours=2.5)),),
    courses={"00015": "英语（二）"},
    notice=Notice(1, ("凭证件入场。",)),
)
SITE = Site("A", COUNTY, "锦江区", "第十七中学", "通盈街368号", (RoomPlan("001", 5, 6),))


class NamedQueries(Transaction):
    """The service's named queries on one connection, each a transaction of its own."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        super().__init__(connection, Queries.load("zikao_tickets"))
        self.connection = connection


async def everything_has_come(sql: NamedQueries) -> None:
    """Note that the enrollment feed has brought all there is now."""
    await sql.connection.execute(
        "INSERT INTO tickets.feed_cursor (source, cursor, as_of) VALUES ($1, '', clock_timestamp())"
        " ON CONFLICT (source) DO UPDATE SET as_of = excluded.as_of",
        ENROLLMENTS,
    )


@asynccontextmanager
async def tickets_database(cluster: Cluster) -> AsyncIterator[NamedQueries]:
    """Yield an empty database with the schema, and drop it."""
    name = f"tickets_{uuid4().hex}"
    admin = await asyncpg.connect(cluster.admin_dsn)
    await admin.execute(f"CREATE DATABASE {name}")
    connection = await asyncpg.connect(cluster.admin_dsn, database=name)
    try:
        await connection.execute(SQL.joinpath("schema.sql").read_text())
        yield NamedQueries(connection)
    finally:
        await connection.close()
        await admin.execute(f"DROP DATABASE {name}")
        await admin.close()
