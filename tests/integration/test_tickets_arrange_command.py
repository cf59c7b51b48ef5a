"""`zikao arrange` against a running service, and its verification of what was exported."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from support.commands import Command
from support.service import new_id, until
from support.service_databases import MakeDatabase
from support.tickets_database import CLOSED, SESSION, SITE
from support.tickets_offices import rows
from support.tickets_peers import COUNTY
from support.tickets_service import Installation, tickets_installation
from zikao_ctl.arrange_command import DIFFERS
from zikao_ctl.arrange_verify import HASH_NOT_GIVEN

OTHER = "510105"
OTHER_SITE: dict[str, Any] = {"code": "B", "county_code": OTHER}


@pytest.fixture
async def service(tmp_path: Path, make_database: MakeDatabase) -> AsyncIterator[Installation]:
    """A county with twenty candidates, ready to be arranged."""
    async with tickets_installation(tmp_path, await make_database("tickets")) as running:
        for number in range(1, 21):
            running.peers.register(UUID(int=number), "张三", b"photo")
            running.peers.enroll(UUID(int=number), (1, "00015"))
        await running.apply()
        await running.move_to(CLOSED)
        await running.arrive()
        yield running


@asynccontextmanager
async def publishing_stands(service: Installation) -> AsyncIterator[None]:
    """Nobody publishes meanwhile: somebody else has the lock of each county."""
    connection = await asyncpg.connect(service.config.database.dsn)
    try:
        async with connection.transaction():
            for county in (COUNTY, OTHER):
                await connection.execute(
                    "SELECT pg_advisory_xact_lock("
                    "hashtextextended('tickets.publish:22.1:' || $1, 0))",
                    county,
                )
            yield
    finally:
        await connection.close()


def command_of(service: Installation) -> Command:
    """The command as an operator calls it, or an officer with a token."""
    certs = service.ca.issue("operator").cert_file.parent
    return Command("arrange", certs, {"tickets": service.port})


def token_of(service: Installation, folder: Path, scope: str) -> Path:
    """An officer's access token."""
    file = folder / f"token-{scope}"
    role = "county_officer" if len(scope) == 6 else "city_officer"
    file.write_text(service.token(UUID(new_id()), role, scope))
    return file


async def test_a_county_goes_from_start_to_verification(
    service: Installation, tmp_path: Path
) -> None:
    """Started, watched, listed, published, exported and drawn again: all by the command."""
    command, area = command_of(service), ("--session", "22.1", "--county", COUNTY)
    dry = await command.run("start", *area, "--dry-run")
    assert dry.output == "1 counties would be started\n"
    started = await command.run("start", *area)
    assert started.exit_code == 0, started.output
    operation_id = started.output.split()[1].rstrip(":")
    assert "考场1（至少1）" in (await command.run("watch", operation_id)).output
    done = await command.run("cancel", operation_id)
    assert (done.exit_code, "STATE_NOT_ALLOWED" in done.output) == (1, True)
    nobody = await command.run("publish", *area)
    assert (nobody.exit_code, "TOKEN_INVALID" in nobody.output) == (1, True)
    token = token_of(service, tmp_path, COUNTY)
    dry = await command.run("publish", *area, "--dry-run", token_file=token)
    assert dry.output == "1 counties would be published\n"
    assert "published" not in (await command.run("list", *area)).output
    published = await command.run("publish", *area, token_file=token)
    assert published.last_line == "1 counties are published"
    listed = (await command.run("list", *area)).output
    assert "published" in listed
    (found,) = await rows(service, "SELECT arrangement_id, seed_sha256 FROM tickets.arrangement")
    known = found["seed_sha256"].hex()
    assert f"{COUNTY} {found[0]} SHA-256 of the seed: {known}\n" in listed
    file = tmp_path / "arrangement.jsonl"
    exported = await command.run("export", str(found[0]), "--out", str(file))
    assert f"{file}: 20 seats" in exported.output
    right = "20 seats are as they are drawn; 1 rooms, at least 1 are needed\n"
    verified = await command.run("--verify", str(file), "--solve", "--seed-sha256", known.upper())
    assert verified == (0, right)
    own = await command.run("--verify", str(file))
    assert own == (0, f"NOT PROVEN: {HASH_NOT_GIVEN}\n{right}")
    other = await command.run("--verify", str(file), "--seed-sha256", "0" * 64)
    assert other == (
        DIFFERS,
        "WRONG: the hash of the seed is not the one that was published before\n",
    )
    assert (await command.run("--verify", str(file), "--seed-sha256", "0" * 63)).exit_code == 2

    newcomer = UUID(int=21)
    service.peers.register(newcomer, "李四", b"photo")
    service.peers.enroll(newcomer, (1, "00015"))
    await service.arrive()
    late = await service.publish((await service.arranged()).arrangement_id)
    assert (late.changed, late.moved, late.sittings) == (1, 0, 21)
    await command.run("export", late.arrangement_id, "--out", str(file))
    hashed = ("--seed-sha256", late.seed_sha256.hex())
    verified = await command.run("--verify", str(file), "--solve", *hashed)
    base = await service.arrangement(str(found[0]))
    assert verified.output == (
        f"NOT PROVEN: that the seats it keeps were in force: verify {found[0]}, too, whose"
        f" seats_sha256 must be {base.seats_sha256.hex()}\n"
        "21 seats are as they are drawn; 1 rooms\n"
    )


