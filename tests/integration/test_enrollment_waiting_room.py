"""The waiting room over its RPCs: one place each, the draw, passes, who may submit."""

import asyncio
import hashlib
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest
from support.enrollment_audit import violations
from support.enrollment_database import candidate
from support.enrollment_people import (
    apply_session,
    cancellation,
    change,
    of_standing,
    plan,
    plan_submission,
    submission,
)
from support.enrollment_portals import for_candidate, portal_stream
from support.enrollment_rooms import (
    ADMITTED,
    AFTER,
    EARLY,
    LAPSED,
    OPEN,
    QUEUED,
    ROOM,
    WAITING,
    admit,
    draw_of,
    join,
    on_track,
    open_window,
    place_of,
    session_with_room,
    showing,
    until_place,
    waiting_room,
)
from support.enrollment_service import Installation
from support.enrollment_sessions import CLOSES_AT, OPENS_AT
from support.place_streams import next_place, places_stream, watch, watched
from support.service import Caller, until
from support.service_databases import MakeDatabase
from zikao.enrollment.v1 import types_pb2 as types
from zikao.enrollment.v1 import waiting_room_service_pb2 as rooms
from zikao_enrollment.domain.passes import Pass, pass_to_text
from zikao_enrollment.domain.timetable import Track, Window
from zikao_enrollment.domain.waiting import draw
from zikao_kit.convert import time_from_pb

JOIN = rooms.JoinWaitingRoomRequest(session_code="22.1")
GET = rooms.GetPlaceRequest(session_code="22.1")
STRANGER = 99


async def people_of(running: Installation, numbers: range) -> list[Caller]:
    """Candidates by number."""
    return [await running.candidate(number) for number in numbers]


async def test_from_the_room_to_the_seats(make_database: MakeDatabase, tmp_path: Path) -> None:
    """Who waits is drawn at the opening, admitted by number, submits with the pass, once or again.

    The draw can be checked by everybody; before it nothing but its commitment can be seen.
    """
    people = [candidate(number) for number in range(1, 9)]
    async with waiting_room(make_database, tmp_path, people) as running:
        callers = await people_of(running, range(1, 9))
        places = await asyncio.gather(*(join(each) for each in callers[:6] for _tab in range(3)))
        assert {(place.state, place.number) for place in places} == {(WAITING, 0)}
        assert {time_from_pb(place.opens_at) for place in places} == {OPENS_AT}
        before = await draw_of(running)
        assert (before.seed, before.committed, before.fresh) == (b"", b"", b"")
        assert not before.HasField("drawn_at")
        saved = await callers[0].call(plan())
        assert saved.fee_fen
        await open_window(running)

        drawn = [await until_place(each, QUEUED) for each in callers[:6]]
        after = await draw_of(running)
        assert after.committed_sha256 == before.committed_sha256
        assert hashlib.sha256(after.committed).digest() == after.committed_sha256
        assert hashlib.sha256(after.committed + after.fresh).digest() == after.seed
        numbers = draw(after.seed, [UUID(int=number) for number in range(1, 7)])
        assert [place.number for place in drawn] == [numbers[UUID(int=n)] for n in range(1, 7)]
        assert after.drawn_count == 6
        late = [await join(each) for each in callers[6:]]
        assert [place.number for place in late] == [7, 8]
        assert (await join(callers[0])).number == drawn[0].number

        first = min(range(6), key=lambda index: drawn[index].number)
        await admit(running, 1)
        place = await until_place(callers[first], ADMITTED)
        assert time_from_pb(place.pass_expires_at) - AFTER <= ROOM.pass_life + timedelta(seconds=9)
        assert place.admission_pass == (await join(callers[first])).admission_pass
        second = min({*range(6)} - {first}, key=lambda index: drawn[index].number)
        waits = await place_of(callers[second])
        assert (waits.state, waits.admitted_until, waits.admission_pass) == (QUEUED, 1, "")
        wish = submission()
        order = (await showing(callers[first], place.admission_pass).call(wish)).order
        assert (await callers[first].call(wish)).order == order
        again = await callers[first].refused(submission(courses=("00001",)))
        assert again.reason == "ADMISSION_PASS_NEEDED"
        changed = await callers[first].call(change(order, ("00001",)))
        await callers[first].call(cancellation(changed.order))
        assert await violations(running.dsn) == {}


