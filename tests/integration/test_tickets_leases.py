"""Work on an arrangement that takes long: it keeps its lease, and ends when nobody wants it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from uuid import UUID

import pytest
from structlog.testing import capture_logs
from support.service import until
from support.service_databases import MakeDatabase
from support.tickets_database import (
    CLOSED,
    OFFICER,
    apply,
    enroll,
    everything_has_come,
    found,
    lease,
    sql,
    start,
    tickets_database,
    worker,
)
from zikao_kit.db import Database
from zikao_kit.queries import Queries
from zikao_tickets.commands.cancel_arrangements import cancel_arrangements
from zikao_tickets.domain.states import Arrangement, ArrangementState, Stage
from zikao_tickets.stores.arrangements import ArrangementStore
from zikao_tickets.stores.offices import office_audit

SHORT = timedelta(milliseconds=300)
LOCKS = Queries(
    "test",
    {
        "needs": "LOCK TABLE tickets.accommodation IN ACCESS EXCLUSIVE MODE",
        "plans": "LOCK TABLE tickets.arrangement_plan IN EXCLUSIVE MODE",
        "seats": "LOCK TABLE tickets.seat IN EXCLUSIVE MODE",
    },
)


@pytest.fixture
async def db(make_database: MakeDatabase) -> AsyncIterator[Database]:
    """A county with one candidate, whose arrangement waits for a worker."""
    async with tickets_database(make_database) as database:
        await apply(database)
        await enroll(database, UUID(int=1))
        await start(database, CLOSED)
        await everything_has_come(database)
        yield database


@asynccontextmanager
async def working(db: Database, lock: str) -> AsyncIterator[asyncio.Task[bool]]:
    """A worker at it, held up by a lock until the end of the block."""
    async with db.transaction() as tx:
        await tx.using(LOCKS).execute(lock)
        task = asyncio.create_task(worker(db, SHORT).work())

        async def waits() -> bool:
            rows = await sql(
                db,
                "SELECT 1 FROM pg_stat_activity"
                " WHERE datname = current_database() AND wait_event_type = 'Lock'",
            )
            return bool(rows)

        await until(waits)
        yield task
    await task


async def only(db: Database) -> Arrangement:
    """The only arrangement there is."""
    (row,) = await sql(db, "SELECT arrangement_id FROM tickets.arrangement")
    return await found(db, row["arrangement_id"])


async def test_whoever_works_keeps_the_lease(db: Database) -> None:
    """Held up for three leases, it is given to nobody else, shows its stage, and is done once."""
    async with working(db, "needs"):
        for _ in range(9):
            await asyncio.sleep(SHORT.total_seconds() / 3)
            assert await lease(db) is None
        assert (await only(db)).progress.stage is Stage.READING
    done = await only(db)
    assert (done.state, done.attempts) == (ArrangementState.DONE, 1)
    assert (await only(db)).progress.stage is Stage.SEATING


async def test_what_runs_is_cancelled(db: Database) -> None:
    """A running arrangement ends within a heartbeat, without seats; its worker goes on living."""
    async with working(db, "needs") as task:
        async with db.transaction() as tx:
            running = await only(db)
            cancelled = await cancel_arrangements(
                ArrangementStore(tx),
                office_audit(tx),
                None,
                running.arrangement_id,
                actor=OFFICER,
                now=CLOSED,
            )
        assert cancelled == (0, 1)
        assert await task
        assert (await only(db)).state is ArrangementState.CANCELLED
    assert await sql(db, "SELECT 1 FROM tickets.seat") == []
    assert (await start(db)).state is ArrangementState.PENDING


async def test_what_is_being_written_cannot_be_cancelled(db: Database) -> None:
    """Its row is its worker's: nothing is left to cancel, and it is done."""
    async with working(db, "seats"):
        running = await only(db)
        async with db.transaction() as tx:
            store = ArrangementStore(tx)
            assert await store.cancel(None, running.arrangement_id, CLOSED) == []
    assert (await only(db)).state is ArrangementState.DONE


async def test_whoever_has_lost_the_lease_stops(db: Database) -> None:
    """Another one has taken it over: the first one stores nothing and ends quietly."""
    async with working(db, "needs") as task:
        await sql(db, "UPDATE tickets.arrangement SET attempts = attempts + 1")
        assert await task
    assert (await only(db)).state is ArrangementState.RUNNING
    assert await sql(db, "SELECT 1 FROM tickets.arrangement_plan") == []


async def test_people_who_come_meanwhile_are_arranged_too(db: Database) -> None:
    """Somebody enrolled after the county was read: the work begins anew and seats both."""
    with capture_logs() as logs:
        async with working(db, "plans"):
            await enroll(db, UUID(int=2))
    assert [each["event"] for each in logs if "begins" in each["event"]] == [
        "arrangement begins anew"
    ]
    assert (await only(db)).state is ArrangementState.RUNNING
    assert await worker(db).work()
    done = await only(db)
    assert (done.state, done.counts.candidates) == (ArrangementState.DONE, 2)


async def test_people_who_come_while_seats_are_written_come_after(db: Database) -> None:
    """The check sees the county as it was when the writing began: nobody is missed."""
    async with working(db, "seats"):
        await enroll(db, UUID(int=2))
    done = await only(db)
    assert (done.state, done.counts.candidates) == (ArrangementState.DONE, 1)
