"""A session with a waiting room, and what candidates and tests do in one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from support.enrollment_people import apply_session, save_candidates
from support.enrollment_service import Installation, installation
from support.enrollment_sessions import OPENS_AT, small_session
from support.service import Caller, until
from support.service_databases import MakeDatabase
from zikao.enrollment.v1 import types_pb2 as types
from zikao.enrollment.v1 import waiting_room_service_pb2 as rooms
from zikao_enrollment.domain.orders import ACTIVE, Candidate
from zikao_enrollment.domain.timetable import Session, Track, WaitingRoom
from zikao_enrollment.names import SCHEMA
from zikao_kit.context import ADMISSION_PASS_KEY

ROOM = WaitingRoom(
    opens_before=timedelta(minutes=30),
    pass_life=timedelta(minutes=10),
    max_per_second=0,
    quiet=timedelta(minutes=1),
)
EARLY = OPENS_AT - timedelta(minutes=10)
AFTER = OPENS_AT + timedelta(seconds=5)
WAITING, QUEUED, ADMITTED, LAPSED, OPEN = (
    rooms.PLACE_STATE_WAITING,
    rooms.PLACE_STATE_QUEUED,
    rooms.PLACE_STATE_ADMITTED,
    rooms.PLACE_STATE_LAPSED,
    rooms.PLACE_STATE_OPEN,
)


def session_with_room(seats: int = 100, **changes: Any) -> Session:
    """The small session with a room before its window."""
    session = small_session(seats)
    window = replace(session.windows[0], waiting_room=ROOM)
    return replace(session, **{"windows": (window,)} | changes)


def two_rooms() -> Session:
    """The session with a room for each of two tracks."""
    session = session_with_room()
    social = session.windows[0]
    later = social.closes_at + timedelta(hours=1)
    applied = replace(social, track=Track.APPLIED)
    return replace(session, windows=(replace(social, closes_at=later), applied))


@asynccontextmanager
async def waiting_room(
    make_database: MakeDatabase,
    folder: Path,
    candidates: list[Candidate],
    session: Session | None = None,
) -> AsyncIterator[Installation]:
    """An installation ten minutes before the opening, whose rooms admit nobody by themselves."""
    dsn = await make_database(SCHEMA)
    await save_candidates(dsn, candidates)
    async with installation(dsn, folder, EARLY) as running:
        await apply_session(running, session or session_with_room())
        await until_opened(running)
        yield running


async def until_opened(running: Installation) -> None:
    """Wait until the room is there, and lead it: nobody is admitted but by the test."""

    async def opened() -> bool:
        led = await running.rows(
            "UPDATE enrollment.waiting_room"
            " SET leader = gen_random_uuid(), leader_until = 'infinity' RETURNING 1"
        )
        return bool(led)

    await until(opened)


async def open_window(running: Installation) -> None:
    """Move the clock behind the opening, and wait until the order is drawn."""
    await running.move_clock(AFTER)

    async def drawn() -> bool:
        rows = await running.rows("SELECT 1 FROM enrollment.waiting_room WHERE fresh IS NOT NULL")
        return bool(rows)

    await until(drawn)


async def join(person: Caller) -> rooms.Place:
    """The place that a candidate gets."""
    request = rooms.JoinWaitingRoomRequest(session_code="22.1")
    place: rooms.Place = (await person.call(request)).place
    return place


async def place_of(person: Caller) -> rooms.Place:
    """How a candidate's place stands."""
    place: rooms.Place = (await person.call(rooms.GetPlaceRequest(session_code="22.1"))).place
    return place


async def until_place(person: Caller, state: rooms.PlaceState.ValueType) -> rooms.Place:
    """Wait until a candidate's place stands so."""

    async def stands() -> rooms.Place | None:
        place = await place_of(person)
        return place if place.state == state else None

    found: rooms.Place = await until(stands)
    return found


async def draw_of(running: Installation, session_code: str = "22.1") -> rooms.GetDrawResponse:
    """What a draw is made of, as anybody sees it."""
    anybody = await running.caller("portal")
    request = rooms.GetDrawRequest(session_code=session_code, track=types.TRACK_SOCIAL)
    found: rooms.GetDrawResponse = await anybody.call(request)
    return found


async def admit(running: Installation, until_number: int) -> None:
    """Admit all numbers up to one, as the process does that leads."""
    await running.rows(
        "WITH room AS (UPDATE enrollment.waiting_room AS new SET admitted_until = $1"
        " FROM enrollment.waiting_room AS old WHERE old.session_code = new.session_code"
        " AND old.track = new.track RETURNING new.session_code, new.track, old.admitted_until)"
        " INSERT INTO enrollment.waiting_admission"
        " (session_code, track, admitted_from, admitted_until, admitted_at)"
        " SELECT session_code, track, admitted_until, $1, $2 FROM room",
        until_number,
        running.now(),
    )


def showing(person: Caller, admission_pass: str) -> Caller:
    """A candidate who shows a pass with every call."""
    return person.showing(ADMISSION_PASS_KEY, admission_pass)


def on_track(number: int, track: Track) -> Candidate:
    """An active candidate of a track."""
    return Candidate(UUID(int=number), track, ACTIVE, "")


async def plant_room(running: Installation) -> None:
    """A room in which two were drawn and one has come late, all but the last admitted."""
    for sql in (
        "INSERT INTO enrollment.waiting_room (session_code, track, state, committed, fresh,"
        " pass_key, drawn_count, late_count, admitted_until, opened_at, drawn_at)"
        " VALUES ('22.1', 'social', 'admitting', sha256('a'), sha256('b'), sha256('c'), 2, 1, 2,"
        " now(), now())",
        "INSERT INTO enrollment.waiting_place"
        " (session_code, track, candidate_id, drawn, late_number, late_turns, joined_at)"
        " SELECT '22.1', 'social', gen_random_uuid(), late = 0, nullif(late, 0), late, now()"
        " FROM unnest(ARRAY[0, 0, 1]) AS late",
        "INSERT INTO enrollment.waiting_admission VALUES ('22.1', 'social', 0, 2, now())",
    ):
        await running.rows(sql)
