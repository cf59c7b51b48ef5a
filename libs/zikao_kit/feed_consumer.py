"""The following half of a feed: applies events and moves the cursor in one transaction.

consumer = FeedConsumer(
    db, schema="enrollment", source="registration.candidates",
    subscribe=subscription(stub.WatchCandidates, WatchCandidatesRequest, candidate_of),
    apply=apply_candidates,
)
running(consumer.run())
"""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import structlog
from prometheus_client import Gauge

from zikao_kit.background import passing_reason
from zikao_kit.db import Database, DatabaseUnavailable, Transaction
from zikao_kit.queries import kit_queries
from zikao_kit.tracing import applying, read_traceparent

# Heartbeats come every second: after this much silence the other side is gone.
SILENCE_SECONDS = 15.0
# A consumer that has shown no sign of life for this long is replaced by another.
STANDBY_SECONDS = 10.0
PAUSE_SECONDS = 0.2
PAUSE_LIMIT_SECONDS = 10.0

FEED_LAG = Gauge(
    "zikao_feed_lag_seconds", "Age of the state that was applied from a feed.", ["source"]
)
log = structlog.get_logger()


@dataclass(frozen=True)
class FeedEvent:
    """One event: the cursor after it, and what it says (whatever the subscription makes of it)."""

    cursor: str
    payload: Any
    traceparent: str = ""


@dataclass(frozen=True)
class FeedMessage:
    """What comes at once; without events it is a heartbeat."""

    events: Sequence[FeedEvent]
    as_of: datetime


Subscribe = Callable[[str], AsyncGenerator[FeedMessage, None]]
Apply = Callable[[Transaction, Sequence[FeedEvent]], Awaitable[None]]


def subscription(
    watch: Callable[[Any], Any],
    request_type: Callable[..., Any],
    payload_of: Callable[[Any], Any],
) -> Subscribe:
    """Follow a contract's Watch method: answers with `as_of` and `events`, each with a `cursor`.

    `payload_of` makes of an event's message what `apply` gets.
    """

    async def subscribe(cursor: str) -> AsyncGenerator[FeedMessage, None]:
        call = watch(request_type(cursor=cursor))
        try:
            async for answer in call:
                events = [
                    FeedEvent(event.cursor, payload_of(event), read_traceparent(event.traceparent))
                    for event in answer.events
                ]
                yield FeedMessage(events, answer.as_of.ToDatetime(UTC))
        finally:
            # gRPC goes on with a call that nobody reads any more.
            call.cancel()

    return subscribe


class _Overtaken(Exception):  # noqa: N818 - it is what happened
    """Another consumer has moved the cursor."""


class FeedConsumer:
    """Follows one feed for ever. Several may run: one works, the others stand by.

    The cursor is only moved from where this consumer believes it to be, so two that
    both believe to be at work cannot apply an event twice. An event that cannot be
    applied is tried again for ever and never skipped: the lag shows it.
    """

    def __init__(
        self,
        db: Database,
        *,
        schema: str,
        source: str,
        subscribe: Subscribe,
        apply: Apply,
        standby_seconds: float = STANDBY_SECONDS,
        silence_seconds: float = SILENCE_SECONDS,
    ) -> None:
        self._db = db
        self._queries = kit_queries(schema)
        self._source = source
        self._subscribe = subscribe
        self._apply = apply
        self._standby_seconds = standby_seconds
        self._silence_seconds = silence_seconds
        self._position = ""
        self._caught_up_at = -math.inf
        self._at_work = False
        self._pause = PAUSE_SECONDS
        FEED_LAG.labels(source).set_function(lambda: self.lag_seconds)

    @property
    def position(self) -> str:
        """The cursor after the last event applied here."""
        return self._position

    @property
    def lag_seconds(self) -> float:
        """How old the applied state is, whoever applied it; infinite before the first message.

        It grows while nothing can be heard or applied, also when all of it was before a restart.
        """
        return max(0.0, time.monotonic() - self._caught_up_at)

    async def run(self) -> None:
        """Follow until cancelled; then let another consumer begin at once."""
        try:
            while True:
                await self._follow_until_trouble()
        finally:
            if self._at_work:
                await self._end_turn()

    async def _follow_until_trouble(self) -> None:
        try:
            await self._follow()
            log.info("feed ended", source=self._source)
        except _Overtaken:
            log.info("another consumer is at work", source=self._source)
            self._at_work = False
            return
        except Exception as error:  # whatever it is, the feed goes on from its cursor
            if (cause := _cause_of_absence(error)) is not None:
                log.warning("feed interrupted", source=self._source, cause=cause)
            else:
                log.warning("feed interrupted", source=self._source, exc_info=error)
        await asyncio.sleep(self._pause * random.uniform(0.5, 1))  # noqa: S311 - spreads load
        self._pause = min(self._pause * 2, PAUSE_LIMIT_SECONDS)

    async def _follow(self) -> None:
        self._position = await self._begin()
        log.info("feed followed", source=self._source, cursor=self._position)
        async with aclosing(self._subscribe(self._position)) as messages:
            while (message := await self._next(messages)) is not None:
                await self._advance(message)
                self._pause = PAUSE_SECONDS

    async def _begin(self) -> str:
        if self._at_work:
            async with self._db.read() as tx:
                cursor = await tx.using(self._queries).fetchval("load_cursor", self._source)
            if cursor is None:  # an operator took it away
                raise _Overtaken
            return str(cursor)
        silence = timedelta(seconds=self._standby_seconds)
        while True:
            async with self._db.read() as tx:
                kit = tx.using(self._queries)
                cursor = await kit.fetchval("take_turn", self._source, silence)
                self._note_lag(await kit.fetchval("load_lag", self._source))
            if cursor is not None:
                self._at_work = True
                return str(cursor)
            await asyncio.sleep(self._standby_seconds / 10)

    async def _next(self, messages: AsyncGenerator[FeedMessage, None]) -> FeedMessage | None:
        async with asyncio.timeout(self._silence_seconds):
            return await anext(messages, None)

    async def _advance(self, message: FeedMessage) -> None:
        before, events = self._position, message.events
        after = events[-1].cursor if events else before

        async def step(tx: Transaction) -> float:
            # First of all: it locks the cursor against a second consumer.
            lag: float | None = await tx.using(self._queries).fetchval(
                "advance_cursor", self._source, before, after, message.as_of
            )
            if lag is None:
                raise _Overtaken
            if events:
                await self._apply(tx, events)
            return lag

        with applying(self._source, [event.traceparent for event in events]):
            self._note_lag(await self._db.run(step))
        self._position = after

    def _note_lag(self, seconds: float | None) -> None:
        if seconds is not None:
            self._caught_up_at = time.monotonic() - seconds

    async def _end_turn(self) -> None:
        try:
            async with self._db.read() as tx:
                await tx.using(self._queries).execute("end_turn", self._source, self._position)
        except DatabaseUnavailable:
            log.info("turn not ended: the others wait for it to expire", source=self._source)


def _cause_of_absence(error: Exception) -> str | None:
    """Why the other side or the database cannot be had now, in a line; None for a fault."""
    if isinstance(error, TimeoutError):
        return "silence"
    reason = passing_reason(error)
    if reason is not None and isinstance(error, grpc.aio.AioRpcError):
        return f"{reason}: {error.details()}"
    return reason
