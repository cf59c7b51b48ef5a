"""A session with a waiting room, and the parts of a process that let people in, moved by hand."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from support.clocks import FixedClock
from support.enrollment_database import NOW, enrollment_database
from support.enrollment_rooms import ROOM, session_with_room
from support.service_databases import MakeDatabase
from zikao_enrollment.domain.timetable import Session, Track
from zikao_enrollment.domain.waiting import Admission, Room, RoomKey
from zikao_enrollment.names import PACKAGE
from zikao_enrollment.stores.waiting import WaitingStore
from zikao_enrollment.views.boards import Boards
from zikao_enrollment.waiting.arrivals import Arrivals
from zikao_enrollment.waiting.rooms import Rooms
from zikao_enrollment.workers.admitting import AdmittingWorker
from zikao_kit.admission import Load
from zikao_kit.config import DatabaseConfig
from zikao_kit.db import Database
from zikao_kit.queries import Queries

KEY = RoomKey("22.1", Track.SOCIAL)
TICK_SECONDS = 0.25
# However slow the machine is: tests say when a lease ends.
LONG_LEASE = timedelta(hours=1)
SQL = Queries(
    "test",
    {
        "end_lease": "UPDATE enrollment.waiting_room"
        " SET leader_until = clock_timestamp() - interval '1 second'",
        "wait": "INSERT INTO enrollment.waiting_place"
        " (session_code, track, candidate_id, drawn, joined_at)"
        " SELECT $1, $2, lpad(to_hex(number), 32, '0')::uuid, true, $4"
        " FROM generate_series(1, $3::integer) AS number",
        "come": "UPDATE enrollment.waiting_room SET late_count = late_count + $1",
    },
)


def limited(per_second: int) -> Session:
    """The session, whose room admits so many a second at most."""
    window = session_with_room().windows[0]
    room = replace(ROOM, max_per_second=per_second)
    return session_with_room(windows=(replace(window, waiting_room=room),))


@dataclass
class Timer:
    """A monotonic clock that a test moves."""

    now: float = 1_000.0

    def __call__(self) -> float:
        """The time in seconds."""
        return self.now


@dataclass
class Process:
    """What one process has of the room."""

    worker: AdmittingWorker
    arrivals: Arrivals
    # What it tells of its submissions.
    load: Load = field(default=Load(0, 0, 0.0, standing=False, limit=10))


@dataclass
class DrawnRoom:
    """A room in which so many have numbers, before any process lets them in."""

    db: Database
    dsn: str
    timer: Timer = field(default_factory=Timer)

    async def process(self, db: Database | None = None, at: datetime = NOW) -> Process:
        """Another process, which knows the room."""
        clock, db = FixedClock(at), db or self.db
        boards = Boards(db, clock)
        await boards.refresh()
        rooms = Rooms(db, boards, clock)
        await rooms.refresh()
        arrivals = Arrivals()
        load: Callable[[], Load] = lambda: made.load  # noqa: E731
        worker = AdmittingWorker(
            db, clock, rooms, arrivals, load=load, lease=LONG_LEASE, monotonic=self.timer
        )
        made = Process(worker, arrivals)
        return made

    async def connect(self, dsn: str) -> Database:
        """Another way to the database."""
        return await Database.connect(DatabaseConfig(dsn=dsn), Queries.load(PACKAGE))

    async def run(self, seconds: float, *processes: Process) -> None:
        """Let the processes work four times a second, one after the other."""
        for _ in range(round(seconds / TICK_SECONDS)):
            self.timer.now += TICK_SECONDS
            for each in processes:
                await each.worker.work()

    async def row(self) -> Room:
        """The room as it stands."""
        async with self.db.read() as tx:
            return (await WaitingStore(tx).rooms())[KEY]

    async def admissions(self) -> list[Admission]:
        """Who was let in when."""
        async with self.db.read() as tx:
            return [*await WaitingStore(tx).admissions(KEY, 0)]

    async def end_lease(self) -> None:
        """As if the leader had not been heard of for longer than its lease."""
        async with self.db.transaction() as tx:
            await tx.using(SQL).execute("end_lease")

    async def come(self, count: int) -> None:
        """So many come late."""
        async with self.db.transaction() as tx:
            await tx.using(SQL).execute("come", count)


@asynccontextmanager
async def drawn_room(
    make_database: MakeDatabase, waiting: int, session: Session
) -> AsyncIterator[DrawnRoom]:
    """`waiting` have drawn their numbers; who they are nobody asks here."""
    dsn = ""

    async def noting(service: str) -> str:
        nonlocal dsn
        dsn = await make_database(service)
        return dsn

    async with enrollment_database(noting, session, 0) as db:
        async with db.transaction() as tx:
            store = WaitingStore(tx)
            await store.open(KEY, bytes(32), bytes(32), NOW)
            await tx.using(SQL).execute("wait", *KEY, waiting, NOW)
            await store.draw(KEY, bytes(32), waiting, NOW)
        yield DrawnRoom(db, dsn)


def contiguous(admissions: list[Admission]) -> bool:
    """Whether each begins where the one before ended: nobody twice, nobody left out."""
    ends = [0, *(each.until for each in admissions)]
    return all(each.after == end for each, end in zip(admissions, ends, strict=False))
