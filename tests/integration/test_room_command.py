"""`zikao room` beside a session with a waiting room."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from support.commands import Command, Ended, run_command
from support.enrollment_database import candidate
from support.enrollment_people import apply_session
from support.enrollment_rooms import join, session_with_room, waiting_room
from support.enrollment_service import Installation
from support.service import new_id
from support.service_databases import MakeDatabase
from zikao_enrollment.domain.timetable import Policies


async def shown(running: Installation, *words: str) -> Ended:
    """What `zikao room show` says."""
    where = ["--session", "22.1", "--database-url", running.dsn]
    return await run_command(["room", "show", *where, *words])


async def test_an_office_sees_a_room_and_bounds_what_it_lets_in(
    make_database: MakeDatabase, tmp_path: Path
) -> None:
    """What was said is in force, what a dry run would do is not; a track without a room is named.

    Under dual control it waits, and changes nothing.
    """
    people = [candidate(number) for number in (1, 2)]
    async with waiting_room(make_database, tmp_path, people) as running:
        running.ca.issue("portal")
        token = tmp_path / "token"
        token.write_text(running.token(new_id(), "province_officer"), "utf-8")
        command = Command("room", tmp_path / "certs", {"enrollment": running.enrollment_port})

        async def limit(*words: str, track: str = "social") -> Ended:
            asked = ("limit", "--session", "22.1", "--track", track, "--caller", "portal")
            return await command.run(*asked, *words, token_file=token)

        await join(await running.candidate(1))
        (room,) = (await shown(running, "--json")).json
        assert (room["track"], room["state"], room["waiting"]) == ("social", "waiting", 1)
        assert (room["admitted"], room["is_led"], room["ceiling"]) == (0, True, None)
        dry = await limit("--per-second", "40", "--dry-run")
        assert dry.output == (
            "the waiting room of social candidates admits at most 40 a second: would be asked for\n"
        )
        assert "as finished" in (await shown(running)).output
        done = await limit("--per-second", "40")
        assert (
            done.output
            == "the waiting room of social candidates admits at most 40 a second: done\n"
        )
        assert "40/s" in (await shown(running)).output
        assert (await limit("--hold")).output.endswith("admits nobody: done\n")
        assert "held" in (await shown(running)).output
        assert (await limit("--as-finished")).output.endswith("as many as are finished: done\n")
        nowhere = await limit("--hold", track="applied")
        assert (nowhere.exit_code, "no such waiting room" in nowhere.output) == (1, True)
        assert (await limit()).exit_code == 2

        await apply_session(
            running, replace(session_with_room(), policies=Policies(dual_control=True))
        )
        assert "waits for a second officer: act" in (await limit("--hold")).output
        (room,) = (await shown(running, "--json")).json
        assert not room["held"]