async def test_publishing_is_waited_for_while_it_moves(
    service: Installation, tmp_path: Path
) -> None:
    """Two counties are published by the service: the command waits, but not without end."""
    await service.apply(replace(SESSION, dual_control=True), SITE, replace(SITE, **OTHER_SITE))
    service.peers.register(UUID(int=22), "王五", b"photo")
    service.peers.enroll(UUID(int=22), (1, "00015"), county=OTHER)
    await service.arrive()
    command, area = command_of(service), ("--session", "22.1", "--county", "5101")
    await command.run("start", *area)
    token = token_of(service, tmp_path, "5101")
    dry = await command.run("publish", *area, "--dry-run", token_file=token)
    assert dry.output == "2 counties would be published, by a second officer\n"
    waits = await command.run("publish", *area, token_file=token)
    assert waits.output.startswith("2 counties wait for a second officer: act ")
    assert await command.run("publish", *area, token_file=token) == waits
    await service.apply_settings(SESSION)
    async with publishing_stands(service):
        stopped = await command.run("publish", *area, "--patience", "0", token_file=token)
    assert stopped.exit_code == DIFFERS
    assert stopped.output.endswith(
        "0 counties are published\n2 are still to be: zikao arrange list shows when they are\n"
    )

    async def published() -> bool:
        return (await command.run("list", *area)).output.count("published") == 2

    await until(published)
    await command.run("start", *area, "--anew")
    ended = await command.run("publish", *area, token_file=token)
    assert ended.last_line == "2 counties are published"
    assert "发布" in ended.output
    assert "2/2" in ended.output


async def test_what_was_changed_does_not_verify(service: Installation, tmp_path: Path) -> None:
    """Two people who changed seats, another seed, a proof that proves too much, half a file."""
    command = command_of(service)
    published = await service.publish((await service.arranged()).arrangement_id)
    file = tmp_path / "arrangement.jsonl"
    await command.run("export", published.arrangement_id, "--out", str(file))
    head, seats = map(json.loads, file.read_text("utf-8").splitlines())
    swapped = json.loads(json.dumps(seats))
    first, second, *_ = swapped["seats"]
    first[3], second[3] = second[3], first[3]
    bolder = json.loads(json.dumps(head))
    bolder["plan"]["proofs"][0][2] += 1
    for changed_head, changed_seats, problem in (
        (head, swapped, "2 seats are not as they are drawn"),
        (head | {"seed": "00" * 32}, seats, "not the one whose hash was published"),
        (head | {"seed": ""}, seats, "the seed is not revealed yet"),
        (bolder, seats, "slot 1: that no fewer rooms do is not proven"),
        (head | {"seats_sha256": ""}, seats, "not those that were checked"),
        (head | {"accessible": [str(UUID(int=1))]}, seats, "the draw cannot be done again"),
    ):
        file.write_text(f"{json.dumps(changed_head)}\n{json.dumps(changed_seats)}\n")
        found = await command.run("--verify", str(file))
        assert (found.exit_code, problem in found.output) == (DIFFERS, True), found.output
    file.write_text('{"format": "zikao arrangement 1"}\n')
    assert (await command.run("--verify", str(file))).exit_code == 1


async def test_what_waits_is_cancelled(service: Installation, tmp_path: Path) -> None:
    """An operation that waits ends by the command; one of two things must be named."""
    command = command_of(service)
    service.peers.enrollment_is_silent = True
    started = await command.run("start", "--session", "22.1", "--no-watch")
    operation_id = started.output.split()[1].rstrip(":")
    cancelled = await command.run("cancel", operation_id)
    assert cancelled.output == "1 cancelled, 0 about to end\n"
    assert (await command.run("cancel")).exit_code == 2
