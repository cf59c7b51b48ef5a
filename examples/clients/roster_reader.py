"""A system that keeps its own table of who is enrolled, and misses nothing, also when it is killed.

    roster_reader.py --session 22.1 roster.sqlite

First the roster, part by part; then the feed of changes from the roster's place in it. What was
read and how far reading is are stored in one transaction: whenever this ends, it goes on there.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import grpc
from connecting import client, parser
from zikao.enrollment.v1 import enrollment_feed_service_pb2 as feed
from zikao.enrollment.v1 import roster_service_pb2 as rosters
from zikao_client import ZikaoClient, following, patiently

ROSTER_SECONDS = 600.0
TABLES = """
CREATE TABLE IF NOT EXISTS enrolled (
  candidate_id TEXT PRIMARY KEY, county_code TEXT NOT NULL, courses TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS place (
  id INTEGER PRIMARY KEY CHECK (id = 1), roster_cursor TEXT NOT NULL,
  roster_is_read INTEGER NOT NULL, feed_cursor TEXT NOT NULL
);
INSERT OR IGNORE INTO place VALUES (1, '', 0, '');
"""


class Table:
    """What this system keeps, and how far it has read."""

    def __init__(self, file: Path) -> None:
        self._database = sqlite3.connect(file)
        self._database.executescript(TABLES)

    def place(self) -> tuple[str, bool, str]:
        """Cursor in the roster, whether that is read to its end, cursor in the feed."""
        row = self._database.execute("SELECT * FROM place").fetchone()
        return row[1], bool(row[2]), row[3]

    def store(self, entries: Iterable[Any], **place: str | int) -> None:
        """Whole enrollments, and the place after them, or neither."""
        with self._database as transaction:
            for entry in entries:
                courses = " ".join(course.course_code for course in entry.courses)
                transaction.execute(
                    "DELETE FROM enrolled WHERE candidate_id = ?", (entry.candidate_id,)
                )
                if courses:
                    transaction.execute(
                        "INSERT INTO enrolled VALUES (?, ?, ?)",
                        (entry.candidate_id, entry.county_code, courses),
                    )
            for name, value in place.items():
                transaction.execute(f"UPDATE place SET {name} = ?", (value,))  # noqa: S608 - our names

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()


async def read_roster(zikao: ZikaoClient, table: Table, session: str) -> None:
    """To its end; a stream that was cut goes on after the last part that is stored."""

    async def rest() -> None:
        cursor, _, feed_cursor = table.place()
        request = rosters.StreamRosterRequest(session_code=session, cursor=cursor)
        async for part in zikao.rosters.StreamRoster(request, timeout=ROSTER_SECONDS):
            # The feed is followed from where it was at the roster's first part.
            feed_cursor = feed_cursor or part.feed_cursor
            table.store(part.entries, roster_cursor=part.cursor, feed_cursor=feed_cursor)
        table.store([], roster_is_read=1)

    await patiently(rest)


async def follow_changes(zikao: ZikaoClient, table: Table, session: str) -> None:
    """For ever. Each event is a candidate's whole enrollment: applied twice it does no harm."""

    def subscribe() -> grpc.aio.UnaryStreamCall[Any, Any]:
        cursor = table.place()[2]
        return zikao.enrollment_feed.WatchEnrollments(feed.WatchEnrollmentsRequest(cursor=cursor))

    async for message in following(subscribe):
        if not message.events:
            continue  # a heartbeat: all there is has been delivered
        ours = [event for event in message.events if event.session_code == session]
        table.store(ours, feed_cursor=message.events[-1].cursor)
        print(f"{len(ours)} changes", flush=True)


async def main() -> None:
    """Read, then follow until Ctrl-C."""
    options = parser(__doc__ or "")
    options.add_argument("--session", required=True)
    options.add_argument("table", type=Path)
    asked = options.parse_args()
    with closing(Table(asked.table)) as table:
        async with client(asked, "roster-reader") as zikao:
            if not table.place()[1]:
                await read_roster(zikao, table, asked.session)
            print("the roster is read", flush=True)
            await follow_changes(zikao, table, asked.session)


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(main())
