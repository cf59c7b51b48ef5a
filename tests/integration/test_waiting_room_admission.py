"""One process at a time leads a room: the rate is kept, and nobody is let in twice."""

import asyncio
from collections.abc import Iterable
from datetime import timedelta
from itertools import pairwise
from uuid import UUID

import pytest
from prometheus_client import REGISTRY
from support.clocks import FixedClock
from support.enrollment_database import enrollment_database
from support.enrollment_rooms import session_with_room, two_rooms
from support.enrollment_sessions import OPENS_AT
from support.service_databases import MakeDatabase
from support.waiting_rooms import (
    KEY,
    SQL,
    TICK_SECONDS,
    DrawnRoom,
    Process,
    contiguous,
    drawn_room,
    limited,
)
from zikao_ctl.faults.proxy import CuttingProxy, Moment
from zikao_enrollment.domain.admission_rate import START_PER_PROCESS
from zikao_enrollment.domain.timetable import Track
from zikao_enrollment.domain.waiting import RoomKey, RoomState
from zikao_enrollment.stores.admissions import AdmissionStore, LedRoom
from zikao_enrollment.stores.waiting import WaitingStore
from zikao_enrollment.views.boards import Boards
from zikao_enrollment.waiting.porter import Porter
from zikao_enrollment.waiting.rooms import Rooms
from zikao_enrollment.workers import admitting
from zikao_kit.admission import Load
from zikao_kit.db import CommitInDoubt
from zikao_kit.db_errors import ConstraintViolated
from zikao_kit.queries import Queries

CEILING = 200
APPLIED = RoomKey("22.1", Track.APPLIED)
BREAK = Queries(
    "test",
    {
        "draw_no_social_room": "ALTER TABLE enrollment.waiting_room ADD CONSTRAINT broken"
        " CHECK (track <> 'social' OR fresh IS NULL)",
        "draw_all": "ALTER TABLE enrollment.waiting_room DROP CONSTRAINT broken",
        "admit_no_social": "ALTER TABLE enrollment.waiting_room ADD CONSTRAINT broken"
        " CHECK (track <> 'social' OR admitted_until = 0)",
    },
)


async def samples(room: DrawnRoom, seconds: int, processes: Iterable[Process]) -> list[int]:
    """How far the room was after each second."""
    found = []
    for _ in range(seconds):
        await room.run(1, *processes)
        found.append((await room.row()).admitted_until)
    return found


async def test_a_ceiling_is_met_exactly_by_one_of_several(make_database: MakeDatabase) -> None:
    """With 200 a second, three processes at it let in 2,000 in ten seconds, each number once."""
    async with drawn_room(make_database, 4_000, limited(CEILING)) as room:
        processes = [await room.process() for _ in range(3)]
        # The way up to the ceiling: they have nothing to show yet.
        await room.run(3, *processes)
        found = await samples(room, 11, processes)
        assert found[10] - found[0] == 10 * CEILING
        steps = [later - earlier for earlier, later in pairwise(found)]
        assert set(steps) == {CEILING}
        assert contiguous(await room.admissions())
        assert (await room.row()).rate == CEILING


async def test_when_the_leader_is_gone_another_one_goes_on(make_database: MakeDatabase) -> None:
    """While its lease lasts nobody is let in; after it the next goes on, at the rate found."""
    async with drawn_room(make_database, 4_000, limited(CEILING)) as room:
        first, second = await room.process(), await room.process()
        await room.run(5, first, second)
        before = (await room.row()).admitted_until
        await room.run(1, second)
        assert (await room.row()).admitted_until == before
        await room.end_lease()
        await room.run(2, second)
        # What was due since it began, and not what was due before.
        assert (await room.row()).admitted_until == before + CEILING * (2 - TICK_SECONDS)
        # The first one wakes: it is the leader no more, and has nothing to say.
        await room.run(10, first)
        assert (await room.row()).admitted_until == before + CEILING * (2 - TICK_SECONDS)
        assert contiguous(await room.admissions())


async def test_nobody_is_let_in_while_the_window_is_shut(make_database: MakeDatabase) -> None:
    """A window or a clock that is moved after the draw wastes no turns: passes would run out."""
    async with drawn_room(make_database, 100, limited(CEILING)) as room:
        await room.run(2, await room.process(at=OPENS_AT - timedelta(minutes=1)))
        assert (await room.row()).admitted_until == 0
        await room.run(2, await room.process(at=OPENS_AT))
        assert (await room.row()).admitted_until == 100


async def test_all_at_once_they_let_in_no_more(make_database: MakeDatabase) -> None:
    """Five that want to lead in the same moment, again and again: one does, and keeps the rate."""
    async with drawn_room(make_database, 4_000, limited(CEILING)) as room:
        processes = [await room.process() for _ in range(5)]
        await room.run(2, processes[0])
        before, ticks = (await room.row()).admitted_until, 12
        for _ in range(ticks):
            room.timer.now += TICK_SECONDS
            await room.end_lease()
            await asyncio.gather(*[each.worker.work() for each in processes])
        let_in = (await room.row()).admitted_until - before
        assert let_in <= ticks * TICK_SECONDS * CEILING
        assert contiguous(await room.admissions())


