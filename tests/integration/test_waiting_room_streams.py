"""Places over streams, from the room to the seats, and what an office says of admission."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from support.enrollment_database import candidate
from support.enrollment_offices import DONE, PENDING, decision, limiting
from support.enrollment_people import apply_session, submission
from support.enrollment_rooms import (
    ADMITTED,
    OPEN,
    QUEUED,
    WAITING,
    join,
    on_track,
    open_window,
    place_of,
    session_with_room,
    showing,
    two_rooms,
    until_place,
    waiting_room,
)
from support.enrollment_service import Installation
from support.enrollment_sessions import OPENS_AT
from support.place_streams import next_place, next_tick, places_stream, watch, watched
from support.service import new_id, until
from support.service_databases import MakeDatabase
from zikao.enrollment.v1 import office_audit_service_pb2 as audit
from zikao.enrollment.v1 import place_stream_service_pb2 as pb
from zikao.enrollment.v1 import types_pb2 as types
from zikao_enrollment.domain.orders import Candidate
from zikao_enrollment.domain.timetable import Policies, Session, Track
from zikao_kit.errors import NOT_FOUND, SESSION_UNKNOWN

CANDIDATES = 6
HUNDRED_PENDING = (
    "INSERT INTO enrollment.office_action (action_id, session_code, county_prefix, act, state,"
    " proposed_by, proposed_at, expires_at) SELECT gen_random_uuid(), session_code,"
    " county_prefix, act, state, proposed_by, proposed_at, expires_at"
    " FROM enrollment.office_action, generate_series(1, 99) WHERE state = 'pending'"
)


@pytest.fixture
async def running(make_database: MakeDatabase, tmp_path: Path) -> AsyncIterator[Installation]:
    """A held room of six candidates, ten minutes before the opening."""
    people = [candidate(number) for number in range(1, CANDIDATES + 1)]
    async with held_room(make_database, tmp_path, people) as found:
        yield found


@asynccontextmanager
async def held_room(
    make_database: MakeDatabase,
    folder: Path,
    people: list[Candidate],
    session: Session | None = None,
) -> AsyncIterator[Installation]:
    """A room that its process leads, and in which an office has held admission."""
    async with waiting_room(make_database, folder, people, session) as found:
        await found.rows("UPDATE enrollment.waiting_room SET held = true, leader_until = now()")
        yield found


async def test_a_candidate_sees_the_place_become_a_pass(running: Installation) -> None:
    """Waiting, a number, ticks while it is held, then the pass with which the stream ends.

    It is told the same in two tabs, and who comes back sees where it is.
    """
    person, province = await running.candidate(1), await running.officer("51")
    assert (await person.refused(pb.WatchPlaceRequest(session_code="22.1"))).reason == NOT_FOUND
    unknown = pb.WatchPlaceRequest(session_code="99.1")
    assert (await person.refused(unknown)).reason == SESSION_UNKNOWN
    for number in (1, 2):
        await join(await running.candidate(number))
    tabs = watch(person), watch(person)
    for tab in tabs:
        place = await next_place(tab)
        assert place is not None
        assert (place.state, place.number) == (WAITING, 0)
    await open_window(running)
    numbers = set()
    for tab in tabs:
        place = await next_place(tab)
        assert place is not None
        assert place.state == QUEUED
        numbers.add(place.number)
    assert numbers == {(await place_of(person)).number}
    tick = await next_tick(tabs[0])
    assert (tick.track, tick.session_code) == (types.TRACK_SOCIAL, "22.1")
    assert (tick.admitted_until, tick.last_number, tick.held) == (0, 2, True)
    assert tick.per_second == 0

    action = (await province.call(limiting(50))).action
    assert (action.state, action.act.set_admission_rate.per_second) == (DONE, 50)
    passes = set()
    for tab in tabs:
        place = await next_place(tab)
        assert place is not None
        assert place.state == ADMITTED
        passes.add(place.admission_pass)
        assert await next_place(tab) is None
    assert passes == {(await join(person)).admission_pass}
    wish = submission()
    assert (await person.refused(wish)).reason == "ADMISSION_PASS_NEEDED"
    assert (await showing(person, passes.pop()).call(wish)).order.county_code
    late = await running.candidate(3)
    await join(late)
    assert (await until_place(late, ADMITTED)).number == 3
    # The process that leads has counted the one who came.
    rows = await running.rows("SELECT max(came) AS came FROM enrollment.waiting_report")
    assert [row["came"] for row in rows] == [1]


async def test_a_portal_watches_for_many(running: Installation) -> None:
    """Each gets its place and its pass, a bad one its problem; ticks come once for all."""
    for number in range(1, 5):
        await join(await running.candidate(number))
    expired = running.token(new_id(), age=timedelta(hours=1))
    officer = running.token(new_id(), "province_officer", scope="51")
    async with places_stream(running) as stream:
        await stream.send(
            *(watched(running, number) for number in range(1, 4)),
            watched(running, 6),
            watched(running, 1, "bad", token="x"),
            watched(running, 1, "old", token=expired),
            watched(running, 1, "officer", token=officer),
            pb.WatchedCandidate(watch_id="nothing"),
        )
        await stream.send(watched(running, 2, "elsewhere"), session_code="99.1")
        await stream.until(WAITING, "1", "2", "3")
        while len(stream.places) < 9:
            assert await stream.read()
        problems = {name: each.error.reason for name, each in stream.places.items()}
        assert problems == {
            "1": "",
            "2": "",
            "3": "",
            "6": "NOT_FOUND",
            "bad": "TOKEN_INVALID",
            "old": "TOKEN_EXPIRED",
            "officer": "PERMISSION_DENIED",
            "nothing": "INVALID_REQUEST",
            "elsewhere": "SESSION_UNKNOWN",
        }
        await open_window(running)
        await stream.send(watched(running, 4))
        await stream.until(QUEUED, "1", "2", "3", "4")
        assert {stream.places[str(n)].place.number for n in range(1, 5)} == {1, 2, 3, 4}
        stream.ticks.clear()
        while not stream.ticks:
            assert await stream.read()
        assert (stream.ticks[0].last_number, stream.ticks[0].held) == (4, True)
        await stream.call.done_writing()
        await (await running.officer("51")).call(limiting())
        assert await stream.reason() == "OK"
        passes = [stream.places[str(n)].place.admission_pass for n in range(1, 5)]
        assert len({*passes}) == 4
        assert all(passes)
    async with places_stream(running) as stream:
        await stream.call.write(pb.WatchPlacesRequest(session_code="22.1"))
        assert await stream.reason() == "INVALID_REQUEST"


async def test_streams_go_on_at_another_process(running: Installation) -> None:
    """Whose process ends is told so, and finds the place and the pass at another one."""
    person = await running.candidate(1)
    await join(person)
    stream = watch(person)
    assert await next_place(stream)
    other = running.another_enrollment()
    other.start()
    await running.until_serving(other)
    await open_window(running)
    await (await running.officer("51")).call(limiting())
    await running.enrollment.stop()
    there = await running.caller("portal", other.port, person.token)
    again = there.start(pb.WatchPlaceRequest(session_code="22.1"))
    place = await next_place(again)
    while place is not None and place.state != ADMITTED:
        place = await next_place(again)
    assert place is not None
    assert place.admission_pass
    assert (await showing(there, place.admission_pass).call(submission())).order.county_code
    stream.cancel()


async def test_a_room_that_is_quiet_is_open_for_all(
    make_database: MakeDatabase, tmp_path: Path
) -> None:
    """A second after the last one was let in nobody needs a pass, and who watches is told so."""
    session = session_with_room()
    window = session.windows[0]
    assert window.waiting_room is not None
    quiet = replace(window.waiting_room, quiet=timedelta(seconds=1))
    session = replace(session, windows=(replace(window, waiting_room=quiet),))
    async with held_room(make_database, tmp_path, [candidate(1), candidate(2)], session) as room:
        first, second = await room.candidate(1), await room.candidate(2)
        await join(first)
        await open_window(room)
        await (await room.officer("51")).call(limiting())
        await until_place(first, OPEN)
        assert (await join(second)).state == OPEN
        assert (await second.call(submission())).order.county_code
        # An office that holds admission makes it a room again.
        await (await room.officer("51")).call(limiting(hold=True))
        await until_place(first, ADMITTED)
        third = submission(("00001",))

        async def needed() -> bool:
            return (await first.refused(third)).reason == "ADMISSION_PASS_NEEDED"

        await until(needed)


async def test_a_room_that_is_taken_away_leaves_nobody_in_the_dark(
    make_database: MakeDatabase, tmp_path: Path
) -> None:
    """The lever of an emergency: all who wait are told that it is open, by stream and by asking.

    Who waits in the other track's room goes on waiting, until nobody may enter it any more.
    """
    both = two_rooms()
    people = [candidate(1), candidate(2), on_track(3, Track.APPLIED)]
    async with held_room(make_database, tmp_path, people, both) as room:
        one, two, three = [await room.candidate(number) for number in (1, 2, 3)]
        for each in (one, two, three):
            await join(each)
        await open_window(room)
        await until_place(one, QUEUED)
        own = watch(one)
        place = await next_place(own)
        assert place is not None
        assert place.state == QUEUED
        async with places_stream(room) as stream:
            await stream.send(watched(room, 2), watched(room, 3))
            await stream.until(QUEUED, "2", "3")
            social = replace(both.windows[0], waiting_room=None)
            await apply_session(room, replace(both, windows=(social, both.windows[1])))
            place = await next_place(own)
            assert place is not None
            assert (place.state, place.admission_pass) == (OPEN, "")
            assert await next_place(own) is None
            await stream.until(OPEN, "2")
            assert (await place_of(two)).state == (await join(two)).state == OPEN
            assert (await one.call(submission())).order.county_code
            assert stream.state("3") == (await place_of(three)).state == QUEUED
            await room.move_clock(both.windows[1].closes_at)
            while not stream.places["3"].HasField("error"):
                assert await stream.read()
            assert stream.places["3"].error.reason == "UNAVAILABLE"


async def test_two_officers_say_how_many_are_let_in(
    make_database: MakeDatabase, tmp_path: Path
) -> None:
    """With dual control the second one decides; it is audited with what was before."""
    session = session_with_room(policies=Policies(dual_control=True))
    async with held_room(make_database, tmp_path, [candidate(1)], session) as room:
        first, second = await room.officer("51", new_id()), await room.officer("51", new_id())
        request = limiting(300)
        proposed = (await first.call(request)).action
        assert proposed.state == PENDING
        assert await limits(room) == [(None, True)]
        assert (await first.call(request)).action == proposed
        request.limit.hold = True
        assert (await first.refused(request)).reason == "REQUEST_ID_REUSED"
        assert (await first.refused(decision(proposed))).reason == "SECOND_OFFICER_NEEDED"
        assert (await second.call(decision(proposed))).action.state == DONE
        assert await limits(room) == [(300.0, False)]
        entries = await (await room.auditor()).call(
            audit.ListOfficeAuditEntriesRequest(county_prefix="51")
        )
        entry = next(e for e in entries.entries if e.action == "confirm_set_admission_rate")
        before, after = json.loads(entry.before_json), json.loads(entry.after_json)
        assert before == {"track": "social", "per_second": 0, "hold": True}
        assert after.items() > {"track": "social", "per_second": 300, "hold": False}.items()

        applied = limiting(300, track=types.TRACK_APPLIED)
        refused = await first.refused(applied)
        assert refused.reason == "INVALID_REQUEST"
        assert [each.field for each in refused.fields] == ["limit.track"]
        unknown = limiting(300)
        unknown.session_code = "99.1"
        assert (await first.refused(unknown)).reason == SESSION_UNKNOWN
        await apply_session(room, later(session_with_room()))
        closed = limiting(300)
        closed.session_code = "22.2"
        assert (await first.refused(closed)).reason == "WAITING_ROOM_CLOSED"
        await first.call(limiting(200))
        await room.rows(HUNDRED_PENDING)
        assert (await first.refused(limiting(300))).reason == "TOO_MANY_PENDING_ACTIONS"


def later(session: Session) -> Session:
    """Another session, whose room has not opened."""
    begin = OPENS_AT + timedelta(hours=3)
    window = replace(session.windows[0], opens_at=begin)
    return replace(session, code="22.2", windows=(window,))


async def limits(room: Installation) -> list[tuple[float | None, bool]]:
    """What an office has said, as it is stored."""
    rows = await room.rows("SELECT ceiling, held FROM enrollment.waiting_room")
    return [(row["ceiling"], row["held"]) for row in rows]
