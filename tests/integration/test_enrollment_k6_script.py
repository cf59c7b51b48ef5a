"""tests/load/opening.js against a real service, in a JavaScript engine that is not k6."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from uuid import UUID

import asyncpg
from support.enrollment_database import candidate
from support.enrollment_people import JINJIANG, QINGYANG, open_enrollment
from support.enrollment_rooms import admit, open_window, waiting_room
from support.enrollment_service import Installation
from support.enrollment_sessions import small_session
from support.k6_engine import K6Engine
from support.service import until
from support.service_databases import MakeDatabase
from zikao_kit.context import ADMISSION_PASS_KEY, TIMEOUT_KEY

SEATED = {"candidates_answered": 1, "seats_taken": 1, "journey": 1}
SCRIPT = Path(__file__).parents[1] / "load" / "opening.js"
END_WHO_WAITS = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE datname = current_database() AND wait_event_type = 'Lock'"
)
# A script that counts on its own pause would come after a tenth of a second.
SHORTEST_PUSHBACK_SECONDS = 0.4
WISHES = [
    {"course_codes": ["00001", "00003"], "county_codes": [JINJIANG]},
    {"course_codes": ["00001"], "county_codes": [JINJIANG, QINGYANG]},
    {"course_codes": ["00001"], "county_codes": [JINJIANG]},
]


def prepared(running: Installation, folder: Path, **settings: str) -> dict[str, str]:
    """What k6 would be given: a plan of three candidates, their tokens, a system's certificate."""
    load = folder / "load"
    load.mkdir()
    plan = {
        "session_code": "22.1",
        "candidates": len(WISHES),
        "seconds": 30,
        "arrival": [[0, 0], [0.5, 1], [1, 0.5]],
        "wishes": WISHES,
    }
    tokens = [running.token(str(UUID(int=number))) for number in range(1, len(WISHES) + 1)]
    (load / "opening.json").write_text(json.dumps(plan), encoding="utf-8")
    (load / "tokens.json").write_text(json.dumps(tokens), encoding="utf-8")
    running.ca.issue("portal")
    return environment(running, folder) | settings


def environment(running: Installation, folder: Path) -> dict[str, str]:
    """The script's settings."""
    return {
        "FOLDER": str(folder / "load"),
        "CERTS": str(folder / "certs"),
        "TARGET": f"localhost:{running.enrollment_port}",
    }


async def in_engine(
    environment: Mapping[str, str],
    iterations: Sequence[int],
    sleep: Callable[[float], None] = time.sleep,
) -> K6Engine:
    """Run iterations of the script in an engine, in a thread of its own; the engine afterwards."""

    def run() -> K6Engine:
        engine = K6Engine(SCRIPT, environment, sleep)
        try:
            for iteration in iterations:
                engine.iterate(iteration)
        finally:
            engine.close()
        return engine

    return await asyncio.to_thread(run)


async def test_each_has_seats_or_a_refusal_that_stays(
    make_database: MakeDatabase, tmp_path: Path
) -> None:
    """The wish as it stands goes out once; the second county is had, and nothing is a third one.

    One more iteration than there are candidates calls nobody.
    """
    session = small_session(seats=1)
    async with open_enrollment(make_database, tmp_path, session=session) as running:
        engine = await in_engine(prepared(running, tmp_path), [0, 1, 2, 3])
        orders = await running.rows(
            "SELECT county_code, course_codes FROM enrollment.enrollment_order ORDER BY created_at"
        )
    assert [tuple(row) for row in orders] == [
        (JINJIANG, ["00001", "00003"]),
        (QINGYANG, ["00001"]),
    ]
    assert engine.metrics == {"candidates_answered": 3, "seats_taken": 2, "journey": 3}
    assert {held for _, held in engine.checks} == {True}
    assert engine.sleeps == []
    assert [method for method, _, _ in engine.calls] == ["SubmitEnrollment"] * 3
    assert all(metadata[TIMEOUT_KEY] == "5000" for _, _, metadata in engine.calls)


async def test_what_no_candidate_should_hear_fails(
    make_database: MakeDatabase, tmp_path: Path
) -> None:
    """Tokens that are none, in the room and outside, and no connection: none counts as answered."""
    async with open_enrollment(make_database, tmp_path) as running:
        settings = prepared(running, tmp_path)
        (tmp_path / "load" / "tokens.json").write_text('["none", "none"]', encoding="utf-8")
        for room in ("0", "1"):
            engine = await in_engine(settings | {"WAITING_ROOM": room}, [0, 1])
            assert engine.metrics == {"contradictions": 2, "candidates_unanswered": 2}
    engine = await in_engine(settings | {"TARGET": ""}, [0])
    assert engine.metrics == {"candidates_unanswered": 1}


async def test_who_is_sent_away_comes_again(make_database: MakeDatabase, tmp_path: Path) -> None:
    """The database is lost under a call: the script comes again when told, with the same request.

    Where nobody answers it is as patient as it says, which is counted, and fails a check.
    """
    slept: list[float] = []
    async with open_enrollment(make_database, tmp_path) as running:
        others = await asyncpg.connect(running.dsn)
        async with others.transaction():
            await others.execute("SELECT FROM enrollment.candidate FOR UPDATE")
            away = asyncio.create_task(in_engine(prepared(running, tmp_path), [0], slept.append))

            async def lost() -> bool:
                return bool(await running.rows(END_WHO_WAITS))

            await until(lost)
        await others.close()
        engine = await away
        assert [request for _, request, _ in engine.calls] == [engine.calls[0][1]] * 2
        assert slept[0] >= SHORTEST_PUSHBACK_SECONDS, "the server's pause counts, not the own"
        assert engine.metrics == {"calls_sent_away": 1} | SEATED
        await running.enrollment.stop()
        impatient = environment(running, tmp_path) | {"PATIENCE_MS": "300"}
        engine = await in_engine(impatient, [0])
    assert engine.metrics["candidates_unanswered"] == 1
    assert engine.checks["the candidate has an answer", False] == 1


async def test_the_waiting_room_comes_first(make_database: MakeDatabase, tmp_path: Path) -> None:
    """Join, ask again when told, and submit with the pass once it is the candidate's turn."""
    people = [candidate(number) for number in (1, 2, 3)]
    async with waiting_room(make_database, tmp_path, people) as running:
        await open_window(running)

        def let_one_in(_seconds: float) -> None:
            """Admit whoever sleeps for the first time; then let the service read that."""
            if not admitted:
                asyncio.run(admit(running, 1))
            admitted.append(1)
            time.sleep(0.05)

        admitted: list[int] = []
        engine = await in_engine(prepared(running, tmp_path, WAITING_ROOM="1"), [0], let_one_in)
    methods = [method for method, _, _ in engine.calls]
    assert methods[0] == "JoinWaitingRoom"
    assert methods[1:-1] == ["GetPlace"] * (len(methods) - 2) != []
    assert methods[-1] == "SubmitEnrollment"
    assert [ADMISSION_PASS_KEY in metadata for _, _, metadata in engine.calls[-2:]] == [False, True]
    assert min(engine.sleeps) >= 2, "who waits asks no more often than it is told"
    assert engine.metrics == SEATED