async def test_passes_open_the_door_to_their_own_alone(
    make_database: MakeDatabase, tmp_path: Path
) -> None:
    """Without a pass, with another's, with a made up or an expired one: refused, also in a stream.

    Nothing else is asked for one: plans, and repetitions of what was answered.
    """
    async with waiting_room(make_database, tmp_path, [candidate(n) for n in (1, 2)]) as running:
        one, two = await people_of(running, range(1, 3))
        for each in (one, two):
            await join(each)
            await each.call(plan())
        assert (await one.refused(submission())).reason == "ENROLLMENT_CLOSED"
        await open_window(running)
        assert (await one.refused(submission())).reason == "ADMISSION_PASS_NEEDED"
        assert (await one.refused(plan_submission())).reason == "ADMISSION_PASS_NEEDED"
        await admit(running, 2)
        passes = [(await until_place(each, ADMITTED)).admission_pass for each in (one, two)]
        forged = passes[0][:-1] + ("A" if passes[0][-1] != "A" else "B")
        for shown in (passes[1], forged, "zkp1.AAAA", "x" * 500):
            for wish in (submission(), plan_submission()):
                refused = await showing(one, shown).refused(wish)
                assert refused.reason == "ADMISSION_PASS_INVALID"
        async with portal_stream(running) as stream:
            wishes = [for_candidate(running, 1) for _ in range(4)]
            wishes[1].admission_pass = passes[1]
            wishes[2].admission_pass = "x" * 200
            wishes[3].admission_pass = passes[0]
            results = await stream.ask(*wishes)
            assert [result.error.reason for result in results] == [
                "ADMISSION_PASS_NEEDED",
                "ADMISSION_PASS_INVALID",
                "INVALID_REQUEST",
                "",
            ]
            (repeated,) = await stream.ask(for_candidate(running, 1, wishes[3].enrollment))
            assert repeated.enrollment == results[3].enrollment
            # Nor is anybody let in for wanting what is known, with a token that is.
            (known,) = await stream.ask(for_candidate(running, 2, token=two.token))
            assert known.error.reason == "ADMISSION_PASS_NEEDED"
        await running.move_clock(AFTER + ROOM.pass_life + timedelta(seconds=30))
        two = await running.candidate(2)
        refused = await showing(two, passes[1]).refused(submission())
        assert (refused.reason, refused.metadata["detail"]) == ("ADMISSION_PASS_INVALID", "已过期")
        lapsed = await until_place(two, LAPSED)
        assert (lapsed.admission_pass, lapsed.number <= 2) == ("", True)
        behind = await asyncio.gather(*(join(two) for _ in range(3)))
        assert {(place.state, place.number) for place in behind} == {(QUEUED, 3)}
        assert await violations(running.dsn) == {}


async def test_who_may_come_in(make_database: MakeDatabase, tmp_path: Path) -> None:
    """Only candidates who may enroll, from the room's opening to the window's end."""
    people = [candidate(1), of_standing(2, "graduated"), on_track(3, Track.APPLIED), candidate(4)]
    async with waiting_room(make_database, tmp_path, people) as running:
        one, graduated, applied, other = await people_of(running, range(1, 5))
        assert (await graduated.refused(JOIN)).reason == "NOT_ELIGIBLE"
        assert (await applied.refused(JOIN)).reason == "TRACK_NOT_OFFERED"
        for request in (rooms.JoinWaitingRoomRequest, rooms.GetPlaceRequest):
            unknown = await one.refused(request(session_code="99.1"))
            assert unknown.reason == "SESSION_UNKNOWN"
            assert (await one.refused(request())).reason == "INVALID_REQUEST"
        assert (await one.refused(GET)).reason == "NOT_FOUND"
        stranger = await running.candidate(STRANGER)
        assert (await stranger.refused(JOIN)).reason == "UNAVAILABLE"
        anybody = await running.caller("portal")
        for track, reason in (
            (types.TRACK_APPLIED, "NOT_FOUND"),
            (types.TRACK_UNSPECIFIED, "INVALID_REQUEST"),
        ):
            asked = rooms.GetDrawRequest(session_code="22.1", track=track)
            assert (await anybody.refused(asked)).reason == reason

        await running.move_clock(EARLY - timedelta(minutes=30))
        one = await running.candidate(1)
        refused = await one.refused(JOIN)
        assert refused.reason == "WAITING_ROOM_CLOSED"
        assert refused.metadata == {
            "opens_at": (OPENS_AT - ROOM.opens_before).isoformat(),
            "closes_at": CLOSES_AT.isoformat(),
        }
        await running.move_clock(EARLY)
        one = await running.candidate(1)
        assert (await join(one)).state == WAITING
        await running.move_clock(CLOSES_AT)
        other = await running.candidate(4)
        assert (await other.refused(JOIN)).reason == "WAITING_ROOM_CLOSED"


async def test_a_room_that_is_open_asks_for_nothing(
    make_database: MakeDatabase, tmp_path: Path
) -> None:
    """In an open room, and where a session has none, places are OPEN and submitting needs no pass.

    Taking the room out of the session file opens the window to all: the lever of an emergency.
    """
    people = [candidate(number) for number in range(1, 5)]
    async with waiting_room(make_database, tmp_path, people) as running:
        one, two, three, four = await people_of(running, range(1, 5))
        await join(one)
        await open_window(running)
        await running.rows("UPDATE enrollment.waiting_room SET state = 'open'")
        await until_place(one, OPEN)
        place = await join(two)
        assert (place.state, place.number, place.admission_pass) == (OPEN, 0, "")
        assert (await two.call(submission())).order.order_id
        assert len(await running.rows("SELECT 1 FROM enrollment.waiting_place")) == 1
        await running.rows("UPDATE enrollment.waiting_room SET state = 'admitting'")

        async def is_shut() -> bool:
            return (await join(two)).state == QUEUED

        await until(is_shut)
        assert (await three.refused(submission())).reason == "ADMISSION_PASS_NEEDED"
        without = session_with_room()
        window = replace(without.windows[0], waiting_room=None)
        (change_text,) = await apply_session(running, replace(without, windows=(window,)))
        assert "候场室由提前30分钟开放" in change_text
        assert (await join(four)).state == OPEN
        assert (await three.call(submission())).order.order_id


