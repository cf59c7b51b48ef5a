"""`zikao office` against two services that have acts of offices."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest
from support.commands import Command
from support.enrollment_offices import capacities
from support.enrollment_people import NOON, apply_session
from support.enrollment_service import Installation as Enrollment
from support.enrollment_service import installation as enrollment_installation
from support.enrollment_sessions import small_session
from support.service import free_port, new_id
from support.service_databases import MakeDatabase
from support.tickets_database import SESSION
from support.tickets_offices import officer, room_use, rows
from support.tickets_peers import COUNTY
from support.tickets_service import TOKEN_KEY, TOKEN_KEY_ID, Installation, tickets_installation
from zikao_ctl.office_command import Deciding
from zikao_enrollment.domain.timetable import Policies


@dataclass
class World:
    """Both services, under dual control and one authority, and officers with tokens in files."""

    tickets: Installation
    enrollment: Enrollment
    command: Command
    folder: Path

    def token_file(self, subject: str = "") -> Path:
        """The access token of an officer of the county."""
        file = self.folder / new_id()
        file.write_text(
            self.tickets.token(UUID(subject or new_id()), "county_officer", COUNTY), "utf-8"
        )
        return file


@pytest.fixture
async def world(make_database: MakeDatabase, tmp_path: Path) -> AsyncIterator[World]:
    """A published county; whoever signs tokens for tickets does so for enrollment."""
    (tmp_path / "ca").mkdir()
    (tmp_path / "certs").symlink_to(tmp_path / "ca")
    dsn = await make_database("enrollment")
    connection = await asyncpg.connect(dsn)
    trust = "INSERT INTO enrollment.trusted_key VALUES ($1, $2)"
    await connection.execute(trust, TOKEN_KEY_ID, TOKEN_KEY.public_key().public_bytes_raw())
    await connection.close()
    async with (
        tickets_installation(tmp_path, await make_database("tickets")) as tickets,
        enrollment_installation(dsn, tmp_path, NOON) as enrollment,
    ):
        dual = replace(small_session(), policies=Policies(dual_control=True))
        await apply_session(enrollment, dual)
        tickets.peers.register(UUID(int=1), "张三", b"photo")
        tickets.peers.enroll(UUID(int=1), (1, "00015"))
        await tickets.published_county()
        await tickets.apply(replace(SESSION, dual_control=True))
        targets = {"tickets": tickets.port, "enrollment": enrollment.enrollment_port}
        yield World(tickets, enrollment, Command("office", tmp_path / "ca", targets), tmp_path)


async def test_a_second_officer_sees_and_decides_what_waits(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Acts of both services in one list; each is found by its id, and a repetition is the same."""
    first_id = new_id()
    first = officer(world.tickets, COUNTY, first_id)
    room = (await first.call(room_use("001"))).action
    desk = await world.enrollment.officer(COUNTY)
    seats = (await desk.call(capacities((COUNTY, 1, 5), prefix=COUNTY))).action
    mine, second = world.token_file(first_id), world.token_file()
    waiting = ("list", "--county", COUNTY, "--session", "22.1")
    found = (await world.command.run(*waiting, "--json", token_file=second)).json
    assert [each["service"] for each in found] == ["tickets", "enrollment"]
    assert [each["action_id"] for each in found] == [room.action_id, seats.action_id]
    table = (await world.command.run(*waiting, "--of", "tickets", token_file=second)).output
    assert "漏水" in table
    assert "seats of" not in table

    own = await world.command.run("confirm", room.action_id, token_file=mine)
    assert (own.exit_code, "SECOND_OFFICER_NEEDED" in own.output) == (1, True)
    for _ in range(2):
        confirmed = await world.command.run("confirm", seats.action_id, token_file=second)
        assert confirmed.output == f"seats of {COUNTY} slot 1: 5: done\n"
    refused = await world.command.run("reject", seats.action_id, token_file=second)
    assert (refused.exit_code, "ACTION_DECIDED" in refused.output) == (1, True)
    rejected = await world.command.run("reject", room.action_id, token_file=mine)
    assert rejected.output == "room A/001 is closed: 漏水: rejected\n"
    (use,) = await rows(world.tickets, "SELECT use FROM tickets.room WHERE room_code = '001'")
    assert use["use"] == "normal"

    assert (await world.command.run(*waiting, "--json", token_file=second)).json == []
    monkeypatch.setattr(Deciding, "patience_seconds", 0.1)
    await _one_is_away(world, waiting, second, act=room.action_id, done=seats.action_id)
    everything = await world.command.run(*waiting, "--state", "all", "--json", token_file=second)
    states = {each["action_id"]: each["state"].rsplit("_", 1)[-1] for each in everything.json}
    assert (states[room.action_id], states[seats.action_id]) == ("REJECTED", "DONE")
    unknown = new_id()
    nothing = await world.command.run("confirm", unknown, token_file=second)
    assert (nothing.exit_code, nothing.last_line) == (
        1,
        f"Error: there is no act {unknown}, or not any more what it is about",
    )
    nobody = await world.command.run(*waiting)
    assert (nobody.exit_code, "TOKEN_INVALID" in nobody.output) == (1, True)


async def _one_is_away(
    world: World, waiting: tuple[str, ...], token: Path, *, act: str, done: str
) -> None:
    """What the other has is shown, and who is away is said."""
    targets = {"tickets": free_port(), "enrollment": world.enrollment.enrollment_port}
    command = Command("office", world.folder / "ca", targets)
    found = await command.run(*waiting, "--state", "done", token_file=token)
    assert (found.exit_code, done in found.output) == (3, True), found.output
    assert found.last_line.startswith("tickets is away: UNAVAILABLE")
    unknown = await command.run("confirm", act, token_file=token)
    assert (unknown.exit_code, unknown.last_line[:22]) == (1, "Error: tickets is away")
