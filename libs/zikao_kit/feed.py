"""The serving half of a feed: an outbox, and a stream of it from a cursor.

The event is written in the transaction of the change and carries the whole state of
its key after it. Append it after the change of the row the key stands for: that
row's lock then puts the positions of a key in the order of its states.

Events are delivered in the order (xid, position), below the oldest transaction that
still runs. A sequence alone would lose events: a number may be taken early and
committed late, when readers are past it. Two consequences for operators:

- a long write transaction anywhere in the cluster holds the feed back (not pg_dump);
  `as_of` says until when everything has been delivered;
- transaction ids are the cluster's. After a restore by pg_dump into another cluster:
  `UPDATE <schema>.outbox SET xid = '3'`, and empty the consumers' cursors (of registration's
  logins, too: `zikao_kit.revoked_logins`).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

from zikao_kit.db import Database, Record, Transaction
from zikao_kit.errors import INVALID_REQUEST, DomainError, FieldProblem
from zikao_kit.queries import kit_queries
from zikao_kit.tracing import traces_of

PAGE_SIZE = 500
POLL_SECONDS = 0.1
HEARTBEAT_SECONDS = 1.0
# Who reads within this time gets every state that was the last one for a moment.
KEEP_REPLACED = timedelta(days=30)
COMPACTED_PER_ROUND = 5000
COMPACT_PAUSE_SECONDS = 3600.0
MAX_XID = 2**64
MAX_POSITION = 2**63


@dataclass(frozen=True, order=True)
class Cursor:
    """A place in a feed, after one event. On the wire an opaque text, '' for the beginning."""

    xid: int = 0
    position: int = 0

    def __str__(self) -> str:
        """Return the text for the wire."""
        return f"{self.xid}-{self.position}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the text back; raises DomainError INVALID_REQUEST."""
        if not text:
            return cls()
        xid, dash, position = text.partition("-")
        if not (dash and _is_number(xid, MAX_XID) and _is_number(position, MAX_POSITION)):
            raise DomainError(INVALID_REQUEST, fields=[FieldProblem("cursor", "游标无效")])
        return cls(int(xid), int(position))


@dataclass(frozen=True)
class FeedRow:
    """One event and the cursor after it."""

    cursor: Cursor
    key: str
    payload: bytes
    created_at: datetime
    # Of what caused the event, where that is traced; else ''.
    traceparent: str = ""


@dataclass(frozen=True)
class FeedPage:
    """Some events; everything committed before `as_of` has been delivered with it."""

    rows: Sequence[FeedRow]
    as_of: datetime


class Outbox:
    """Appends events to a schema's feed, within the caller's transaction."""

    def __init__(self, schema: str) -> None:
        self._queries = kit_queries(schema)

    async def append(self, tx: Transaction, key: str, payload: bytes) -> None:
        """Append the state of `key` after a change."""
        await self.append_all(tx, {key: payload})

    async def append_all(self, tx: Transaction, events: Mapping[str, bytes]) -> None:
        """Append the states of many keys after one change, in one statement."""
        keys, payloads = list(events), list(events.values())
        places = traces_of(keys)
        await tx.using(self._queries).execute("append_events", keys, payloads, places)


class Compacting:
    """Background work: old states that a later one of their key replaces go, a few at a time.

    The last state of each key stays for ever, so that a reader from any cursor, however old, comes
    to the same end. A round is short: while it writes it holds the feed back.
    """

    def __init__(self, db: Database, schema: str, after: timedelta = KEEP_REPLACED) -> None:
        self._db = db
        self._queries = kit_queries(schema)
        self._after = after
        self._looked = Cursor()

    async def work(self) -> bool:
        """Do one round; True while there is more to look at."""
        at = str(self._looked.xid), self._looked.position
        async with self._db.transaction() as tx:
            last = await tx.using(self._queries).fetchrow(
                "compact_page", *at, self._after, COMPACTED_PER_ROUND
            )
        self._looked = Cursor(int(last["xid"]), last["position"]) if last else Cursor()
        return last is not None


async def read_feed(db: Database, schema: str, after: Cursor, limit: int) -> FeedPage:
    """Return up to `limit` events after a cursor, in order."""
    async with db.read() as tx:
        found = await tx.using(kit_queries(schema)).fetch(
            "read_page", str(after.xid), after.position, limit
        )
    rows = [_row(record) for record in found if record["xid"] is not None]
    full = len(rows) == limit
    return FeedPage(rows, rows[-1].created_at if full else found[0]["as_of"])


async def stream_feed(
    db: Database,
    schema: str,
    cursor: str,
    *,
    page_size: int = PAGE_SIZE,
    poll_seconds: float = POLL_SECONDS,
    heartbeat_seconds: float = HEARTBEAT_SECONDS,
) -> AsyncGenerator[FeedPage, None]:
    """Yield pages after a cursor without an end; empty ones as heartbeats while nothing happens.

    The first page comes at once, even when empty. Raises INVALID_REQUEST for a
    cursor that is none, and UNAVAILABLE when the database is lost: subscribe again.
    """
    after = Cursor.parse(cursor)
    due = time.monotonic()
    while True:
        page = await read_feed(db, schema, after, page_size)
        if page.rows or time.monotonic() >= due:
            yield page
            due = time.monotonic() + heartbeat_seconds
        if page.rows:
            after = page.rows[-1].cursor
        if len(page.rows) < page_size:
            await asyncio.sleep(poll_seconds)


def _row(record: Record) -> FeedRow:
    cursor = Cursor(int(record["xid"]), record["position"])
    return FeedRow(
        cursor,
        record["event_key"],
        record["payload"],
        record["created_at"],
        record["traceparent"] or "",
    )


def _is_number(text: str, below: int) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 20 and int(text) < below
