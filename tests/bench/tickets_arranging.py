"""A whole session arranged, checked and written, beside a raw COPY of the same rows.

The work is done by what the service does it with (workers, solving processes, a real PostgreSQL),
in the process of the bench: from the start of the operation until every county is done.
"""

from __future__ import annotations

import io
import os
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import log
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import asyncpg
from bench.tickets_seeding import Law, SeededCounty, seeded_session
from support.bench import migrated, own_cluster
from support.memory import watched
from support.tickets_database import KEYS, OPERATOR, SESSION
from zikao_kit.background import repeat, running
from zikao_kit.clock import SystemClock
from zikao_kit.config import DatabaseConfig
from zikao_kit.db import Database
from zikao_kit.queries import Queries
from zikao_tickets.commands.start_arrangement import Starting, start_arrangements
from zikao_tickets.converts.sessions import session_to_json
from zikao_tickets.domain.states import Arrangement, ArrangementState
from zikao_tickets.names import ENROLLMENTS, PACKAGE
from zikao_tickets.operation_views import OperationViews
from zikao_tickets.solving.pool import SolvePool
from zikao_tickets.stores.arrangements import ArrangementStore
from zikao_tickets.stores.arranging import ArrangingStores
from zikao_tickets.stores.offices import office_audit
from zikao_tickets.workers.arranging import ArrangementWorker

SCALES = (0.01, 0.1, 1.0)
SOLVE_PROCESSES = 2
WORKERS = SOLVE_PROCESSES + 1
POLL_SECONDS = 0.05
LOOK_SECONDS = 0.1
MEMORY_LOOK_SECONDS = 0.5
NAMED_GAPS = 20
_ROOM_COLUMNS = (
    "session_code",
    "site_code",
    "room_code",
    "columns",
    "rows",
    "position",
    "accessible",
)
_TABLES = (
    "session, site, room, sitting, accommodation, arrangement, arrangement_operation,"
    " arrangement_slot, arrangement_plan, seat, feed_cursor"
)


@dataclass(frozen=True)
class Arranged:
    """What an operation on the whole session came to."""

    seconds: float
    rss_mib: float
    """Of the bench, which is the service here, and its solving processes."""
    arrangements: Sequence[Arrangement]

    @property
    def sittings(self) -> int:
        """Sittings with seats."""
        return sum(each.counts.sittings for each in self.arrangements)


async def measure_arranging(folder: Path, law: Law = "majors") -> Mapping[str, Any]:
    """Arrange the session at every scale; what is reported of it."""
    with own_cluster(folder, shared_buffers="512MB", max_wal_size="4GB") as postgres:
        admin_dsn = postgres.dsn()
        dsn = await migrated(admin_dsn, "tickets")
        whole = urlsplit(admin_dsn)._replace(path=urlsplit(dsn).path).geturl()
        connection = await asyncpg.connect(whole, server_settings={"statement_timeout": "0"})
        try:
            found = {}
            for scale in SCALES:
                await seed(connection, seeded_session(scale, law))
                found[scale] = await _arrange(dsn, postgres.process.pid)
            violations = await _violations(dsn, found[SCALES[-1]])
            copying = await _copy_seconds(connection)
        finally:
            await connection.close()
    return _told(found, violations, copying)


async def seed(connection: asyncpg.Connection, counties: Iterator[SeededCounty]) -> None:
    """Make the database that of a session whose enrollments have come."""
    now = datetime.now(UTC)
    await connection.execute(f"TRUNCATE tickets.{_TABLES.replace(', ', ', tickets.')} CASCADE")
    await connection.execute(
        "INSERT INTO tickets.session VALUES ($1, $2::text::jsonb, $3)",
        SESSION.code,
        session_to_json(SESSION),
        now,
    )
    for number, county in enumerate(counties):
        await _seed_county(connection, number, county)
    await connection.execute("VACUUM (ANALYZE) tickets.sitting, tickets.room, tickets.site")
    await connection.execute(
        "INSERT INTO tickets.feed_cursor (source, cursor, as_of)"
        " VALUES ($1, '', clock_timestamp() + interval '1 day')",
        ENROLLMENTS,
    )


