"""A tickets database of its own, and a small county to fill it with."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from importlib import resources
from typing import Any
from uuid import uuid4

import asyncpg
from support.postgres import Cluster
from zikao_kit.tokens import Actor
from zikao_tickets.domain.session import Notice, RoomPlan, Session, Site, Slot

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


class NamedQueries:
    """The service's named queries on one connection."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self.connection = connection
        text = "".join(file.read_text() for file in SQL.joinpath("queries").iterdir())
        self._sql = dict(re.findall(r"-- name: (\w+)\n(.*?)(?=-- name:|\Z)", text, re.DOTALL))

    async def fetch(self, name: str, /, *args: Any) -> Any:
        """All rows."""
        return await self.connection.fetch(self._sql[name], *args)

    async def fetchrow(self, name: str, /, *args: Any) -> Any:
        """The first row."""
        return await self.connection.fetchrow(self._sql[name], *args)

    async def fetchval(self, name: str, /, *args: Any) -> Any:
        """The first value."""
        return await self.connection.fetchval(self._sql[name], *args)

    async def execute(self, name: str, /, *args: Any) -> Any:
        """No rows."""
        return await self.connection.execute(self._sql[name], *args)


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
