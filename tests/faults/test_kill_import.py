"""kill -9 of the service, the database or the command itself while candidates are imported."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import Process
from pathlib import Path

import asyncpg
import pytest
from support.older_csv import csv_number, csv_row, write_csv
from zikao_ctl.apply_session import apply_session
from zikao_ctl.demo.command import DEFAULT_SESSION
from zikao_ctl.installation import OPERATOR, Installation, run_installation
from zikao_ctl.layout import Layout
from zikao_ctl.session_file import load_session_file

SESSION = load_session_file(Path(__file__).parents[2] / DEFAULT_SESSION)
ROWS, BAD = 20_000, 7
# So many are there when the victim dies.
KILL_AT = 4000
SECONDS = 90.0


def row(number: int) -> list[str]:
    """Every seventh has no sex, every tenth had an account."""
    values = csv_row(number, has_account=number % 10 == 0)
    return values if number % BAD else [*values[:4], "", *values[5:]]


async def start_import(installation: Installation, file: Path) -> Process:
    """The command, as an operator starts it."""
    certs = installation.certificate(OPERATOR).cert_file.parent
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "zikao_ctl.main", "import-candidates", str(file)),
        *("--registration", installation.targets.registration, "--certs", str(certs)),
        stdout=asyncio.subprocess.DEVNULL,
    )


async def query(installation: Installation, sql: str) -> list[asyncpg.Record]:
    """What is in registration's database."""
    connection = await asyncpg.connect(installation.dsn("registration"))
    try:
        return await connection.fetch(sql)
    finally:
        await connection.close()


async def kill_half_way(installation: Installation, victim: str, command: Process) -> None:
    """Wait until some rows are there, then kill -9."""
    counting = "SELECT count(*) FROM registration.older_record"
    while (await query(installation, counting))[0][0] < KILL_AT:
        await asyncio.sleep(0.02)
    assert command.returncode is None, "it was over before it could be killed"
    process_id = command.pid if victim == "command" else installation.process_ids[victim]
    os.kill(process_id, signal.SIGKILL)


@pytest.mark.parametrize("victim", ["command", "registration", "postgres"])
async def test_the_result_is_the_same(victim: str, tmp_path: Path) -> None:
    """Every good row is there once, every bad one is reported once, as if nothing had happened."""
    file = write_csv(tmp_path / "older.csv", ROWS, make=row)
    layout = Layout(tmp_path / "installation")
    async with (
        asyncio.timeout(SECONDS),
        run_installation(layout, port_base=None, say=lambda _: None) as installation,
    ):
        files = installation.certificate(OPERATOR)
        await apply_session(SESSION, installation.targets, files, dry_run=False)
        command = await start_import(installation, file)
        await kill_half_way(installation, victim, command)
        code = await command.wait()
        if victim == "command":
            assert code == -signal.SIGKILL
            code = await (await start_import(installation, file)).wait()
        assert code == 3  # some rows were refused
        numbers = await query(installation, "SELECT * FROM registration.ticket_number")
        good = [number for number in range(ROWS) if number % BAD]
        assert {each["ticket_number"]: each["status"] for each in numbers} == {
            csv_number(number): "older" if number % 10 else "current" for number in good
        }
        (known,) = await query(installation, "SELECT * FROM registration.older_import")
        assert (known["entered"], known["refused"]) == (len(good), ROWS - len(good))
        bad = await query(installation, "SELECT line FROM registration.older_import_problem")
        assert sorted(each["line"] for each in bad) == [
            number + 2 for number in range(ROWS) if number % BAD == 0
        ]
        accounts = await query(
            installation, "SELECT count(*) FROM registration.account WHERE kind = 'candidate'"
        )
        events = await query(installation, "SELECT count(*) FROM registration.outbox")
        assert accounts[0][0] == events[0][0] == sum(number % 10 == 0 for number in good)
