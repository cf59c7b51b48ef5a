"""What becomes of an arrangement when its worker meets a fault, or loses the database."""

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID

import pytest
from structlog.testing import capture_logs
from support.service import until
from support.service_databases import MakeDatabase
from support.tickets_database import (
    CLOSED,
    SESSION,
    apply,
    arranged,
    enroll,
    everything_has_come,
    found,
    lease,
    sql,
    start,
    tickets_database,
)
from support.tickets_database import worker as worker_of
from zikao_kit.crypto import DecryptionFailed
from zikao_kit.db import Database, DatabaseUnavailable
from zikao_tickets.domain.states import Arrangement, ArrangementState
from zikao_tickets.stores.arrangements import ArrangementStore
from zikao_tickets.stores.sessions import SessionStore
from zikao_tickets.workers.arranging import MAX_ATTEMPTS

LEASE = timedelta(milliseconds=50)


@pytest.fixture
async def db(make_database: MakeDatabase) -> AsyncIterator[Database]:
    """A county with one candidate, and a lease that passes soon."""
    async with tickets_database(make_database) as database:
        await apply(database)
        await enroll(database, UUID(int=1))
        yield database


@pytest.fixture
async def waiting(db: Database) -> Arrangement:
    """An arrangement that a worker will take."""
    started = await start(db, CLOSED)
    await everything_has_come(db)
    return started


async def blocked_backends(db: Database) -> list[int]:
    """Processes of the database that wait for a lock."""
    rows = await sql(
        db,
        "SELECT pid FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'",
    )
    return [row["pid"] for row in rows]


async def test_a_fault_ends_the_arrangement(db: Database, waiting: Arrangement) -> None:
    """A damaged seed: logged, failed with an id, never tried again; once it is whole another may.

    Nobody draws from another seed meanwhile: what cannot be read would be a way to choose.
    """
    await sql(db, "UPDATE tickets.arrangement SET seed_enc = 'damaged'")
    worker = worker_of(db, LEASE)
    with capture_logs() as logs:
        assert await worker.work()
    ended = await found(db, waiting.arrangement_id)
    assert ended.state is ArrangementState.FAILED
    assert re.fullmatch(r"编排程序出错，请联系技术人员（编号[0-9a-f-]{36}）", ended.failure)
    (entry,) = [each for each in logs if each["event"] == "arrangement failed"]
    assert (entry["exc_info"], entry["arrangement_id"]) == (True, str(ended.arrangement_id))
    await asyncio.sleep(2 * LEASE.total_seconds())
    assert not await worker.work()
    with pytest.raises(DecryptionFailed):
        await arranged(db)
    await sql(db, "UPDATE tickets.arrangement SET seed_enc = $1", waiting.seed_enc)
    assert (await arranged(db)).state is ArrangementState.DONE


async def test_a_late_fault_leaves_another_workers_arrangement(
    db: Database, waiting: Arrangement
) -> None:
    """Whoever lost the lease and then meets a fault does not end what another has taken over."""
    first = await lease(db)
    await sql(db, "UPDATE tickets.arrangement SET leased_until = requested_at")
    second = await lease(db)
    assert first is not None
    assert second is not None
    # Before the first second is over, in which it would hear that the lease is another's.
    await sql(db, "ALTER TABLE tickets.room RENAME TO away")
    await worker_of(db).arrange(first)
    assert (await found(db, waiting.arrangement_id)).state is ArrangementState.RUNNING
    await sql(db, "ALTER TABLE tickets.away RENAME TO room")
    await worker_of(db).arrange(second)
    assert (await found(db, waiting.arrangement_id)).state is ArrangementState.DONE


async def test_a_lost_database_is_tried_again(db: Database, waiting: Arrangement) -> None:
    """A connection that ends amid the work leaves it running; after the lease it is done."""
    worker = worker_of(db, LEASE)
    async with db.transaction() as tx:
        await SessionStore(tx).lock(SESSION.code)
        working = asyncio.ensure_future(worker.work())
        blocked: list[int] = []

        async def waits() -> bool:
            blocked.extend(await blocked_backends(db))
            return bool(blocked)

        await until(waits)
        await sql(db, "SELECT pg_terminate_backend($1)", blocked[0])
        with pytest.raises(DatabaseUnavailable):
            await working
    assert (await found(db, waiting.arrangement_id)).state is ArrangementState.RUNNING
    await asyncio.sleep(2 * LEASE.total_seconds())
    assert await worker.work()
    assert (await found(db, waiting.arrangement_id)).state is ArrangementState.DONE


async def test_work_that_is_never_ended_is_given_up(db: Database, waiting: Arrangement) -> None:
    """Five processes died over it, and none is at it: it is failed, and another may start."""
    for _ in range(MAX_ATTEMPTS):
        leased = await lease(db)
        assert leased is not None
        assert leased.arrangement_id == waiting.arrangement_id
        await sql(db, "UPDATE tickets.arrangement SET leased_until = requested_at")
    worker = worker_of(db, LEASE)
    async with db.transaction() as tx:
        await ArrangementStore(tx).lock(waiting.arrangement_id)  # one lives and is at work
        assert not await worker.work()
    assert (await found(db, waiting.arrangement_id)).state is ArrangementState.RUNNING
    assert not await worker.work()
    ended = await found(db, waiting.arrangement_id)
    assert ended.state is ArrangementState.FAILED
    assert ended.failure == f"编排多次中断，请联系技术人员（编号{ended.arrangement_id}）"
    assert (await arranged(db)).state is ArrangementState.DONE
