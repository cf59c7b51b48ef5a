"""Many watch their places: ticks are made once, and whose turn it is hears of it at once."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from uuid import UUID

import pytest
from prometheus_client import REGISTRY
from support.clocks import FixedClock
from support.enrollment_database import NOW
from support.enrollment_rooms import session_with_room
from support.serialized_answers import read
from support.service import until
from support.service_databases import MakeDatabase
from support.waiting_rooms import KEY, DrawnRoom, drawn_room
from zikao.enrollment.v1 import place_stream_service_pb2 as pb
from zikao.enrollment.v1 import waiting_room_service_pb2 as rooms_pb
from zikao_enrollment.commands.apply_session import apply_session
from zikao_enrollment.domain.admission_leader import Step
from zikao_enrollment.domain.waiting import PlaceState, RoomState
from zikao_enrollment.stores.admissions import AdmissionStore
from zikao_enrollment.stores.sessions import SessionStore
from zikao_enrollment.views.boards import Boards
from zikao_enrollment.waiting.joining import Joining
from zikao_enrollment.waiting.onlookers import Onlookers
from zikao_enrollment.waiting.rooms import Rooms
from zikao_kit.background import repeat, running
from zikao_kit.errors import DomainError

Stream = AsyncGenerator[pb.WatchPlaceResponse, None]
WAITING = 300


async def rooms_of(room: DrawnRoom) -> Rooms:
    """What a process knows."""
    boards = Boards(room.db, FixedClock(NOW))
    await boards.refresh()
    rooms = Rooms(room.db, boards, FixedClock(NOW))
    await rooms.refresh()
    return rooms


async def admit(room: DrawnRoom, after: int, until_number: int) -> None:
    """Let in, as a leader does."""
    async with room.db.transaction() as tx:
        store = AdmissionStore(tx)
        await store.save(KEY, Step(RoomState.ADMITTING, until_number, 40.0))
        await store.insert(KEY, after, until_number, NOW)


def place(message: pb.WatchPlaceResponse) -> rooms_pb.Place:
    """The place in a message that is no tick."""
    assert message.HasField("place")
    return message.place


async def test_all_get_the_same_ticks_and_each_the_own_turn(make_database: MakeDatabase) -> None:
    """300 get their numbers; 40 whose turn comes their passes, before and without a tick."""
    async with drawn_room(make_database, WAITING, session_with_room()) as room:
        rooms = await rooms_of(room)
        onlookers = Onlookers(rooms, FixedClock(NOW))
        streams = [onlookers.watch("22.1", UUID(int=n)) for n in range(1, WAITING + 1)]
        async with running(repeat("places", onlookers.work, 0.0)):
            places = [place(await anext(stream)) for stream in streams]
            assert sorted(each.number for each in places) == [*range(1, WAITING + 1)]
            following = [asyncio.ensure_future(anext(stream)) for stream in streams]
            await asyncio.sleep(0)
            await admit(room, 0, 40)
            await rooms.refresh()
            await until(lambda: sum(each.done() for each in following) >= 40)
            told = {n: task for n, task in enumerate(following) if task.done()}
            admitted = {n: place(task.result()) for n, task in told.items()}
            assert {each.number for each in admitted.values()} == {*range(1, 41)}
            assert all(each.admission_pass for each in admitted.values())
            for n in admitted:
                with pytest.raises(StopAsyncIteration):
                    await anext(streams[n])
            # A second after the last one there is a tick for the others.
            while not all(each.done() for each in following):
                await rooms.refresh()
                await asyncio.sleep(0.05)
            ticks = [task.result() for n, task in enumerate(following) if n not in admitted]
            assert len(ticks) == WAITING - 40
            assert all(tick is ticks[0] for tick in ticks)
            tick = read(ticks[0], pb.WatchPlaceResponse).tick
            assert (tick.admitted_until, tick.last_number, tick.per_second) == (40, WAITING, 40.0)
        for stream in streams:
            await stream.aclose()


async def test_who_was_not_listening_misses_no_turn(make_database: MakeDatabase) -> None:
    """A reader that was slow while its turn came gets its pass with the next message."""
    async with drawn_room(make_database, 5, session_with_room()) as room:
        rooms = await rooms_of(room)
        onlookers = Onlookers(rooms, FixedClock(NOW))
        async with aclosing(onlookers.watch("22.1", UUID(int=3))) as stream:
            assert place(await anext(stream)).state == rooms_pb.PLACE_STATE_QUEUED
            await admit(room, 0, 5)
            await rooms.refresh()
            assert place(await anext(stream)).admission_pass


async def test_who_asks_without_a_place_costs_no_connection(make_database: MakeDatabase) -> None:
    """300 who ask before they join are looked up together, and so is one with as many tabs."""
    async with drawn_room(make_database, 5, session_with_room()) as room:
        clock = FixedClock(NOW)
        boards = Boards(room.db, clock)
        await boards.refresh()
        rooms = Rooms(room.db, boards, clock)
        await rooms.refresh()
        joining = Joining(room.db, boards, rooms, clock, max_batch=200)
        before = looks()
        strangers = [UUID(int=n) for n in (*range(1_000, 1_300), *[2_000] * 300)]
        asked = [joining.place("22.1", each) for each in strangers]
        answers = await asyncio.gather(*asked, return_exceptions=True)
        reasons = {each.reason for each in answers if isinstance(each, DomainError)}
        assert (len(answers), reasons) == (600, {"NOT_FOUND"})
        assert looks() - before == 2


async def test_who_starts_after_a_room_was_taken_away_knows_its_places(
    make_database: MakeDatabase,
) -> None:
    """The first reading of a process tells who waited there that the window is open."""
    session = session_with_room()
    async with drawn_room(make_database, 5, session) as room:
        window = replace(session.windows[0], waiting_room=None)
        async with room.db.transaction() as tx:
            without = replace(session, windows=(window,))
            await apply_session(SessionStore(tx), without, dry_run=False, now=NOW)
        live = (await rooms_of(room)).with_place_of("22.1", UUID(int=3))
        assert live is not None
        stands = live.place(UUID(int=3), NOW)
        assert stands is not None
        assert stands.state is PlaceState.OPEN


def looks() -> float:
    """How many times was looked whether somebody has a place."""
    return REGISTRY.get_sample_value("zikao_enrollment_room_look_batch_size_count") or 0.0


async def test_nobody_waits_for_what_does_not_come(make_database: MakeDatabase) -> None:
    """When nothing is read any more the streams end; who has no place has nothing to watch."""
    async with drawn_room(make_database, 5, session_with_room()) as room:
        rooms = await rooms_of(room)
        onlookers = Onlookers(rooms, FixedClock(NOW), max_silence_seconds=0.05)
        stream = onlookers.watch("22.1", UUID(int=3))
        await anext(stream)
        async with running(repeat("places", onlookers.work, 0.0)):
            with pytest.raises(DomainError) as ended:
                await anext(stream)
        assert ended.value.reason == "UNAVAILABLE"
        with pytest.raises(DomainError) as refused:
            await anext(onlookers.watch("22.1", UUID(int=99)))
        assert refused.value.reason == "NOT_FOUND"
