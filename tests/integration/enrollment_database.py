"""A database of enrollment for one test, with the small session and some candidates."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from uuid import UUID

from support.service_databases import MakeDatabase
from zikao_enrollment.commands.apply_session import apply_session
from zikao_enrollment.domain.orders import ACTIVE, Candidate
from zikao_enrollment.domain.timetable import Session, Track
from zikao_enrollment.session_store import SessionStore
from zikao_enrollment.store import Store
from zikao_kit.config import DatabaseConfig
from zikao_kit.db import Database
from zikao_kit.queries import Queries

NOW = datetime(2022, 2, 28, 1, tzinfo=UTC)
WAIT_SECONDS = 10
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
    config = DatabaseConfig(dsn=await make_database("enrollment"))
    async with await Database.connect(config, Queries.load("zikao_enrollment")) as database:
        async with database.transaction() as transaction:
            await apply_session(SessionStore(transaction), session, dry_run=False, now=NOW)
            if candidates:
                await Store(transaction).save_candidates(map(candidate, range(1, candidates + 1)))
        yield database


def candidate(number: int) -> Candidate:
    """An active candidate of the social track."""
    return Candidate(UUID(int=number), Track.SOCIAL, ACTIVE, "", f"{number:012}", "510104")


async def until_somebody_waits(database: Database, count: int = 1) -> None:
    """Wait until so many transactions of the database wait for a lock."""
    async with asyncio.timeout(WAIT_SECONDS), database.read() as tx:
        while await tx.using(_WAITING).fetchval("waiting") < count:
            await asyncio.sleep(0.01)
