"""What may happen at one moment in a waiting room, forced: each with the order made certain."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from structlog.testing import capture_logs
from support.clocks import FixedClock
from support.enrollment_database import NOW, enrollment_database, until_somebody_waits
from support.enrollment_rooms import EARLY, QUEUED, WAITING, session_with_room, two_rooms
from support.service import until
from support.service_databases import MakeDatabase
from zikao.enrollment.v1 import waiting_room_service_pb2 as pb
from zikao_enrollment.commands.draw_waiting_room import draw_room, open_room
from zikao_enrollment.commands.join_waiting_room import join_room
from zikao_enrollment.domain.timetable import Track, Window
from zikao_enrollment.domain.waiting import PlaceRow, RoomKey
from zikao_enrollment.stores.waiting import WaitingStore
from zikao_enrollment.views.boards import Boards
from zikao_enrollment.waiting import live_room
from zikao_enrollment.waiting.joining import Joining
from zikao_enrollment.waiting.live_room import LiveRoom
from zikao_enrollment.waiting.porter import Porter
from zikao_enrollment.waiting.rooms import Rooms
from zikao_kit.db import Database, Transaction

KEY, APPLIED = (RoomKey("22.1", track) for track in (Track.SOCIAL, Track.APPLIED))
SESSION = session_with_room()
ONE, TWO, THREE = (UUID(int=number) for number in (1, 2, 3))


@asynccontextmanager
async def opened_room(make_database: MakeDatabase) -> AsyncIterator[Database]:
    """A database with a room that was opened and not drawn."""
    async with enrollment_database(make_database, SESSION, candidates=3) as db:
        async with db.transaction() as tx:
            await open_room(WaitingStore(tx), KEY, EARLY)
        yield db


async def come_in(tx: Transaction, *candidates: UUID) -> list[PlaceRow]:
    """Let candidates in, nobody's turn having passed."""
    return await join_room(WaitingStore(tx), KEY, candidates, lambda _: False, NOW, is_drawn=False)


async def process(db: Database, now: datetime = NOW) -> tuple[Rooms, Joining]:
    """What a process has of the rooms, at the opening."""
    clock = FixedClock(now)
    boards = Boards(db, clock)
    await boards.refresh()
    rooms = Rooms(db, boards, clock)
    await rooms.refresh()
    return rooms, Joining(db, boards, rooms, clock, max_batch=10)


async def draw_now(db: Database) -> int | None:
    """Draw in a transaction of its own."""
    async with db.transaction() as tx:
        return await draw_room(WaitingStore(tx), KEY, NOW)


class Noting(LiveRoom):
    """Notes whose places it is told of."""

    def __init__(self, key: RoomKey, window: Window) -> None:
        super().__init__(key, window)
        self.noted: list[UUID] = []

    def note(self, rows: Iterable[PlaceRow]) -> None:
        """Take them, as ever."""
        told = list(rows)
        self.noted += [row.candidate_id for row in told]
        super().note(told)


async def read(db: Database, live: LiveRoom) -> bool:
    """Read a part of what has changed; whether there is more."""
    async with db.transaction(isolation="REPEATABLE READ", read_only=True) as tx:
        store = WaitingStore(tx)
        live.room = (await store.rooms())[KEY]
        return await live.read(store)


async def places(db: Database) -> dict[UUID, PlaceRow]:
    """All places."""
    async with db.read() as tx:
        return await WaitingStore(tx).places(KEY, [ONE, TWO, THREE])


async def test_the_first_who_come_in_are_told_their_places(make_database: MakeDatabase) -> None:
    """Also at processes that have not read yet that the room was opened a moment ago."""
    async with enrollment_database(make_database, SESSION, candidates=3) as db:
        processes = [await process(db, EARLY) for _ in range(2)]
        for (rooms, joining), who in zip(processes, (ONE, TWO), strict=True):
            live = rooms.live(KEY)
            assert live is not None
            assert live.room is None
            place = pb.JoinWaitingRoomResponse.FromString(await joining.join("22.1", who)).place
            assert place.state == WAITING


