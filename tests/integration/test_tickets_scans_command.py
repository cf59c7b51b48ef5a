"""`zikao scans`: a file of a scanner without a network, and who was seen twice."""

import csv
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
import pytest_asyncio
from support.commands import Command
from support.service import new_id
from support.service_databases import ServiceDatabases
from support.tickets_database import MORNING
from support.tickets_door import LI, ROOM, SITE, ZHANG, DoorWorld, door_world
from support.tickets_offices import rows
from support.tickets_peers import COUNTY, ticket_number
from zikao_ctl.options import ROWS_REFUSED
from zikao_ctl.scan_upload import SCANS_PER_MESSAGE
from zikao_ctl.scans_file import COLUMNS

pytestmark = pytest.mark.asyncio(loop_scope="module")

Row = Sequence[str]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(
    service_databases: ServiceDatabases, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[DoorWorld]:
    """Three people who have printed."""
    async with door_world(service_databases, tmp_path_factory.mktemp("scans")) as it:
        yield it


def command_of(world: DoorWorld) -> Command:
    """The command, with the scanner's certificate beside the operator's."""
    for name in ("operator", "scanner"):
        certs = world.service.ca.issue(name).cert_file.parent
    return Command("scans", certs, {"tickets": world.service.port})


def row(proof: str, slot: int, *, room: str = ROOM, minutes: float = 0) -> Row:
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
    scans = [row(world.proofs[ZHANG], slot, minutes=n / many) for n in range(many)]
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


async def test_bad_lines_are_reported_and_the_others_brought(
    world: DoorWorld, tmp_path: Path
) -> None:
    """What cannot be sent and what the service refuses, each with its line and why."""
    command, slot, proof = command_of(world), world.slot(), world.proofs[LI]
    good, reused = row(proof, slot), row(proof, slot, minutes=1)
    forged = proof[:40] + ("A" if proof[40] != "A" else "B") + proof[41:]
    file = write(
        tmp_path / "gate.csv",
        good,
        row(proof, slot)[:3],
        ("x", *row(proof, slot)[1:]),
        (new_id(), "one", *row(proof, slot)[2:]),
        (*row(proof, slot)[:5], "9 o'clock", proof),
        row(forged, slot),
        row(proof, slot, minutes=24 * 60),
        reused,
        (reused[0], *row(proof, slot, minutes=2)[1:]),
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
    write(tmp_path / "gate.csv", row(proof, slot), row(proof, slot, room="002", minutes=1))
    await command.run("upload", tmp_path / "gate.csv")
    token = tmp_path / "token"
    token.write_text(world.service.token(UUID(new_id()), "county_officer", COUNTY))
    words = ("duplicates", "--session", "22.1", "--county", COUNTY, "--slot", str(slot))
    (found,) = (await command.run(*words, "--json", token_file=token)).json
    assert (found["ticket_number"], found["scan_count"]) == (ticket_number(ZHANG), 2)
    assert found["reasons"] == ["DUPLICATE_REASON_OTHER_PLACE"]
    table = (await command.run(*words, token_file=token)).output
    assert "other-place" in table
    nobody = await command.run(*words)
    assert (nobody.exit_code, "TOKEN_INVALID" in nobody.output) == (1, True)