async def _seed_county(connection: asyncpg.Connection, number: int, county: SeededCounty) -> None:
    code = SESSION.code
    sites = dict.fromkeys(room.site_code for room in county.rooms)
    await connection.executemany(
        "INSERT INTO tickets.site VALUES ($1, $2, $3, '县', '学校', '路', $4)",
        [(code, site, county.code, 100 * number + at) for at, site in enumerate(sites)],
    )
    await connection.copy_records_to_table(
        "room",
        schema_name="tickets",
        columns=_ROOM_COLUMNS,
        records=[
            (code, room.site_code, room.code, 5, room.capacity // 5, at, sorted(room.accessible))
            for at, room in enumerate(county.rooms)
        ],
    )
    await connection.copy_records_to_table(
        "sitting",
        schema_name="tickets",
        records=[
            (code, UUID(sitting.candidate_id), sitting.slot, county.code, sitting.course_code)
            for sitting in county.roster.sittings()
        ],
    )
    await connection.executemany(
        "INSERT INTO tickets.accommodation VALUES ($1, $2, $3, 'accessible_seat', 'o', now())",
        [(code, each, county.code) for each in sorted(county.roster.accessible)],
    )


async def _arrange(dsn: str, postgres: int) -> Arranged:
    """Arrange what is seeded; `postgres` is the process whose memory does not count."""
    async with (
        _database(dsn) as db,
        watched(os.getpid(), MEMORY_LOOK_SECONDS, [postgres]) as memory,
    ):
        pool = SolvePool(SOLVE_PROCESSES)
        worker = ArrangementWorker(db, KEYS, SystemClock(), pool, timedelta(minutes=2))
        started = time.perf_counter()
        async with db.transaction() as tx:
            stores = ArrangementStore(tx), office_audit(tx)
            by = Starting(*stores, KEYS, OPERATOR, datetime.now(UTC))
            operation = await start_arrangements(by, SESSION, "", anew=False, dry_run=False)
        assert operation.operation_id is not None
        work = [repeat("arrangement", worker.work, POLL_SECONDS) for _ in range(WORKERS)]
        async with running(*work):
            async for _ in OperationViews(db, LOOK_SECONDS).watch(operation.operation_id):
                pass
            seconds = time.perf_counter() - started
        pool.close()
        async with db.read() as tx:
            arrangements = await ArrangementStore(tx).of_operation(operation.operation_id)
        return Arranged(seconds, max(memory), arrangements)


async def _violations(dsn: str, arranged: Arranged) -> int:
    """What the checker finds when it is asked once more."""
    found = 0
    async with _database(dsn) as db, db.read() as tx:
        for each in arranged.arrangements:
            if each.state is ArrangementState.DONE:
                found += len(await ArrangingStores.of(tx).seating.violations(each.arrangement_id))
            else:
                found += 1
    return found


async def _copy_seconds(connection: asyncpg.Connection) -> float:
    """How long PostgreSQL takes for the rows alone, into a table with the same indexes."""
    rows = io.BytesIO()
    await connection.copy_from_table("seat", schema_name="tickets", output=rows)
    await connection.execute("CREATE TABLE tickets.seat_copied (LIKE tickets.seat INCLUDING ALL)")
    await connection.execute("CHECKPOINT")
    rows.seek(0)
    started = time.perf_counter()
    await connection.copy_to_table("seat_copied", schema_name="tickets", source=rows)
    return time.perf_counter() - started


@asynccontextmanager
async def _database(dsn: str) -> AsyncIterator[Database]:
    async with await Database.connect(DatabaseConfig(dsn=dsn), Queries.load(PACKAGE)) as db:
        yield db


def _told(found: Mapping[float, Arranged], violations: int, copying: float) -> Mapping[str, Any]:
    full = found[SCALES[-1]]
    counts = [each.counts for each in full.arrangements]
    gaps = [each for each in full.arrangements if _has_gap(each)]
    return {
        "ratios": {
            "arrange_per_copy": full.seconds / copying,
            "arrange_growth_exponent": _exponent(found.values()),
        },
        "seconds": {
            "arrange_full": full.seconds,
            "arrange_by_sittings": {each.sittings: each.seconds for each in found.values()},
            "copy": copying,
        },
        "proofs": {
            "counties": sum(each.state is ArrangementState.DONE for each in full.arrangements),
            "optimal": sum(
                each.state is ArrangementState.DONE and each.counts.rooms == each.counts.rooms_bound
                for each in full.arrangements
            ),
        },
        "violations": violations,
        "arrange_rss_mib": full.rss_mib,
        "counties": len(full.arrangements),
        "candidates": sum(each.candidates for each in counts),
        "sittings": full.sittings,
        "rooms": sum(each.rooms for each in counts),
        "rooms_bound": sum(each.rooms_bound for each in counts),
        "packs": sum(each.packs for each in counts),
        "packs_bound": sum(each.packs_bound for each in counts),
        "changers": sum(each.changers for each in counts),
        "site_changes": sum(each.site_changes for each in counts),
        "site_changes_bound": sum(each.site_changes_bound for each in counts),
        "counties_with_gap": [_gap(each) for each in gaps[:NAMED_GAPS]],
        "failures": [each.failure for each in full.arrangements if each.failure],
    }


def _has_gap(arrangement: Arrangement) -> bool:
    counts = arrangement.counts
    return counts.site_changes > counts.site_changes_bound or counts.rooms > counts.rooms_bound


def _gap(arrangement: Arrangement) -> dict[str, object]:
    counts = arrangement.counts
    return {
        "county": arrangement.county_code,
        "candidates": counts.candidates,
        "rooms": [counts.rooms, counts.rooms_bound],
        "site_changes": [counts.site_changes, counts.site_changes_bound],
        "reason": counts.gap_reason,
    }


def _exponent(found: Iterable[Arranged]) -> float:
    """The slope of time over size, both as logarithms, by least squares."""
    points = [(log(each.sittings), log(each.seconds)) for each in found]
    middle_x = sum(x for x, _ in points) / len(points)
    middle_y = sum(y for _, y in points) / len(points)
    spread = sum((x - middle_x) ** 2 for x, _ in points)
    return sum((x - middle_x) * (y - middle_y) for x, y in points) / spread
