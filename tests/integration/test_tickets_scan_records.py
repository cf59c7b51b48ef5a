"""What is on record as a scan, and what not: nobody plants scans at doors they are not at.

And `zikao scans`, which brings a file of a scanner without a network, and shows who was seen twice.
"""

import asyncio
import csv
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
import pytest_asyncio
from support.commands import Command
from support.service import new_id
from support.service_databases import ServiceDatabases
from support.tickets_database import MORNING
from support.tickets_door import (
    LI,
    ROOM,
    SITE,
    WANG,
    ZHANG,
    DoorWorld,
    at_door,
    door_world,
    offline,
)
from support.tickets_offices import officer, rows
from support.tickets_peers import COUNTY, ticket_number
from zikao.tickets.v1 import office_ticket_service_pb2 as offices
from zikao.tickets.v1 import types_pb2 as types
from zikao.tickets.v1 import verification_service_pb2 as door
from zikao_ctl.options import ROWS_REFUSED
from zikao_ctl.scan_upload import SCANS_PER_MESSAGE
from zikao_ctl.scans_file import COLUMNS

pytestmark = pytest.mark.asyncio(loop_scope="module")

MINUTE = timedelta(minutes=1)
Row = Sequence[str]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(
    service_databases: ServiceDatabases, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[DoorWorld]:
    """Three people who have printed."""
    async with door_world(service_databases, tmp_path_factory.mktemp("planted")) as it:
        yield it


async def test_the_id_of_another_scan_is_refused(world: DoorWorld) -> None:
    """A device that numbers its scans anew would leave no trace: nobody gets in with it."""
    slot, taken = world.slot(), new_id()
    await world.scanned(ZHANG, slot, scan_id=taken)
    for person, changes in ((LI, {}), (ZHANG, {"room": "002"}), (ZHANG, {"after": MINUTE})):
        scan = at_door(slot, scan_id=taken, **changes)
        request = door.VerifyTicketRequest(proof=world.proofs[person], scan=scan)
        assert (await world.scanner.refused(request)).reason == "SCAN_ID_REUSED"
    kept = await rows(world.service, "SELECT room_code FROM tickets.scan WHERE slot = $1", slot)
    assert [row["room_code"] for row in kept] == [ROOM]
    said = "SELECT verdict FROM tickets.verification ORDER BY verification_id DESC LIMIT 4"
    verdicts = [row["verdict"] for row in await rows(world.service, said)]
    assert verdicts == ["SCAN_ID_REUSED"] * 3 + ["ACCEPTED"]


async def test_whoever_may_not_look_plants_no_scan(world: DoorWorld) -> None:
    """An officer of elsewhere leaves no trace at this door, nor with a ticket that was revoked."""
    slot = world.slot()
    stranger = officer(world.service, "510105")
    reissue = offices.ReissueTicketRequest(
        request_id=new_id(),
        session_code="22.1",
        ticket_number=ticket_number(WANG),
        reason=types.TICKET_REASON_LOST,
        note="遗失",
    )
    await officer(world.service).call(reissue)
    for person in (ZHANG, WANG):
        request = door.VerifyTicketRequest(proof=world.proofs[person], scan=at_door(slot))
        assert (await stranger.refused(request)).reason == "OUT_OF_SCOPE"
    kept = "SELECT version FROM tickets.scan WHERE slot = $1"
    assert await rows(world.service, kept, slot) == []
    revoked = door.VerifyTicketRequest(proof=world.proofs[WANG], scan=at_door(slot))
    refused = await officer(world.service).refused(revoked)
    assert refused.metadata["proof_reason"] == "REVOKED"
    assert [row["version"] for row in await rows(world.service, kept, slot)] == [1]


@pytest.mark.parametrize(
    ("slot", "after", "problem"),
    [
        (65, timedelta(0), "UNKNOWN_SLOT"),
        (1, timedelta(days=-1), "WRONG_TIME"),
        (1, timedelta(days=1), "WRONG_TIME"),
        (1, timedelta(days=28_000), "WRONG_TIME"),
        (1, timedelta(minutes=51), "WRONG_TIME"),
    ],
)
async def test_nobody_scans_at_another_time(
    world: DoorWorld, slot: int, after: timedelta, problem: str
) -> None:
    """Another day's scans, and those of the future, would hide the true ones."""
    request = door.VerifyTicketRequest(proof=world.proofs[ZHANG], scan=at_door(slot, after=after))
    refused = await world.scanner.refused(request)
    assert refused.reason == "INVALID_REQUEST"
    field = {"UNKNOWN_SLOT": "scan.slot", "WRONG_TIME": "scan.scanned_at"}[problem]
    assert [each.field for each in refused.fields] == [field]
    answer = await world.upload(offline(world.proofs[ZHANG], slot, after=after))
    assert [each.reason for each in answer.rejected] == [problem]
    kept = "SELECT 1 FROM tickets.scan WHERE slot = $1 AND scanned_at = $2"
    assert await rows(world.service, kept, slot, MORNING + after) == []


def command_of(world: DoorWorld) -> Command:
    """The command, with the scanner's certificate beside the operator's."""
    for name in ("operator", "scanner"):
        certs = world.service.ca.issue(name).cert_file.parent
    return Command("scans", certs, {"tickets": world.service.port})


def scan_row(proof: str, slot: int, *, room: str = ROOM, minutes: float = 0) -> Row:
    """A scan as a device writes it, in local time."""
    at = MORNING.astimezone() + timedelta(minutes=minutes)
    return (new_id(), str(slot), SITE, room, "gate-1", at.isoformat(sep=" "), proof)


def write(path: Path, *found: Row, encoding: str = "utf-8-sig") -> Path:
    """A file with Chinese column names."""
    with path.open("w", encoding=encoding, newline="") as file:
        csv.writer(file).writerows([list(COLUMNS.values()), *found])
    return path


async def test_a_file_is_brought_once(world: DoorWorld, tmp_path: Path) -> None:
    """Checked, brought over several messages, and brought again, which changes nothing."""
    command, slot = command_of(world), world.slot()
    many = SCANS_PER_MESSAGE + 1
    scans = [scan_row(world.proofs[ZHANG], slot, minutes=n / many) for n in range(many)]
    file = write(tmp_path / "gate.csv", *scans, encoding="gb18030")
    dry = await command.run("upload", file, "--dry-run")
    assert (dry.exit_code, dry.output) == (0, f"nothing was sent: {many} scans could be\n")
    counted = "SELECT count(*) FROM tickets.scan WHERE slot = $1"
    assert (await rows(world.service, counted, slot))[0]["count"] == 0
    brought = await command.run("upload", file)
    assert (brought.exit_code, brought.last_line) == (0, f"accepted {many}, known before 0")
    again = await command.run("upload", file)
    assert again.last_line == f"accepted 0, known before {many}"
    assert (await rows(world.service, counted, slot))[0]["count"] == many


@asynccontextmanager
async def cut_once(port: int, after_bytes: int) -> AsyncIterator[int]:
    """A port before the service's, which loses one connection after so much was sent through it."""
    left = after_bytes

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await asyncio.open_connection("127.0.0.1", port)
        both = (pump(reader, there[1], is_sent=True), pump(there[0], writer, is_sent=False))
        await asyncio.wait(map(asyncio.ensure_future, both), return_when=asyncio.FIRST_COMPLETED)
        for end in (writer, there[1]):
            end.transport.abort()

    async def pump(
        source: asyncio.StreamReader, target: asyncio.StreamWriter, *, is_sent: bool
    ) -> None:
        nonlocal left
        while some := await source.read(1 << 14):
            before, left = left, left - len(some) * is_sent
            if left <= 0 < before:
                return
            target.write(some)
            await target.drain()

    server = await asyncio.start_server(relay, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]
        assert left <= 0, "nothing was cut"


async def test_an_upload_goes_on_where_it_was_cut(world: DoorWorld, tmp_path: Path) -> None:
    """A connection lost in the middle: in the end every scan is there once."""
    slot, many = world.slot(), 3 * SCANS_PER_MESSAGE
    scans = [scan_row(world.proofs[ZHANG], slot, minutes=n / many) for n in range(many)]
    file = write(tmp_path / "gate.csv", *scans)
    async with cut_once(world.service.port, file.stat().st_size // 2) as port:
        certs = world.service.ca.issue("scanner").cert_file.parent
        brought = await Command("scans", certs, {"tickets": port}).run("upload", file)
    assert brought.exit_code == 0, brought.output
    assert "trying again" in brought.output
    accepted, known = (int(word) for word in re.findall(r"\d+", brought.last_line))
    assert accepted + known == many
    counted = "SELECT count(*) FROM tickets.scan WHERE slot = $1"
    assert (await rows(world.service, counted, slot))[0]["count"] == many


async def test_bad_lines_are_reported_and_the_others_brought(
    world: DoorWorld, tmp_path: Path
) -> None:
    """What cannot be sent and what the service refuses, each with its line and why."""
    command, slot, proof = command_of(world), world.slot(), world.proofs[LI]
    good, reused = scan_row(proof, slot), scan_row(proof, slot, minutes=1)
    forged = proof[:40] + ("A" if proof[40] != "A" else "B") + proof[41:]
    file = write(
        tmp_path / "gate.csv",
        good,
        scan_row(proof, slot)[:3],
        ("x", *scan_row(proof, slot)[1:]),
        (new_id(), "one", *scan_row(proof, slot)[2:]),
        (*scan_row(proof, slot)[:5], "9 o'clock", proof),
        scan_row(forged, slot),
        scan_row(proof, slot, minutes=24 * 60),
        reused,
        (reused[0], *scan_row(proof, slot, minutes=2)[1:]),
    )
    report = tmp_path / "bad.csv"
    ended = await command.run("upload", file, "--report", report)
    assert (ended.exit_code, ended.output.splitlines()[-2:]) == (
        ROWS_REFUSED,
        ["accepted 2, known before 0", f"refused 7: {report}"],
    )
    with report.open(encoding="utf-8-sig", newline="") as found:
        problems = {int(line): why for line, why in list(csv.reader(found))[1:]}
    assert problems[3] == "列数与表头不符"
    assert problems[4].startswith("扫描编号")
    assert problems[5] == "场次应为数字"
    assert problems[6].startswith("时间应形如")
    assert "签名" in problems[7]
    assert problems[8] == "扫描时间不在该场考试当天，或晚于现在"
    assert problems[10] == "扫描编号已用于另一次扫描"
    nothing = tmp_path / "other.csv"
    nothing.write_text("a,b\n", "utf-8")
    refused = await command.run("upload", nothing)
    assert (refused.exit_code, "columns unknown: a, b; missing: scan_id" in refused.output) == (
        1,
        True,
    )


async def test_who_was_seen_twice_is_shown(world: DoorWorld, tmp_path: Path) -> None:
    """At two rooms: to the officer of the county, as a table and as JSON."""
    command, slot = command_of(world), world.slot()
    proof = world.proofs[ZHANG]
    write(
        tmp_path / "gate.csv", scan_row(proof, slot), scan_row(proof, slot, room="002", minutes=1)
    )
    await command.run("upload", tmp_path / "gate.csv")
    token = tmp_path / "token"
    token.write_text(world.service.token(UUID(new_id()), "county_officer", COUNTY))
    words = ("duplicates", "--session", "22.1", "--county", COUNTY, "--slot", str(slot))
    (found,) = (await command.run(*words, "--json", token_file=token)).json
    assert (found["ticket_number"], found["scan_count"]) == (ticket_number(ZHANG), 2)
    assert found["reasons"] == ["DUPLICATE_REASON_OTHER_PLACE"]
    table = (await command.run(*words, token_file=token)).output
    assert "other-place" in table
    assert f"{SITE}/002 2022-04-16 09:01" in " ".join(table.split())
    nobody = await command.run(*words)
    assert (nobody.exit_code, "TOKEN_INVALID" in nobody.output) == (1, True)
