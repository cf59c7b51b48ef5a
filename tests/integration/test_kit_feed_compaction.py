"""Old events that a later one replaces go, and no reader comes to another end by that."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from support.probe_database import SCHEMA, probe_database
from support.service_databases import MakeDatabase
from zikao_kit.db import Database
from zikao_kit.feed import Compacting, Cursor, Outbox, read_feed
from zikao_kit.queries import Queries

OUTBOX = Outbox(SCHEMA)
EVENTS, KEYS = 120, 7
ASIDE = Queries(
    "test",
    {
        "age": "UPDATE probe.outbox SET created_at = created_at - interval '31 days'"
        " WHERE position <= $1",
        "begin": "SELECT pg_current_xact_id()::text",
        "all": "SELECT xid::text AS xid, position, event_key FROM probe.outbox"
        " ORDER BY xid, position",
    },
)


@pytest.fixture
async def database(make_database: MakeDatabase) -> AsyncIterator[Database]:
    """A pool on a probe database of its own."""
    async with probe_database(await make_database("probe")) as opened:
        yield opened


async def write_history(database: Database) -> None:
    """Events of a few keys; of some pairs the transaction that began later is the first to act."""
    chance = random.Random(5)
    async with database.transaction() as tx:
        await OUTBOX.append(tx, "once", b"and never again")
    for number in range(0, EVENTS, 2):
        keys = [str(chance.randrange(KEYS)) for _ in range(2)]
        async with database.transaction() as early:
            await early.using(ASIDE).fetchval("begin")
            if chance.random() < 0.5:
                async with database.transaction() as late:
                    await OUTBOX.append(late, keys[1], b"%d" % number)
                await OUTBOX.append(early, keys[0], b"%d" % (number + 1))
            else:
                await OUTBOX.append(early, keys[0], b"%d" % number)
                await OUTBOX.append(early, keys[1], b"%d" % (number + 1))


async def cursors(database: Database) -> list[Cursor]:
    """The beginning, and the place after each event."""
    async with database.read() as tx:
        rows = await tx.using(ASIDE).fetch("all")
    return [Cursor(), *(Cursor(int(row["xid"]), row["position"]) for row in rows)]


async def ends(database: Database, after: list[Cursor]) -> list[dict[str, bytes]]:
    """What readers from these places know of each key in the end, of what comes."""
    pages = [await read_feed(database, SCHEMA, cursor, 1000) for cursor in after]
    return [{row.key: row.payload for row in page.rows} for page in pages]


async def compact(database: Database, after: timedelta = timedelta(days=30)) -> None:
    """One pass over the whole feed."""
    compacting = Compacting(database, SCHEMA, after)
    while await compacting.work():
        pass


async def test_readers_from_everywhere_come_to_the_same_end(database: Database) -> None:
    """The last state of each key stays, however old; what is younger than the limit stays whole."""
    await write_history(database)
    places = await cursors(database)
    before = await ends(database, places)
    async with database.transaction() as tx:
        await tx.using(ASIDE).execute("age", EVENTS // 2)
    await compact(database)
    left = await cursors(database)
    assert EVENTS // 2 + 1 < len(left) - 1 <= EVENTS // 2 + 1 + KEYS
    assert await ends(database, places) == before
    async with database.transaction() as tx:
        await tx.using(ASIDE).execute("age", EVENTS + 1)
    await compact(database)
    assert len(await cursors(database)) - 1 == KEYS + 1
    assert await ends(database, places) == before


async def test_rounds_are_small_and_begin_anew(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pass looks at a bounded number at a time, and the next one begins at the beginning."""
    monkeypatch.setattr("zikao_kit.feed.COMPACTED_PER_ROUND", 10)
    await write_history(database)
    compacting = Compacting(database, SCHEMA, timedelta(0))
    await asyncio.sleep(0.01)
    rounds = 0
    while await compacting.work():
        rounds += 1
        assert len(await cursors(database)) - 1 >= EVENTS - 10 * rounds
    assert rounds >= EVENTS / 10
    assert len(await cursors(database)) - 1 == KEYS + 1
    await write_history(database)
    while await compacting.work():
        pass
    assert len(await cursors(database)) - 1 == KEYS + 1
