"""A database of enrollment for one test, with the small session and some candidates."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from uuid import UUID

from support.service import until
from support.service_databases import MakeDatabase
from zikao_enrollment.commands.apply_session import apply_session
from zikao_enrollment.domain.orders import ACTIVE, Candidate
from zikao_enrollment.domain.timetable import Session, Track
from zikao_enrollment.names import PACKAGE, SCHEMA
from zikao_enrollment.store import Store
from zikao_enrollment.stores.sessions import SessionStore
from zikao_kit.config import DatabaseConfig
from zikao_kit.db import Database
from zikao_kit.queries import Queries

NOW = datetime(2022, 2, 28, 1, tzinfo=UTC)
_WAITING = Queries(
    "test",
    {
        "waiting": "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'"
    },
)


@asynccontextmanager
async def enrollment_database(
    make_database: MakeDatabase, session: Session, candidates: int
) -> AsyncIterator[Database]:
    """Yield a database with an applied session; candidate n has the id UUID(int=n), from 1."""
    config = DatabaseConfig(dsn=await make_database(SCHEMA))
    async with await Database.connect(config, Queries.load(PACKAGE)) as database:
        async with database.transaction() as transaction:
            await apply_session(SessionStore(transaction), session, dry_run=False, now=NOW)
            if candidates:
                await Store(transaction).candidates.save(map(candidate, range(1, candidates + 1)))
        yield database


def candidate(number: int) -> Candidate:
    """An active candidate of the social track."""
    return Candidate(UUID(int=number), Track.SOCIAL, ACTIVE, "")


async def until_somebody_waits(database: Database, count: int = 1) -> None:
    """Wait until so many transactions of the database wait for a lock."""
    async with database.read() as tx:
        waiting = tx.using(_WAITING)

        async def enough() -> bool:
            found: int = await waiting.fetchval("waiting")
            return found >= count

        await until(enough)