async def test_the_draw_waits_for_who_is_coming_in(make_database: MakeDatabase) -> None:
    """Who has a place when the draw is over is either in it or behind it: nobody falls between."""
    async with opened_room(make_database) as db:
        async with db.transaction() as tx:
            await come_in(tx, ONE)
            drawing = asyncio.create_task(draw_now(db))
            await until_somebody_waits(db)
        assert await drawing == 1
        async with db.transaction() as tx:
            assert await come_in(tx, ONE, TWO) == [PlaceRow(ONE, True, None), (TWO, False, 1)]


async def test_who_comes_in_during_the_draw_waits_for_it(make_database: MakeDatabase) -> None:
    """The draw shuts the door before it counts: who is at it then gets a late number."""
    async with opened_room(make_database) as db, AsyncExitStack() as stack:
        tx = await stack.enter_async_context(db.transaction())
        assert await draw_room(WaitingStore(tx), KEY, NOW) == 0
        coming = asyncio.create_task(db.run(lambda other: come_in(other, ONE)))
        await until_somebody_waits(db)
        await stack.aclose()
        assert await coming == [PlaceRow(ONE, False, 1)]


async def test_who_comes_after_the_opening_keeps_no_draw_waiting(
    make_database: MakeDatabase,
) -> None:
    """Who comes late to a room that is not drawn yet draws it, or queues behind who does."""
    async with opened_room(make_database) as db:
        processes = [await process(db) for _ in range(2)]
        async with db.transaction() as tx:
            await come_in(tx, ONE)
            late = zip(processes, (TWO, THREE), strict=True)
            coming = [asyncio.create_task(joining.join("22.1", who)) for (_, joining), who in late]
            await until_somebody_waits(db, 2)
        answers = await asyncio.gather(*coming)
        places = [pb.JoinWaitingRoomResponse.FromString(answer).place for answer in answers]
        assert {place.number for place in places} == {2, 3}
        assert {place.state for place in places} == {QUEUED}
        for rooms, _ in processes:
            assert rooms.rows[KEY].drawn_count == 1


async def test_a_draw_that_waits_keeps_nobody_else(make_database: MakeDatabase) -> None:
    """While one room's draw waits the other room is drawn, and places are read in both."""
    async with enrollment_database(make_database, two_rooms(), candidates=3) as db:
        rooms, _ = await process(db)
        async with db.transaction() as tx:
            for key in (KEY, APPLIED):
                await open_room(WaitingStore(tx), key, EARLY)
        async with db.transaction() as slow:
            await come_in(slow, ONE)
            async with db.transaction() as quick:
                await come_in(quick, TWO)
            drawing = asyncio.create_task(Porter(db, rooms, FixedClock(NOW)).work())
            await until_somebody_waits(db)

            async def drawn() -> bool:
                await rooms.refresh()
                return rooms.is_drawn(APPLIED)

            await until(drawn)
            assert not rooms.is_drawn(KEY)
            assert rooms.with_place_of("22.1", TWO) is rooms.live(KEY)
        await drawing
        assert rooms.rows[KEY].drawn_count == 2


async def test_only_one_process_draws(make_database: MakeDatabase) -> None:
    """Of two that draw at once the second finds it done: there is no other seed to choose."""
    async with opened_room(make_database) as db, AsyncExitStack() as stack:
        tx = await stack.enter_async_context(db.transaction())
        assert await draw_room(WaitingStore(tx), KEY, NOW) == 0
        second = asyncio.create_task(draw_now(db))
        await until_somebody_waits(db)
        await stack.aclose()
        assert await second is None


async def test_late_numbers_are_given_by_one_batch_at_a_time(make_database: MakeDatabase) -> None:
    """Two processes let different people in, and one of them in both: each gets one number."""
    async with opened_room(make_database) as db:
        assert await draw_now(db) == 0
        async with db.transaction() as tx:
            first = await come_in(tx, ONE, TWO)
            second = asyncio.create_task(db.run(lambda other: come_in(other, TWO, THREE)))
            await until_somebody_waits(db)
        assert [row.late_number for row in first + await second] == [1, 2, 2, 3]


