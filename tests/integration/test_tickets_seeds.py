"""One seed for all that is started on what is in force: nobody draws until the seats please."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

import pytest
from support.service import until
from support.service_databases import MakeDatabase
from support.tickets_database import (
    CLOSED,
    COUNTY,
    KEYS,
    OFFICER,
    OPERATOR,
    SESSION,
    apply,
    arranged,
    enroll,
    everything_has_come,
    found,
    lease,
    publish,
    sql,
    start,
    tickets_database,
    worker,
)
from zikao_kit.db import ConstraintViolated, Database, Transaction
from zikao_tickets.commands.cancel_arrangements import cancel_arrangements
from zikao_tickets.commands.list_draws import list_draws
from zikao_tickets.commands.start_arrangement import Starting, start_arrangement, start_arrangements
from zikao_tickets.domain.person import seed_context
from zikao_tickets.domain.publication import Publishable
from zikao_tickets.domain.states import Arrangement, ArrangementState
from zikao_tickets.stores.arrangements import ArrangementStore
from zikao_tickets.stores.offices import office_audit
from zikao_tickets.stores.publishing import PublishingStore

FAILED = ArrangementState.FAILED
OTHER = "510105"


@pytest.fixture
async def db(make_database: MakeDatabase) -> AsyncIterator[Database]:
    """A county with five candidates."""
    async with tickets_database(make_database) as database:
        await apply(database)
        for number in range(1, 6):
            await enroll(database, UUID(int=number))
        yield database


def seed_of(arrangement: Arrangement) -> bytes:
    """The seed, as whoever has the keys reads it."""
    return KEYS.decrypt(arrangement.seed_enc, seed_context(arrangement.arrangement_id))


async def cancel(tx: Transaction, arrangement: Arrangement) -> None:
    """End what waits."""
    stores = ArrangementStore(tx), office_audit(tx)
    which = None, arrangement.arrangement_id
    assert (await cancel_arrangements(*stores, *which, actor=OFFICER, now=CLOSED)).cancelled == 1


def starting(tx: Transaction) -> Starting:
    """What arrangements are started with."""
    return Starting(ArrangementStore(tx), office_audit(tx), KEYS, OFFICER, CLOSED)


async def test_whoever_starts_again_draws_the_same(db: Database) -> None:
    """Cancelled, failed, done, anew, by itself or with the province: one seed, the same seats."""
    first = await start(db)
    async with db.transaction() as tx:
        await cancel(tx, first)
    await sql(db, "UPDATE tickets.room SET use = 'closed'")
    failed = await arranged(db)
    assert failed.state is FAILED
    await sql(db, "UPDATE tickets.room SET use = 'normal'")
    done, again = await arranged(db), await arranged(db, anew=True)
    assert (done.seats_sha256, done.state) == (again.seats_sha256, ArrangementState.DONE)
    async with db.transaction() as tx:
        await start_arrangements(starting(tx), SESSION, "51", anew=False, dry_run=False)
    (last,) = await sql(
        db, "SELECT arrangement_id FROM tickets.arrangement WHERE state = 'pending'"
    )
    known = [first, failed, done, again, await found(db, last["arrangement_id"])]
    assert {(seed_of(each), each.seed_sha256) for each in known} == {
        (seed_of(first), first.seed_sha256)
    }


async def test_what_is_in_force_has_its_own_next_seed(db: Database) -> None:
    """Once the seed is revealed it draws nothing more: the next start fixes another, once."""
    first = await publish(db, await arranged(db))
    await sql(db, "UPDATE tickets.arrangement SET started_at = started_at - interval '1 day'")
    late, anew = await arranged(db), await arranged(db, anew=True)
    assert (late.seeded_on, anew.seeded_on) == (first.arrangement_id,) * 2
    assert seed_of(late) == seed_of(anew) != seed_of(first)
    async with db.read() as tx:
        told = await list_draws(ArrangementStore(tx), "22.1", COUNTY, KEYS)
    assert [(each.seed_sha256, each.seed, each.arrangement_id) for each in told] == [
        (late.seed_sha256, b"", None),
        (first.seed_sha256, seed_of(first), first.arrangement_id),
    ]
    other = await start(db, county=OTHER)
    assert (other.seeded_on, seed_of(other) == seed_of(first)) == (None, False)


async def test_two_who_start_at_once_fix_one_seed(db: Database) -> None:
    """The second waits for the first, although that one is cancelled in the same moment."""
    async with db.transaction() as tx:
        first = await start_arrangement(starting(tx), SESSION, COUNTY, anew=False)
        second = asyncio.ensure_future(start(db))

        async def waits() -> bool:
            waiting = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            return bool(await sql(db, f"{waiting} AND datname = current_database()"))

        await until(waits)
        await cancel(tx, first)
    assert seed_of(await second) == seed_of(first)


async def test_the_database_keeps_one_seed(db: Database) -> None:
    """A second one that fixes a seed on the same, or on nothing, violates a named index."""
    fresh = await start(db)
    async with db.transaction() as tx:
        await cancel(tx, fresh)
    with pytest.raises(ConstraintViolated, match="arrangement_seed"):
        await sql(
            db,
            "INSERT INTO tickets.arrangement (arrangement_id, session_code, county_code, state,"
            " seed_enc, seed_sha256, started_at, started_by, fixes_seed) SELECT gen_random_uuid(),"
            " session_code, county_code, state, '', '', now(), 'o', true FROM tickets.arrangement",
        )


async def test_what_waits_while_another_is_published_is_not_made(db: Database) -> None:
    """Its seed is known by now: it fails without seats, and the next start has another."""
    done = await arranged(db)
    pending = await start(db)
    await everything_has_come(db)
    await publish(db, done)
    leased = await lease(db)
    assert leased is not None
    await worker(db).arrange(leased)
    refused = await found(db, pending.arrangement_id, OPERATOR)
    assert (refused.state, refused.failure) == (
        FAILED,
        "启动后本县区已发布其他编排，请重新启动编排",
    )
    (seats,) = await sql(db, "SELECT count(DISTINCT arrangement_id) FROM tickets.seat")
    assert seats["count"] == 1
    assert seed_of(await arranged(db)) != seed_of(pending)


async def test_a_second_officer_sees_how_often_it_was_drawn(db: Database) -> None:
    """What is proposed says who started it, what was given up on the same base, and before."""
    await arranged(db)
    first = await publish(db, await arranged(db))
    assert first.state is ArrangementState.PUBLISHED
    for _ in range(3):
        done = await arranged(db)
    async with db.read() as tx:
        (proposed,) = await PublishingStore(tx).publishable("22.1", "51")
    assert proposed == Publishable(
        *(done.arrangement_id, done.seats_sha256, COUNTY, False, OFFICER.subject),
        discarded=2,
        published_before=1,
        rooms=1,
        rooms_bound=1,
    )
