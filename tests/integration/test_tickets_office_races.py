"""What offices do to rooms while the operator applies a file, or a county is published."""

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from prometheus_client import REGISTRY
from support.clocks import FixedClock
from support.service import until
from support.service_databases import MakeDatabase
from support.tickets_database import (
    CLOSED,
    COUNTY,
    OFFICER,
    OPERATOR,
    SESSION,
    SITE,
    apply,
    arranged,
    enroll,
    publish,
    sql,
    tickets_database,
)
from zikao_kit.db import Database, Transaction
from zikao_kit.office_acts import ActionState
from zikao_tickets.commands.import_sites import SiteImport, import_sites
from zikao_tickets.commands.set_room_use import set_room_use
from zikao_tickets.domain.layout import RoomPlan
from zikao_tickets.domain.office_acts import (
    Effect,
    OfficeAction,
    Order,
    Proposal,
)
from zikao_tickets.domain.rooms import RoomUse, SetRoomUse
from zikao_tickets.store import OfficeStore
from zikao_tickets.stores.offices import office_actions
from zikao_tickets.stores.sites import SiteStore
from zikao_tickets.workers.backlog import BacklogWorker

LATER = CLOSED + timedelta(days=1)


@pytest.fixture
async def db(make_database: MakeDatabase) -> AsyncIterator[Database]:
    """The session applied, and one candidate enrolled."""
    async with tickets_database(make_database) as database:
        await apply(database)
        await enroll(database, UUID(int=1))
        yield database


async def close(tx: Transaction) -> Effect:
    """Close the county's room."""
    act = SetRoomUse("A", "001", RoomUse.CLOSED, "漏水")
    order = Order(Proposal("22.1", COUNTY, act), "officer", CLOSED, dry_run=False)
    return await set_room_use(SiteStore(tx), order)


async def waiting(db: Database, work: Awaitable[Any]) -> "asyncio.Future[Any]":
    """Begin something that has to wait for a lock, and return when it does."""
    task = asyncio.ensure_future(work)

    async def waits() -> bool:
        rows = await sql(
            db,
            "SELECT 1 FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock'",
        )
        return bool(rows) or task.done()

    await until(waits)
    assert not task.done()
    return task


async def use(db: Database) -> str:
    """What the room is for."""
    (row,) = await sql(db, "SELECT use FROM tickets.room WHERE room_code = '001'")
    return str(row[0])


async def test_a_file_that_comes_meanwhile_opens_nothing(db: Database) -> None:
    """It waits until the room is closed, and leaves it so."""
    larger = replace(SITE, rooms=(*SITE.rooms, RoomPlan("002", 5, 6)))
    async with db.transaction() as tx:
        await close(tx)
        applying = await waiting(db, apply(db, SESSION, [larger]))
    assert await applying == ["新增考点A考场002（5列6行）"]
    assert await use(db) == "closed"


async def test_a_publication_that_comes_meanwhile_waits(db: Database) -> None:
    """Whether somebody sits in the room does not change while it is being closed."""
    arrangement = await arranged(db)
    async with db.transaction() as tx:
        assert not (await close(tx)).needs_second
        publishing = await waiting(db, publish(db, arrangement))
    await asyncio.gather(publishing, return_exceptions=True)
    async with db.transaction() as tx:
        seated = await sql(db, "SELECT 1 FROM tickets.arrangement WHERE state = 'published'")
        assert (await close(tx)).needs_second == bool(seated)


async def test_a_publication_waits_for_whoever_changes_sites(db: Database) -> None:
    """What a ticket says of its site is what it says when it is issued."""
    arrangement = await arranged(db)
    larger = replace(SITE, rooms=(*SITE.rooms, RoomPlan("002", 5, 6)))
    wanted = SiteImport("22.1", COUNTY, [larger], remove_others=False)
    async with db.transaction() as tx:
        stores = OfficeStore(tx, {})
        done = await import_sites(stores, wanted, actor=OFFICER, dry_run=False, now=CLOSED)
        assert done.changes == ["新增考点A考场002（5列6行）"]
        publishing = await waiting(db, publish(db, arrangement))
    await publishing


async def test_two_imports_at_once_are_one_after_the_other(db: Database) -> None:
    """Each adds its site; neither takes the other's place in the order."""

    async def bring(tx: Transaction, code: str) -> None:
        site = replace(SITE, code=code)
        wanted = SiteImport("22.1", COUNTY, [site], remove_others=False)
        await import_sites(OfficeStore(tx, {}), wanted, actor=OFFICER, dry_run=False, now=CLOSED)

    async def another() -> None:
        async with db.transaction() as tx:
            await bring(tx, "C")

    async with db.transaction() as tx:
        await bring(tx, "B")
        other = await waiting(db, another())
    await other
    async with db.read() as tx:
        assert [site.code for site in await SiteStore(tx).sites("22.1")] == ["A", "B", "C"]
    entries = await sql(db, "SELECT actor FROM tickets.office_audit ORDER BY audit_id")
    assert [row[0] for row in entries] == [OPERATOR.subject, OFFICER.subject, OFFICER.subject]


async def propose(tx: Transaction, officer: str) -> int:
    """Keep an act for a second officer; how many of the officer's have waited before."""
    store = office_actions(tx)
    pending = await store.count_pending(officer, CLOSED)
    proposal = Proposal("22.1", COUNTY, SetRoomUse("A", "001", RoomUse.CLOSED, "漏水"))
    state = ActionState.PENDING
    await store.insert(OfficeAction(uuid4(), proposal, state, officer, CLOSED, LATER))
    return pending


async def test_an_officers_acts_are_counted_one_after_the_other(db: Database) -> None:
    """Else two that come together, in two counties, would both be the hundredth."""

    async def another(officer: str) -> int:
        async with db.transaction() as tx:
            return await propose(tx, officer)

    async with db.transaction() as tx:
        assert await propose(tx, "one") == 0
        assert await another("two") == 0
        second = await waiting(db, another("one"))
    assert await second == 1


async def test_what_waits_for_a_second_officer_is_a_metric(db: Database) -> None:
    """No number, rather than a good one, before the first reading and after one that failed."""

    def shown() -> float | None:
        return REGISTRY.get_sample_value("zikao_tickets_pending_office_acts")

    async with db.transaction() as tx:
        for officer in ("one", "two", "two"):
            await propose(tx, officer)
    worker = BacklogWorker(db, FixedClock(CLOSED))
    assert shown() == pytest.approx(math.nan, nan_ok=True)
    await worker.work()
    assert shown() == 3
    await BacklogWorker(db, FixedClock(LATER)).work()
    assert shown() == 0
    await sql(db, "ALTER TABLE tickets.office_action RENAME TO away")
    with pytest.raises(asyncpg.UndefinedTableError):
        await worker.work()
    assert shown() == pytest.approx(math.nan, nan_ok=True)
