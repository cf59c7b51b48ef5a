"""Seals a service's audit, watches the newest part of the chain, and removes what is old enough.

    running(*audit_work(db, SCHEMA, clock, config.audit_retention_days, note))

Entries are inserted in the transaction of what was done, and wait in `audit_unsealed`; no work of
an office waits for the chain. Each of the three may run in every process.
"""

from __future__ import annotations

import math
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from prometheus_client import Counter, Gauge

from zikao_kit.audit_chain import Break, Head, entry_of, first_break, link_hash, link_of
from zikao_kit.background import repeat
from zikao_kit.china_time import start_of_day
from zikao_kit.clock import Clock
from zikao_kit.db import Database, Record, Transaction
from zikao_kit.queries import kit_queries

SEAL_PAUSE_SECONDS = 1.0
WATCH_PAUSE_SECONDS = 60.0
RETENTION_PAUSE_SECONDS = 600.0
# Some five milliseconds of the event loop.
SEALED_AT_ONCE = 250
WATCHED_LINKS = 500
COUNTED_AT_MOST = 10_000
REMOVED_AT_ONCE = 1000
WITNESSED_BYTES = 6
# Less than the day that `find_last_old_audit` leaves.
_MAY_GO_SECONDS = 12 * 3600

UNSEALED = Gauge(
    "zikao_audit_log_unsealed",
    f"Entries of the audit that are not in the chain yet, counted up to {COUNTED_AT_MOST}. All"
    " replicas show the same, or NaN while they do not know: use max().",
)
OLDEST_UNSEALED = Gauge(
    "zikao_audit_log_oldest_unsealed_seconds", "How long the oldest of them has been waiting."
)
SEALED = Counter("zikao_audit_log_sealed_total", "Entries that this process has sealed.")
HEAD_NUMBER = Gauge("zikao_audit_log_head_number", "Number of the last entry in the chain.")
HEAD_HASH = Gauge(
    "zikao_audit_log_head_hash48", "The first 48 bits of its hash: what is scraped is a witness."
)
BROKEN = Gauge(
    "zikao_audit_log_broken",
    "1 when the newest part of the chain does not hold, or does not lead on from where this process"
    " saw it; NaN before the first look, and while it cannot be looked at.",
)
LOOKED = Gauge(
    "zikao_audit_log_looked_timestamp_seconds",
    "When this process last could look at the newest part of the chain, as Unix time.",
)
REMOVED = Counter("zikao_audit_log_removed_total", "Entries that were old enough to go.")

log = structlog.get_logger()


@dataclass(frozen=True)
class Cut:
    """Entries that go: `first` to `last`, all from before a time."""

    first: int
    last: int
    before: datetime

    def told(self, hash_: bytes) -> dict[str, object]:
        """What the audit says of it."""
        before = self.before.isoformat()
        return {"first": self.first, "last": self.last, "hash": hash_.hex(), "before": before}


# Enters in the audit that old entries went: the transaction, what to say, and when.
NoteCut = Callable[[Transaction, Mapping[str, object], datetime], Awaitable[None]]


def audit_work(
    db: Database, schema: str, clock: Clock, keep_days: int, note: NoteCut
) -> list[Coroutine[Any, Any, None]]:
    """What a service does for its audit beside the calls."""
    retention = AuditRetention(db, schema, clock, timedelta(days=keep_days), note)
    return [
        repeat("audit sealing", AuditSealing(db, schema).work, SEAL_PAUSE_SECONDS),
        repeat("audit watch", AuditWatch(db, schema).work, WATCH_PAUSE_SECONDS),
        repeat("audit retention", retention.work, RETENTION_PAUSE_SECONDS),
    ]


class AuditSealing:
    """Puts new entries into the chain; one process at a time, the others show the same."""

    def __init__(self, db: Database, schema: str) -> None:
        self._db = db
        self._queries = kit_queries(schema)
        self._untold = 0
        self._told_at = -math.inf
        for gauge in (UNSEALED, OLDEST_UNSEALED, HEAD_NUMBER, HEAD_HASH):
            gauge.set(math.nan)

    async def work(self) -> bool:
        """Seal some entries, if any wait; True while there are more."""
        state = None
        try:
            async with self._db.read() as tx:
                state = await tx.using(self._queries).fetchrow("audit_log_state", COUNTED_AT_MOST)
        finally:
            _show(state)
        if state is None or not state["entries"]:
            return False
        async with self._db.transaction() as tx:
            sealed, head = await self._seal(tx.using(self._queries))
        if sealed:
            SEALED.inc(sealed)
            self._tell(sealed, head)
        return sealed == SEALED_AT_ONCE

    def _tell(self, sealed: int, head: Head) -> None:
        """Log the head for witnesses elsewhere: at the end of what waited, and once a second."""
        self._untold += sealed
        now = time.monotonic()
        if sealed == SEALED_AT_ONCE and now - self._told_at < SEAL_PAUSE_SECONDS:
            return
        log.info("audit sealed", entries=self._untold, number=head.number, hash=head.hash.hex())
        self._untold, self._told_at = 0, now

    async def _seal(self, tx: Transaction) -> tuple[int, Head]:
        nothing = Head(0, b"")
        if not await tx.fetchval("lock_audit_chain"):
            return 0, nothing
        state = await tx.fetchrow("audit_log_state", 1)
        rows = await tx.fetch("list_unsealed_audit", SEALED_AT_ONCE)
        if state is None or not rows:
            return 0, nothing
        before = Head(state["number"], bytes(state["sha256"]))
        hashes = _hashes(before, rows)
        numbers = [before.number + 1 + place for place in range(len(rows))]
        ids = [row["audit_id"] for row in rows]
        times = [row["sealed_at"] for row in rows]
        await tx.execute("append_to_audit_chain", numbers, ids, times, hashes)
        await tx.execute("forget_unsealed_audit", ids)
        return len(rows), Head(numbers[-1], hashes[-1])


