"""The feed: nothing lost, nothing twice, nothing older after newer, whatever writers do."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, suppress
from datetime import UTC, datetime, timedelta

import pytest
from support.probe_database import SCHEMA, open_account, probe_database
from support.service_databases import MakeDatabase
from zikao_kit.db import Database, Transaction
from zikao_kit.feed import (
    MAX_POSITION,
    MAX_XID,
    Cursor,
    FeedPage,
    FeedRow,
    Outbox,
    read_feed,
    stream_feed,
)

OUTBOX = Outbox(SCHEMA)
WRITERS = 8
TRANSACTIONS_PER_WRITER = 40
TRANSACTION_SECONDS = 0.01
QUIET_READS = 20

# Reads what is new since the last call, and returns the keys.
Read = Callable[[], Awaitable[list[str]]]


@pytest.fixture
async def database(make_database: MakeDatabase) -> AsyncIterator[Database]:
    """A pool on a probe database of its own."""
    async with probe_database(await make_database("probe"), pool_max=WRITERS + 2) as opened:
        yield opened


class Undone(Exception):  # noqa: N818 - it is what happens
    """Rolls a transaction back."""


async def append(database: Database, *keys: str) -> None:
    """Append events in one transaction."""
    async with database.transaction() as tx:
        for key in keys:
            await OUTBOX.append(tx, key, key.encode())


async def keys_in_feed(database: Database) -> list[str]:
    """Keys of what can be had from the beginning."""
    page = await read_feed(database, SCHEMA, Cursor(), 100)
    return [row.key for row in page.rows]


def reader_of_the_feed(database: Database) -> Read:
    """The feed as it is served."""
    cursor = Cursor()

    async def read() -> list[str]:
        nonlocal cursor
        page = await read_feed(database, SCHEMA, cursor, 50)
        cursor = page.rows[-1].cursor if page.rows else cursor
        return [row.key for row in page.rows]

    return read


def reader_by_position(database: Database) -> Read:
    """What one would write first: everything above the highest position seen."""
    position = 0

    async def read() -> list[str]:
        nonlocal position
        async with database.read() as tx:
            rows = await tx.fetch("read_events_by_position", position)
        position = rows[-1]["position"] if rows else position
        return [row["event_key"] for row in rows]

    return read


async def write(database: Database, writer: int, chance: random.Random) -> list[str]:
    """Commit many transactions that take their position early; return the keys of those."""
    committed = []
    for number in range(TRANSACTIONS_PER_WRITER):
        key = f"{writer}:{number}"
        undone = number % 5 == 4
        with suppress(Undone):
            async with database.transaction() as tx:
                await OUTBOX.append(tx, key, b"")
                await asyncio.sleep(chance.uniform(0, TRANSACTION_SECONDS))
                if undone:
                    raise Undone
        committed += [] if undone else [key]
    return committed


async def read_while_writing(database: Database, read: Read) -> tuple[list[str], list[str]]:
    """Let the writers write; return the keys that were committed and those that were read."""
    writers = asyncio.gather(
        *(write(database, writer, random.Random(writer)) for writer in range(WRITERS))
    )
    seen: list[str] = []
    while not writers.done():
        seen += await read()
        await asyncio.sleep(0.001)
    committed = [key for keys in await writers for key in keys]
    for _ in range(QUIET_READS):
        seen += await read()
    return committed, seen


async def test_eight_writers_lose_nothing(database: Database) -> None:
    """Every committed event is delivered once while eight writers write, none that was undone."""
    committed, seen = await read_while_writing(database, reader_of_the_feed(database))
    assert len(committed) == WRITERS * TRANSACTIONS_PER_WRITER * 4 // 5
    assert sorted(seen) == sorted(committed)


async def test_ordering_by_position_would_lose_events(database: Database) -> None:
    """Negative control: the same test sees the events that a reader by position misses."""
    committed, seen = await read_while_writing(database, reader_by_position(database))
    assert set(seen) < set(committed)


async def test_a_late_commit_is_delivered(database: Database) -> None:
    """Events wait for a transaction that took a lower position, and come after it."""
    async with database.transaction() as slow:
        await OUTBOX.append(slow, "slow", b"")
        await append(database, "quick")
        assert await keys_in_feed(database) == []
    assert await keys_in_feed(database) == ["slow", "quick"]


async def test_pages_go_on_from_the_cursor(database: Database) -> None:
    """Each event carries the cursor after it: pages of any size give the same events in order."""
    keys = [f"{number}" for number in range(7)]
    await append(database, *keys[:4])
    await append(database, *keys[4:])
    seen, cursor = [], Cursor()
    while page := (await read_feed(database, SCHEMA, cursor, 2)).rows:
        seen += [(row.key, row.payload) for row in page]
        cursor = Cursor.parse(str(page[-1].cursor))
    assert seen == [(key, key.encode()) for key in keys]
    far_ahead = Cursor(MAX_XID - 1, MAX_POSITION - 1)
    assert (await read_feed(database, SCHEMA, far_ahead, 2)).rows == []


async def test_an_older_state_is_left_out(database: Database) -> None:
    """A transaction that began before another but changed the key after it has the last word."""
    await open_account(database, "a")
    async with database.transaction() as early:
        await early.execute("change_balance", "a", 1)  # takes its transaction id
        await append(database, "key", "other")
        await OUTBOX.append(early, "key", b"newest")
    page = await read_feed(database, SCHEMA, Cursor(), 10)
    assert [(row.key, row.payload) for row in page.rows] == [
        ("key", b"newest"),
        ("other", b"other"),
    ]


async def test_an_undone_newer_state_hides_nothing(database: Database) -> None:
    """A state is left out for one that was committed, not for one that was rolled back."""
    await open_account(database, "a")
    with pytest.raises(Undone):
        async with database.transaction() as early:
            await early.execute("change_balance", "a", 1)
            await append(database, "key")
            await OUTBOX.append(early, "key", b"undone")
            raise Undone
    assert await keys_in_feed(database) == ["key"]


async def test_every_state_of_a_key_is_delivered_to_who_keeps_up(database: Database) -> None:
    """States of one key in consecutive transactions all come, in order."""
    for state in (b"1", b"2", b"3"):
        async with database.transaction() as tx:
            await OUTBOX.append(tx, "key", state)
    page = await read_feed(database, SCHEMA, Cursor(), 10)
    assert [row.payload for row in page.rows] == [b"1", b"2", b"3"]


async def test_as_of_never_promises_what_is_held_back(database: Database) -> None:
    """as_of is before the first event that is held back, and close to now without one."""
    before = datetime.now(UTC) - timedelta(milliseconds=1)

    async def hold(tx: Transaction) -> datetime:
        await OUTBOX.append(tx, "slow", b"")
        await append(database, "held back")
        await asyncio.sleep(0.05)
        return (await read_feed(database, SCHEMA, Cursor(), 10)).as_of

    held = await database.run(hold)
    page = await read_feed(database, SCHEMA, Cursor(), 10)
    held_back = next(row for row in page.rows if row.key == "held back")
    assert before < held <= held_back.created_at < page.as_of
    full = await read_feed(database, SCHEMA, Cursor(), 1)
    assert full.as_of == full.rows[0].created_at


async def test_heartbeats_come_while_nothing_happens(database: Database) -> None:
    """The first page comes at once, empty ones keep coming, and events interrupt the silence."""
    stream = stream_feed(database, SCHEMA, "", poll_seconds=0.01, heartbeat_seconds=0.05)
    async with aclosing(stream) as pages, asyncio.timeout(5):
        beats = [await anext(pages) for _ in range(3)]
        assert [page.rows for page in beats] == [[], [], []]
        assert beats[0].as_of < beats[1].as_of < beats[2].as_of
        await append(database, "event")
        assert [row.key for row in await next_events(pages)] == ["event"]


async def test_a_backlog_comes_without_pauses(database: Database) -> None:
    """Full pages follow one another at once: only an empty feed is polled."""
    await append(database, *(f"{number}" for number in range(50)))
    stream = stream_feed(database, SCHEMA, "", page_size=5, poll_seconds=60)
    async with aclosing(stream) as pages, asyncio.timeout(5):
        assert sum([len((await anext(pages)).rows) for _ in range(10)]) == 50


async def next_events(pages: AsyncGenerator[FeedPage, None]) -> list[FeedRow]:
    """Rows of the first page with any."""
    async for page in pages:
        if page.rows:
            return list(page.rows)
    raise AssertionError("a feed has no end")