async def test_without_the_lease_all_would_let_in(
    make_database: MakeDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The negative control: where everybody leads, twice as many are let in as are to be."""

    class Leaderless(AdmissionStore):
        """Ends the lease of whoever leads first."""

        async def lead(self, key: RoomKey, process_id: UUID, lease: timedelta) -> LedRoom | None:
            """As if nobody led the room."""
            await self._tx.using(SQL).execute("end_lease")
            return await super().lead(key, process_id, lease)

    monkeypatch.setattr(admitting, "AdmissionStore", Leaderless)
    async with drawn_room(make_database, 4_000, limited(CEILING)) as room:
        processes = [await room.process() for _ in range(2)]
        found = await samples(room, 4, processes)
        assert found[3] - found[1] > 1.5 * 2 * CEILING


@pytest.mark.parametrize("moment", [Moment.BEFORE, Moment.AFTER])
async def test_a_lost_commit_lets_nobody_in_twice(
    make_database: MakeDatabase, moment: Moment
) -> None:
    """Whether it was committed or not, the next tick goes on from what the row says."""
    async with (
        drawn_room(make_database, 4_000, limited(CEILING)) as room,
        CuttingProxy(room.dsn) as proxy,
        await room.connect(proxy.dsn) as db,
    ):
        process = await room.process(db)
        await room.run(2, process)
        before = (await room.row()).admitted_until
        proxy.cut_at_commit(moment)
        with pytest.raises(CommitInDoubt):
            await room.run(TICK_SECONDS, process)
        let_in = CEILING * TICK_SECONDS if moment is Moment.AFTER else 0
        assert (await room.row()).admitted_until == before + let_in
        await room.run(1, process)
        # What was due in the lost tick is lost with it.
        assert (await room.row()).admitted_until == before + let_in + CEILING
        assert contiguous(await room.admissions())


async def test_one_room_that_fails_keeps_no_other(make_database: MakeDatabase) -> None:
    """Opening, drawing and letting in fail for one track: the other's go on, and it is seen.

    Who leads is to be read off a gauge: 0 while nobody is let in.
    """
    async with enrollment_database(make_database, two_rooms(), 0) as db:
        clock = FixedClock(OPENS_AT)
        boards, room = Boards(db, clock), DrawnRoom(db, "")
        await boards.refresh()
        rooms = Rooms(db, boards, clock)
        porter = Porter(db, rooms, clock)
        async with db.transaction() as tx:
            await tx.using(BREAK).execute("draw_no_social_room")
        await rooms.refresh()
        with pytest.raises(ConstraintViolated):
            await porter.work()
        assert rooms.rows[KEY].drawn_count is None
        assert rooms.rows[APPLIED].drawn_count == 0
        async with db.transaction() as tx:
            await tx.using(BREAK).execute("draw_all")
        await porter.work()
        async with db.transaction() as tx:
            await tx.using(BREAK).execute("admit_no_social")
        process = await room.process()
        await room.come(50)
        await room.run(TICK_SECONDS, process)
        assert [leading(key) for key in (KEY, APPLIED)] == [1, 1]
        for _ in range(3):
            with pytest.raises(ConstraintViolated):
                await room.run(TICK_SECONDS, process)
        async with db.read() as tx:
            rows = await WaitingStore(tx).rooms()
        assert (rows[KEY].admitted_until, rows[APPLIED].admitted_until) == (0, 50)
        assert [leading(key) for key in (KEY, APPLIED)] == [0, 1]


async def test_what_is_finished_is_followed(make_database: MakeDatabase) -> None:
    """Processes that answer what comes get more each second; one whose queue stands gets less."""
    async with drawn_room(make_database, 12_000, session_with_room()) as room:
        processes = [await room.process() for _ in range(2)]
        rates = []
        for _ in range(3):
            for _ in range(round(1 / TICK_SECONDS)):
                await come_and_be_answered(room, processes)
                await room.run(TICK_SECONDS, *processes)
            rates.append((await room.row()).rate or 0.0)
        assert rates[0] >= 2 * START_PER_PROCESS
        assert all(later > 1.2 * earlier for earlier, later in pairwise(rates))
        processes[1].load = standing(processes[1].load)
        await room.run(2 * TICK_SECONDS, *processes)
        assert ((await room.row()).rate or 0.0) < 0.9 * rates[-1]


async def test_the_room_opens_when_it_is_quiet_and_closes_when_it_is_not(
    make_database: MakeDatabase,
) -> None:
    """A minute after the last one had to wait no pass is needed; a queue that stands ends that."""
    async with drawn_room(make_database, 100, session_with_room()) as room:
        process = await room.process()
        await room.run(2, process)
        assert (await room.row()).admitted_until == 100
        await room.run(30, process)
        assert (await room.row()).state is RoomState.ADMITTING
        await room.come(5)
        await room.run(61, process)
        row = await room.row()
        assert (row.state, row.admitted_until) == (RoomState.OPEN, 105)
        process.load = standing(process.load)
        await room.run(4, process)
        assert (await room.row()).state is RoomState.ADMITTING


def leading(key: RoomKey) -> float | None:
    """Whether this process says that it leads a room."""
    labels = dict(zip(("session", "track"), key, strict=True))
    return REGISTRY.get_sample_value("zikao_enrollment_admission_leader", labels)


def standing(load: Load) -> Load:
    """The same with a queue that does not pass."""
    return Load(load.finished, load.shed, 0.5, standing=True, limit=load.limit)


async def come_and_be_answered(room: DrawnRoom, processes: list[Process]) -> None:
    """Whoever has been let in submits, and is answered at once, by either process."""
    done = sum(each.load.finished for each in processes)
    admitted = (await room.row()).admitted_until
    for number in range(done + 1, admitted + 1):
        process = processes[number % 2]
        process.arrivals.note(KEY, number, timedelta(seconds=TICK_SECONDS))
        load = process.load
        process.load = Load(load.finished + 1, load.shed, 0.0, standing=False, limit=load.limit)
