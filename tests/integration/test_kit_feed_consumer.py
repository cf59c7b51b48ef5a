"""The consumer of a feed: every event has its effect once, in order, whoever dies."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial

import grpc
import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs
from support.probe_database import SCHEMA, count_entries, open_account, probe_database
from support.service import until
from support.service_databases import MakeDatabase
from zikao_ctl.faults.proxy import CuttingProxy, Moment
from zikao_kit.db import Database, Transaction
from zikao_kit.feed import Outbox, stream_feed
from zikao_kit.feed_consumer import FeedConsumer, FeedEvent, FeedMessage

OUTBOX = Outbox(SCHEMA)
STANDBY_SECONDS = 0.5
POISON = b"poison"


@pytest.fixture
async def dsn(make_database: MakeDatabase) -> str:
    """A probe database of its own."""
    return await make_database("probe")


@pytest.fixture
async def database(dsn: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Database]:
    """A pool on it, which is both the feed's and (if nothing else is said) the consumer's."""
    monkeypatch.setattr("zikao_kit.feed_consumer.PAUSE_SECONDS", 0.02)
    async with probe_database(dsn) as opened:
        await open_account(opened, "a")
        yield opened


@dataclass
class Follower:
    """A consumer of the feed in `source`; each event becomes an entry in `own`."""

    source: Database
    own: Database
    applied: list[bytes] = field(default_factory=list)
    subscriptions: list[str] = field(default_factory=list)
    poisonous: bool = True
    silence_seconds: float = 5.0
    mute: bool = False
    refusal: Exception | None = None
    heartbeat_seconds: float = 0.05
    standby_seconds: float = STANDBY_SECONDS

    def consumer(self) -> FeedConsumer:
        """The kit's consumer with this follower's halves."""
        return FeedConsumer(
            self.own,
            schema=SCHEMA,
            source="probe.feed",
            subscribe=self._subscribe,
            apply=self._apply,
            standby_seconds=self.standby_seconds,
            silence_seconds=self.silence_seconds,
        )

    async def _subscribe(self, cursor: str) -> AsyncGenerator[FeedMessage, None]:
        self.subscriptions.append(cursor)
        if self.refusal is not None:
            raise self.refusal
        stream = stream_feed(
            self.source,
            SCHEMA,
            cursor,
            page_size=3,
            poll_seconds=0.01,
            heartbeat_seconds=self.heartbeat_seconds,
        )
        async for page in stream:
            while self.mute:
                await asyncio.sleep(0.01)
            yield FeedMessage([FeedEvent(str(r.cursor), r.payload) for r in page.rows], page.as_of)

    async def _apply(self, tx: Transaction, events: Sequence[FeedEvent]) -> None:
        for event in events:
            await tx.execute("insert_entry", "a", 1)
            if event.payload == POISON and self.poisonous:
                raise ValueError("cannot be applied")
        self.applied += [event.payload for event in events]


@asynccontextmanager
async def following(follower: Follower) -> AsyncIterator[FeedConsumer]:
    """Run its consumer while the block runs."""
    consumer = follower.consumer()
    task = asyncio.create_task(consumer.run())
    try:
        async with asyncio.timeout(60):
            yield consumer
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def publish(database: Database, *payloads: bytes) -> None:
    """Append events, each of a key of its own."""
    async with database.transaction() as tx:
        for payload in payloads:
            await OUTBOX.append(tx, payload.decode(), payload)


def numbered(first: int, last: int) -> list[bytes]:
    """Payloads."""
    return [str(number).encode() for number in range(first, last + 1)]


async def test_events_are_applied_in_order_and_a_restart_goes_on(database: Database) -> None:
    """Everything is applied once; the next consumer begins after the last event applied."""
    first, second = Follower(database, database), Follower(database, database)
    await publish(database, *numbered(1, 10))
    async with following(first) as consumer:
        await until(partial(_has_entries, database, 10))
        await until(lambda: consumer.position.endswith("-10"))
        position = consumer.position
    await publish(database, *numbered(11, 12))
    async with following(second):
        await until(partial(_has_entries, database, 12))
    assert first.applied + second.applied == numbered(1, 12)
    assert second.subscriptions == [position]
    assert await count_entries(database) == 12


@pytest.mark.parametrize("moment", Moment)
async def test_a_connection_lost_at_commit_applies_nothing_twice(
    dsn: str, database: Database, moment: Moment
) -> None:
    """Effect and cursor are one transaction: whatever became of it, each event counts once."""
    async with CuttingProxy(dsn) as proxy, probe_database(proxy.dsn) as cut_off:
        # Without heartbeats: every COMMIT but that of the first page is one of events.
        follower = Follower(database, cut_off, heartbeat_seconds=60)
        async with following(follower) as consumer:
            await until(lambda: consumer.lag_seconds < math.inf)
            for number in range(3):
                proxy.cut_at_commit(moment)
                await publish(database, *numbered(number * 4, number * 4 + 3))
                await until(partial(_has_entries, database, 4 * number + 4))
        assert proxy.cuts == 3
    assert await count_entries(database) == 12


async def _has_entries(database: Database, count: int) -> bool:
    return await count_entries(database) >= count


async def test_an_event_that_cannot_be_applied_is_not_skipped(database: Database) -> None:
    """It is tried again and again, nothing after it is applied, and then all of it once."""
    follower = Follower(database, database)
    async with following(follower):
        await publish(database, b"1", b"2", b"3")
        await until(lambda: follower.applied == [b"1", b"2", b"3"])
        await publish(database, POISON, b"4")
        await until(lambda: len(follower.subscriptions) >= 3)
        assert follower.applied == [b"1", b"2", b"3"]
        assert await count_entries(database) == 3
        assert len(set(follower.subscriptions[1:])) == 1
        follower.poisonous = False
        await until(partial(_has_entries, database, 5))
    assert follower.applied == [b"1", b"2", b"3", POISON, b"4"]
    assert await count_entries(database) == 5


async def test_one_works_while_the_other_stands_by(database: Database) -> None:
    """A second consumer applies nothing as long as the first shows signs of life."""
    first, second = Follower(database, database), Follower(database, database)
    async with following(first):
        await until(lambda: first.subscriptions != [])
        async with following(second) as waiting:
            await publish(database, *numbered(1, 4))
            await until(lambda: len(first.applied) == 4)
            await asyncio.sleep(2 * STANDBY_SECONDS)
            assert second.subscriptions == []
            await until(lambda: waiting.lag_seconds < STANDBY_SECONDS)


async def test_the_next_takes_over_at_once_from_one_that_ends(database: Database) -> None:
    """A consumer that is told to stop gives its turn back: nobody waits for it to expire."""
    first, second = (Follower(database, database, standby_seconds=3600) for _ in range(2))
    async with following(first) as consumer:
        await publish(database, *numbered(1, 4))
        await until(partial(_has_entries, database, 4))
        await until(lambda: consumer.position.endswith("-4"))
    async with following(second):
        await publish(database, *numbered(5, 6))
        await until(partial(_has_entries, database, 6))
    assert first.applied + second.applied == numbered(1, 6)


async def test_one_that_ends_in_stand_by_gives_back_nothing(database: Database) -> None:
    """Only who is at work ends the turn, also when both are at the beginning of the feed."""
    first, second, third = (
        Follower(database, database, standby_seconds=3600, heartbeat_seconds=3600) for _ in range(3)
    )
    async with following(first) as consumer:
        await until(lambda: consumer.lag_seconds < math.inf)
        async with following(second):
            await asyncio.sleep(0.05)
        async with following(third):
            await asyncio.sleep(0.3)
            assert third.subscriptions == []


async def test_the_second_consumer_takes_over_from_one_that_died(
    dsn: str, database: Database
) -> None:
    """A consumer that says nothing any more is replaced, and applies nothing when it wakes up."""
    second = Follower(database, database)
    async with probe_database(dsn) as other:
        first = Follower(database, other)
        async with following(first):
            await publish(database, *numbered(1, 3))
            await until(lambda: len(first.applied) == 3)
            first.mute = True
            async with following(second):
                await until(lambda: second.subscriptions != [])
                await publish(database, *numbered(4, 6))
                await until(lambda: len(second.applied) == 3)
                first.mute = False
                await publish(database, *numbered(7, 9))
                await until(partial(_has_entries, database, 9))
                await asyncio.sleep(0.1)
    assert first.applied == numbered(1, 3)
    assert second.applied == numbered(4, 9)
    assert await count_entries(database) == 9


async def test_two_that_both_believe_to_be_at_work_apply_nothing_twice(
    database: Database,
) -> None:
    """The cursor is moved only from where it is: the slower of two applies nothing."""
    first, second = Follower(database, database), Follower(database, database)
    async with following(first):
        await until(lambda: first.subscriptions != [])
        async with following(second):

            async def has_taken_over() -> bool:
                # As a standstill of the first would: its turn is over, and it does not know.
                async with database.transaction() as tx:
                    await tx.execute("expire_turns")
                return second.subscriptions != []

            await until(has_taken_over)
            for number in range(10):
                await publish(database, *numbered(number, number))
                await until(partial(_has_entries, database, number + 1))
    assert sorted(first.applied + second.applied) == sorted(numbered(0, 9))
    assert await count_entries(database) == 10


async def test_a_silent_feed_is_subscribed_anew(database: Database) -> None:
    """Without even a heartbeat the other side is taken for gone, and asked again."""
    follower = Follower(database, database, silence_seconds=0.2, mute=True)
    async with following(follower):
        await until(lambda: len(follower.subscriptions) >= 2)
        follower.mute = False
        await publish(database, b"1")
        await until(lambda: follower.applied == [b"1"])


async def test_the_absence_of_the_other_side_is_told_in_a_line(database: Database) -> None:
    """With its cause, again and again while it lasts; a fault is told with where it happened."""
    none = grpc.aio.Metadata()
    code = grpc.StatusCode.UNAVAILABLE
    gone = grpc.aio.AioRpcError(code, none, none, "connection refused", "")
    follower = Follower(database, database, refusal=gone)
    with capture_logs() as logs:
        async with following(follower):
            await until(lambda: len(follower.subscriptions) >= 3)
            follower.refusal = None
            await publish(database, POISON)
            await until(lambda: len(follower.subscriptions) >= 5)
    told = [entry for entry in logs if entry["event"] == "feed interrupted"]
    assert {entry.get("cause") for entry in told} == {"UNAVAILABLE: connection refused", None}
    assert all(("cause" in entry) != ("exc_info" in entry) for entry in told)


async def test_a_cursor_taken_away_begins_anew(database: Database) -> None:
    """An operator who deletes the cursor makes the running consumer read everything again."""
    follower = Follower(database, database)
    async with following(follower):
        await publish(database, b"1")
        await until(lambda: follower.applied == [b"1"])
        follower.poisonous = True
        await publish(database, POISON)
        await until(lambda: len(follower.subscriptions) >= 2)
        async with database.transaction() as tx:
            await tx.execute("delete_cursors")
        follower.poisonous = False
        await until(lambda: follower.applied == [b"1", b"1", POISON])
    assert follower.subscriptions[-1] == ""


async def test_the_lag_grows_over_a_restart(database: Database) -> None:
    """A consumer that begins while the other side is away knows how old its state is."""
    first = Follower(database, database)
    async with following(first) as consumer:
        await until(lambda: consumer.lag_seconds < math.inf)
    caught_up_at = time.monotonic()
    second = Follower(database, database, mute=True)
    async with following(second) as consumer:
        await until(lambda: second.subscriptions != [])
        await until(lambda: consumer.lag_seconds < math.inf)
        assert consumer.lag_seconds >= time.monotonic() - caught_up_at - 0.1
        second.mute = False
        await until(lambda: consumer.lag_seconds < 1)


async def test_the_lag_tells_how_old_the_applied_state_is(database: Database) -> None:
    """Infinite before the first message, then small, and growing while nothing can be applied."""
    follower = Follower(database, database)
    consumer = follower.consumer()
    assert consumer.lag_seconds == math.inf
    async with following(follower) as consumer:
        await until(lambda: consumer.lag_seconds < 1)
        await publish(database, POISON)
        # Until it has met it, it is up to date, and says so.
        await until(lambda: len(follower.subscriptions) >= 2)
        stuck_since = datetime.now(UTC)
        await until(lambda: len(follower.subscriptions) >= 4)
        waited = (datetime.now(UTC) - stuck_since).total_seconds()
        labels = {"source": "probe.feed"}
        assert consumer.lag_seconds >= waited
        assert (REGISTRY.get_sample_value("zikao_feed_lag_seconds", labels) or 0) >= waited
        follower.poisonous = False
        await until(lambda: consumer.lag_seconds < waited)