@dataclass(frozen=True)
class _MayGo:
    """Up to which number entries may go within a day of a look, `at` by the monotonic clock."""

    last: int
    at: float

    def passed_by(self, anchored: int) -> bool:
        """Whether more is gone; of a look of long ago nothing is known."""
        return anchored > self.last and time.monotonic() - self.at < _MAY_GO_SECONDS


class AuditWatch:
    """Looks again and again whether the newest part of the chain holds.

    And whether it still leads on from where this process saw it last: a tail that was cut off, a
    chain that was written anew, and one whose young entries were removed, hold by themselves.
    """

    def __init__(self, db: Database, schema: str) -> None:
        self._db = db
        self._queries = kit_queries(schema)
        self._seen: Head | None = None
        self._may_go: _MayGo | None = None
        BROKEN.set(math.nan)

    async def work(self) -> bool:
        """Look once."""
        # What cannot be looked at must not look well, nor as it did before.
        BROKEN.set(math.nan)
        async with self._db.transaction(isolation="REPEATABLE READ", read_only=True) as tx:
            found = await self._look(tx.using(self._queries))
        BROKEN.set(0 if found is None else 1)
        LOOKED.set_to_current_time()
        if found is not None:
            log.error("audit is broken", number=found.number, reason=found.reason)
        return False

    async def _look(self, tx: Transaction) -> Break | None:
        anchor = await tx.fetchrow("load_audit_anchor")
        state = await tx.fetchrow("audit_log_state", 1)
        if anchor is None or state is None:
            return Break(0, None, "the anchor is gone")
        if (broken := await self._gone_back(tx, anchor["number"])) is not None:
            return broken
        start = await self._start(tx, anchor, state["number"])
        rows = await tx.fetch("list_audit_links", start.number, WATCHED_LINKS)
        head, broken = first_break(start, map(link_of, rows))
        if broken is None:
            self._seen = head
            last = await tx.fetchval("find_last_old_audit")
            self._may_go = _MayGo(last, time.monotonic())
        return broken

    async def _gone_back(self, tx: Transaction, anchored: int) -> Break | None:
        seen, may_go = self._seen, self._may_go
        if may_go is not None and may_go.passed_by(anchored):
            return Break(anchored, None, "entries were removed before their time")
        if seen is None or seen.number <= anchored:
            return None
        if await tx.fetchval("load_audit_link", seen.number) == seen.hash:
            return None
        return Break(seen.number, None, "this process saw another hash")

    async def _start(self, tx: Transaction, anchor: Record, newest: int) -> Head:
        number = newest - WATCHED_LINKS
        if number <= anchor["number"]:
            return Head(anchor["number"], bytes(anchor["sha256"]))
        return Head(number, await tx.fetchval("load_audit_link", number) or b"")


class AuditRetention:
    """Removes the oldest sealed entries once all of a day are old enough; `keep` none: never.

    What was sealed in the last 184 days stays, by the database's clock, whatever `clock` says.
    The anchor keeps the hash of the last that went, and `note` enters in the audit that they did.
    """

    def __init__(
        self, db: Database, schema: str, clock: Clock, keep: timedelta, note: NoteCut
    ) -> None:
        self._db = db
        self._queries = kit_queries(schema)
        self._clock = clock
        self._keep = keep
        self._note = note

    async def work(self) -> bool:
        """Remove some; True while there may be more."""
        if not self._keep:
            return False
        now = self._clock.now()
        # By whole days: else each removal, which is entered, would be followed by one of its own.
        before = start_of_day(now - self._keep)
        async with self._db.transaction() as tx:
            removed = await self._remove(tx, before, now)
        REMOVED.inc(removed)
        return removed == REMOVED_AT_ONCE

    async def _remove(self, tx: Transaction, before: datetime, now: datetime) -> int:
        kit = tx.using(self._queries)
        if not await kit.fetchval("lock_audit_chain"):
            return 0
        old = _old(await kit.fetch("list_oldest_audit", REMOVED_AT_ONCE), before)
        if not old:
            return 0
        cut = Cut(old[0], old[-1], before)
        last = bytes(await kit.fetchval("load_audit_link", cut.last))
        removed: int = await kit.fetchval("cut_audit", cut.last, before, now)
        await self._note(tx, cut.told(last), now)
        return removed


def _show(state: Record | None) -> None:
    """What is not known must not look well."""
    if state is None:
        for gauge in (UNSEALED, OLDEST_UNSEALED, HEAD_NUMBER, HEAD_HASH):
            gauge.set(math.nan)
        return
    UNSEALED.set(state["entries"])
    OLDEST_UNSEALED.set(state["age_seconds"])
    HEAD_NUMBER.set(state["number"])
    HEAD_HASH.set(int.from_bytes(state["sha256"][:WITNESSED_BYTES], "big"))


def _hashes(before: Head, rows: Sequence[Record]) -> list[bytes]:
    hashes, last = [], before.hash
    for number, row in enumerate(rows, before.number + 1):
        last = link_hash(last, number, row["sealed_at"], entry_of(row))
        hashes.append(last)
    return hashes


def _old(rows: Sequence[Record], before: datetime) -> list[int]:
    numbers = []
    for row in rows:
        if row["at"] is None or row["at"] >= before or not row["old"]:
            break
        numbers.append(row["number"])
    return numbers
