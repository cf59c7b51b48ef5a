"""The worker that publishes what was approved, when a county takes the database too long."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from uuid import UUID

import pytest
from support.clocks import FixedClock
from support.service import until
from support.service_databases import MakeDatabase
from support.tickets_database import (
    CLOSED,
    COUNTY,
    SESSION,
    SITE,
    apply,
    arranged,
    enroll,
    sql,
    tickets_database,
)
from zikao_kit.db import Database, DatabaseUnavailable
from zikao_tickets.stores.publishing import PublishingStore
from zikao_tickets.stores.versions import VersionStore
from zikao_tickets.workers.publishing import MAX_ATTEMPTS, PublicationWorker

OTHER = "510105"
SITES = [SITE, replace(SITE, code="B", county_code=OTHER)]
BLOCKED = (
    "SELECT pid FROM pg_stat_activity"
    " WHERE datname = current_database() AND wait_event_type = 'Lock'"
)


@pytest.fixture
async def db(make_database: MakeDatabase) -> AsyncIterator[Database]:
    """Two counties with a candidate each, arranged and approved."""
    async with tickets_database(make_database) as database:
        await apply(database, SESSION, SITES)
        ids = []
        for number, county in enumerate((COUNTY, OTHER), start=1):
            await enroll(database, UUID(int=number), county=county)
            ids.append((await arranged(database, county=county)).arrangement_id)
        async with database.transaction() as tx:
            await PublishingStore(tx).approve(ids, CLOSED, "officer")
        yield database


@pytest.fixture
def worker(db: Database) -> PublicationWorker:
    """Who publishes."""
    return PublicationWorker(db, FixedClock(CLOSED))


async def states(db: Database) -> dict[str, str]:
    """Where each county stands."""
    found = await sql(db, "SELECT county_code, state FROM tickets.arrangement")
    return {row["county_code"]: row["state"] for row in found}


async def lose_the_database(db: Database, worker: PublicationWorker) -> None:
    """The publication of the county waits until its connection is ended."""
    async with db.transaction() as tx:
        await VersionStore(tx).lock_county(SESSION.code, COUNTY)
        working = asyncio.ensure_future(worker.work())
        blocked: list[int] = []

        async def waits() -> bool:
            blocked.extend(row["pid"] for row in await sql(db, BLOCKED))
            return bool(blocked)

        await until(waits)
        await sql(db, "SELECT pg_terminate_backend($1)", blocked[0])
        with pytest.raises(DatabaseUnavailable):
            await working


async def test_a_county_that_fails_does_not_hold_up_the_others(
    db: Database, worker: PublicationWorker
) -> None:
    """After a lost connection the other county is next, and then this one again."""
    await lose_the_database(db, worker)
    assert await worker.work()
    assert await states(db) == {COUNTY: "approved", OTHER: "published"}
    assert await worker.work()
    assert await states(db) == {COUNTY: "published", OTHER: "published"}
    assert not await worker.work()


async def test_what_fails_again_and_again_is_given_up(
    db: Database, worker: PublicationWorker
) -> None:
    """Five lost connections: it is done again and says so; approved again, it begins at one."""
    for _ in range(MAX_ATTEMPTS):
        await sql(db, "UPDATE tickets.arrangement SET state = 'done' WHERE county_code = $1", OTHER)
        await lose_the_database(db, worker)
    assert await worker.work()
    (row,) = await sql(
        db,
        "SELECT arrangement_id, state, failure FROM tickets.arrangement WHERE county_code = $1",
        COUNTY,
    )
    assert row["state"] == "done"
    assert row["failure"] == f"发布多次中断，请联系技术人员（编号{row['arrangement_id']}）"
    assert not await worker.work()
    async with db.transaction() as tx:
        await PublishingStore(tx).approve([row["arrangement_id"]], CLOSED, "officer")
    assert await worker.work()
    assert (await states(db))[COUNTY] == "published"


async def test_what_another_process_publishes_is_left_to_it(
    db: Database, worker: PublicationWorker
) -> None:
    """Two at once: each county is published once, and neither waits for the other's."""
    others = [PublicationWorker(db, FixedClock(CLOSED)) for _ in range(3)]
    await asyncio.gather(*(each.work() for each in (worker, *others)))
    assert await states(db) == {COUNTY: "published", OTHER: "published"}
    failures = await sql(db, "SELECT failure FROM tickets.arrangement WHERE failure <> ''")
    assert failures == []