async def test_tracks_have_rooms_of_their_own(make_database: MakeDatabase, tmp_path: Path) -> None:
    """A track without a room submits freely beside one with a room, whoever has what pass."""
    session = session_with_room()
    applied = Window(Track.APPLIED, OPENS_AT, CLOSES_AT)
    mixed = replace(session, windows=(*session.windows, applied))
    people = [candidate(1), *(on_track(n, Track.APPLIED) for n in (2, 4)), candidate(3)]
    async with waiting_room(make_database, tmp_path, people, mixed) as running:
        one, free, other, too = await people_of(running, range(1, 5))
        await join(one)
        assert (await join(free)).state == OPEN
        await open_window(running)
        assert (await free.call(submission())).order.order_id
        # One of a room that there is not, or is open: not looked at, and good for nothing.
        held = Pass(Track.APPLIED, UUID(int=4), 1, AFTER)
        needless = pass_to_text(held, "22.1", bytes(32))
        for each in (one, other, showing(one, needless)):
            assert (await each.refused(submission())).reason == "ADMISSION_PASS_NEEDED"
        assert (await showing(too, needless).call(submission())).order.order_id
        await admit(running, 1)
        shown = (await until_place(one, ADMITTED)).admission_pass
        assert (await showing(one, shown).call(submission())).order.order_id


async def test_two_processes_keep_one_room(make_database: MakeDatabase, tmp_path: Path) -> None:
    """A place that one process has just given is known at the other; both draw the same, once.

    A process that starts after the draw finds the same numbers, late ones and second ones too.
    """
    people = [candidate(number) for number in range(1, 30)]
    async with waiting_room(make_database, tmp_path, people) as running:
        other = running.another_enrollment()
        other.start()
        await running.until_serving(other)
        callers = await people_of(running, range(1, 30))
        there = [
            await running.caller("portal", other.port, running.token(str(UUID(int=number))))
            for number in range(1, 30)
        ]
        for index in range(10):
            await join(callers[index])
            assert (await place_of(there[index])).state == WAITING
        await asyncio.gather(*(join(callers[index]) for index in (10, 11)))
        async with places_stream(running, other.port) as stream:
            seen = watch(there[10])
            await stream.send(watched(running, 12))
            place = await next_place(seen)
            assert place is not None
            assert place.state == WAITING
            await stream.until(WAITING, "12")
            seen.cancel()
        everywhere = (each for pair in zip(callers, there, strict=True) for each in pair)
        await asyncio.gather(*(join(each) for each in [*everywhere][:40] for _tab in range(2)))
        await open_window(running)
        for index in range(20):
            number = (await until_place(callers[index], QUEUED)).number
            assert number == (await until_place(there[index], QUEUED)).number
        late = await asyncio.gather(*(join(each) for each in callers[20:] + there[20:]))
        assert sorted(place.number for place in late) == sorted([*range(21, 30)] * 2)
        await admit(running, 29)
        await until_place(callers[0], ADMITTED)
        await running.move_clock(AFTER + ROOM.pass_life + timedelta(seconds=30))
        callers = await people_of(running, range(1, 30))
        await until_place(callers[0], LAPSED)
        assert (await join(callers[0])).number == 30
        third = running.another_enrollment()
        third.start()
        await running.until_serving(third)
        for index in (0, 1, 25):
            token = running.token(str(UUID(int=index + 1)))
            newcomer = await running.caller("portal", third.port, token)
            assert await place_of(newcomer) == await place_of(callers[index])
        assert await violations(running.dsn) == {}


async def test_the_database_keeps_the_room_whatever_happens(
    make_database: MakeDatabase, tmp_path: Path
) -> None:
    """No second place, no draw without a seed, nobody admitted who is not there."""
    async with waiting_room(make_database, tmp_path, [candidate(1)]) as running:
        await join(await running.candidate(1))
        for broken, constraint in (
            ("SET admitted_until = 2", "waiting_room_admits_who_is_there"),
            ("SET state = 'admitting', fresh = NULL", "waiting_room_draw"),
            ("SET late_count = 1", "waiting_room_late"),
        ):
            with pytest.raises(asyncpg.CheckViolationError, match=constraint):
                await running.rows(f"UPDATE enrollment.waiting_room {broken}")
        with pytest.raises(asyncpg.UniqueViolationError, match="waiting_place_pkey"):
            await running.rows(
                "INSERT INTO enrollment.waiting_place SELECT * FROM enrollment.waiting_place"
            )
