"""`zikao arrange` against a running service, and its verification of what was exported."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

import pytest
from click.testing import CliRunner
from support.service import new_id
from support.service_databases import MakeDatabase
from support.tickets_database import CLOSED
from support.tickets_offices import rows
from support.tickets_peers import COUNTY
from support.tickets_service import Installation, tickets_installation
from zikao_ctl.arrange_command import DIFFERS
from zikao_ctl.main import main

LOG = re.compile(r"\d{4}-\d\d-\d\d \d\d:")


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


class Ended(NamedTuple):
    """What a command has come to."""

    exit_code: int
    output: str


class Command:
    """The command as an operator calls it, or an officer with a token."""

    def __init__(self, service: Installation, folder: Path) -> None:
        self._where = (
            *("--tickets", f"127.0.0.1:{service.port}"),
            *("--certs", str(service.ca.issue("operator").cert_file.parent)),
        )
        self.token_file = folder / "token"
        self.token_file.write_text(service.token(UUID(new_id()), "county_officer", COUNTY))

    async def run(self, *words: str) -> Ended:
        """Run `zikao arrange`; it has an event loop of its own."""
        arguments = ["arrange", *words, *(self._where if "--verify" not in words else ())]
        result = await asyncio.to_thread(CliRunner().invoke, main, arguments)
        # The service, which runs beside it, writes its log there, too.
        lines = result.output.splitlines(keepends=True)
        return Ended(result.exit_code, "".join(line for line in lines if not LOG.match(line)))


async def test_a_county_goes_from_start_to_verification(
    service: Installation, tmp_path: Path
) -> None:
    """Started, watched, listed, published, exported and drawn again: all by the command."""
    command, area = Command(service, tmp_path), ("--session", "22.1", "--county", COUNTY)
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
    token = ("--token-file", str(command.token_file))
    published = await command.run("publish", *area, *token)
    assert published.output == "1 counties are published\n"
    listed = (await command.run("list", *area)).output
    assert "published" in listed
    (found,) = await rows(service, "SELECT arrangement_id FROM tickets.arrangement")
    file = tmp_path / "arrangement.jsonl"
    exported = await command.run("export", str(found[0]), "--out", str(file))
    assert f"{file}: 20 seats" in exported.output
    verified = await command.run("--verify", str(file), "--solve")
    assert verified.output.endswith(
        "20 seats are as they are drawn; 1 rooms, at least 1 are needed\n"
    )

    newcomer = UUID(int=21)
    service.peers.register(newcomer, "李四", b"photo")
    service.peers.enroll(newcomer, (1, "00015"))
    await service.arrive()
    late = await service.publish((await service.arranged()).arrangement_id)
    assert (late.changed, late.moved, late.sittings) == (1, 0, 21)
    await command.run("export", late.arrangement_id, "--out", str(file))
    verified = await command.run("--verify", str(file), "--solve")
    assert verified.output.startswith("21 seats are as they are drawn")


async def test_what_was_changed_does_not_verify(service: Installation, tmp_path: Path) -> None:
    """Two people who changed seats, another seed, a proof that proves too much, half a file."""
    command = Command(service, tmp_path)
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
    command = Command(service, tmp_path)
    service.peers.enrollment_is_silent = True
    started = await command.run("start", "--session", "22.1", "--no-watch")
    operation_id = started.output.split()[1].rstrip(":")
    cancelled = await command.run("cancel", operation_id)
    assert cancelled.output == "1 cancelled, 0 about to end\n"
    assert (await command.run("cancel")).exit_code == 2