async def test_a_lapsed_turn_is_given_up_once(make_database: MakeDatabase) -> None:
    """Of two tabs that join again the second finds the new number, and gives out no other."""
    async with opened_room(make_database) as db:
        async with db.transaction() as tx:
            await come_in(tx, ONE)
        await draw_now(db)

        async def join_again(tx: Transaction) -> list[PlaceRow]:
            lapsed = PlaceRow(ONE, True, None)
            store = WaitingStore(tx)
            return await join_room(store, KEY, [ONE], lapsed.__eq__, NOW, is_drawn=False)

        async with db.transaction() as tx:
            first = await join_again(tx)
            second = asyncio.create_task(db.run(join_again))
            await until_somebody_waits(db)
        assert first == await second == [PlaceRow(ONE, True, 1)]


async def test_a_place_that_commits_late_is_read(make_database: MakeDatabase) -> None:
    """A reader that has seen a later transaction's place finds the earlier one's all the same."""
    async with opened_room(make_database) as db:
        live = LiveRoom(KEY, SESSION.windows[0])
        async with db.transaction() as slow:
            await come_in(slow, ONE)
            async with db.transaction() as quick:
                await come_in(quick, TWO)
            assert not await read(db, live)
            assert (live.has(ONE), live.has(TWO)) == (False, True)
        assert not await read(db, live)
        assert live.has(ONE)


async def test_a_long_transaction_makes_nobody_read_again(make_database: MakeDatabase) -> None:
    """While somebody writes for hours each place is read once all the same, theirs at the end."""
    async with opened_room(make_database) as db:
        live = Noting(KEY, SESSION.windows[0])
        async with db.transaction() as slow:
            await come_in(slow, ONE)
            for who in (TWO, THREE):
                async with db.transaction() as quick:
                    await come_in(quick, who)
                for _ in range(2):
                    assert not await read(db, live)
            assert live.noted == [TWO, THREE]
        assert not await read(db, live)
        assert live.noted == [TWO, THREE, ONE]


async def test_a_draw_between_two_parts_of_a_reading(
    make_database: MakeDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who committed behind the reader's back is found in time: nothing seems to be missing."""
    monkeypatch.setattr(live_room, "PLACES_AT_ONCE", 2)
    others = [UUID(int=number) for number in range(2, 7)]
    async with opened_room(make_database) as db:
        live = LiveRoom(KEY, SESSION.windows[0])
        async with db.transaction() as slow:
            await come_in(slow, ONE)
            async with db.transaction() as quick:
                await come_in(quick, *others)
            assert await read(db, live)
        assert await draw_now(db) == 6
        with capture_logs() as logs:
            while await read(db, live):
                pass
            await live.find_numbers()
        assert [each["event"] for each in logs] == ["a waiting room was drawn"]
        found = [live.place(each, NOW) for each in (ONE, *others)]
        assert sorted(place.number for place in found if place) == [*range(1, 7)]


async def test_a_process_finds_numbers_only_when_it_knows_all(make_database: MakeDatabase) -> None:
    """With a place missing in memory nobody gets a wrong number: all are read again first."""
    async with opened_room(make_database) as db:
        boards = Boards(db, FixedClock(EARLY))
        await boards.refresh()
        async with db.transaction() as tx:
            await come_in(tx, ONE, TWO)
        await draw_now(db)
        rooms = Rooms(db, boards, FixedClock(NOW + timedelta(seconds=1)))
        live = LiveRoom(KEY, SESSION.windows[0])
        async with db.read() as tx:
            live.room = (await WaitingStore(tx).rooms())[KEY]
        live.note([PlaceRow(ONE, True, None)])
        await live.find_numbers()
        place = live.place(ONE, NOW)
        assert place is not None
        assert place.number == 0
        lost = UUID(int=77)
        live.note([PlaceRow(TWO, True, None), PlaceRow(lost, True, None)])
        await live.find_numbers()
        assert not await read(db, live)
        await live.find_numbers()
        assert live.place(lost, NOW) is None
        await rooms.refresh()
        there = rooms.live(KEY)
        assert there is not None
        for candidate in (ONE, TWO):
            found, same = live.place(candidate, NOW), there.place(candidate, NOW)
            assert found == same
            assert found is not None
            assert found.number in (1, 2)
