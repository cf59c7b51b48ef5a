"""`zikao import-candidates` against a running service."""

import asyncio
import csv
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.commands import Ended, run_command
from support.older_csv import csv_row, write_csv, write_photos
from support.registration_older import older_photo
from support.registration_people import apply_session
from support.registration_server import RegistrationServer, registration_server
from support.service_databases import MakeDatabase
from zikao_ctl.long_import import PATIENCE_SECONDS


@pytest.fixture
async def server(make_database: MakeDatabase, tmp_path: Path) -> AsyncIterator[RegistrationServer]:
    """A running service with the session applied."""
    async with registration_server(await make_database("registration"), tmp_path) as running:
        await apply_session(running)
        yield running


async def bring(server: RegistrationServer, *arguments: str | Path) -> Ended:
    """Run the command as an operator does."""
    certs = server.ca.issue("operator").cert_file.parent
    where = ("--registration", f"localhost:{server.port}", "--certs", str(certs))
    return await run_command(["import-candidates", *map(str, arguments), *where])


async def entered(server: RegistrationServer) -> int:
    """How many older candidates there are."""
    (row,) = await server.rows("SELECT count(*) FROM registration.older_record")
    return int(row[0])


async def test_a_file_is_entered(server: RegistrationServer, tmp_path: Path) -> None:
    """Rows and photos of a spreadsheet are entered; the same command again enters nothing."""
    names = write_photos(tmp_path / "photos", map(older_photo, range(3)))
    path = write_csv(
        tmp_path / "older.csv",
        450,
        encoding="gb18030",
        make=lambda n: csv_row(n, photo=names[n] if n < 3 else ""),
    )
    code, said = await bring(server, path, "--photos", tmp_path / "photos")
    assert (code, "entered 450" in said) == (0, True), said
    assert await entered(server) == 450
    (photos,) = await server.rows("SELECT count(*) FROM registration.older_photo")
    assert photos[0] == 3
    code, said = await bring(server, path, "--photos", tmp_path / "photos")
    assert (code, "entered 450" in said) == (0, True), said
    code, said = await bring(server, path, "--photos", tmp_path / "photos", "--again")
    assert (code, "entered 0, replaced 0, unchanged 450" in said) == (0, True), said
    assert await entered(server) == 450


async def test_bad_rows_are_reported(server: RegistrationServer, tmp_path: Path) -> None:
    """Every bad row is in the report with its line, whoever found it; the exit code says so."""
    rows = [csv_row(0), csv_row(1)[:4], [*csv_row(2)[:4], "?", *csv_row(2)[5:]], csv_row(3)]
    path = write_csv(tmp_path / "older.csv", 4, make=lambda n: rows[n])
    report = tmp_path / "report.csv"
    code, said = await bring(server, path, "--report", report)
    assert code == 3, said
    with report.open(encoding="utf-8-sig", newline="") as file:
        lines = list(csv.reader(file))
    assert lines == [
        ["行号", "问题"],
        ["3", "应有11列，实有4列"],
        ["4", "性别缺少或无法识别"],
    ]
    assert await entered(server) == 2


async def test_a_dry_run_only_reports(server: RegistrationServer, tmp_path: Path) -> None:
    """Nothing is entered, however often; afterwards the file is."""
    path = write_csv(tmp_path / "older.csv", 5)
    for _ in range(2):
        code, said = await bring(server, path, "--dry-run")
        assert code == 0, said
        assert "nothing was entered: would enter 5, replace 0, leave 0 unchanged" in said
        assert await entered(server) == 0
    await bring(server, path)
    assert await entered(server) == 5


async def test_a_file_that_is_none_is_said_in_words(
    server: RegistrationServer, tmp_path: Path
) -> None:
    """A file that is none fails with its reason and without a traceback."""
    path = tmp_path / "older.csv"
    path.write_text("a,b\n1,2\n", encoding="utf-8")
    code, said = await bring(server, path)
    assert code == 1
    assert "columns unknown: a, b" in said
    assert "Traceback" not in said


async def test_a_service_that_is_away_is_said_at_once(
    server: RegistrationServer, tmp_path: Path
) -> None:
    """With nobody listening the operator hears of it long before the command gives up."""
    path = write_csv(tmp_path / "older.csv", 3)
    certs = server.ca.issue("operator").cert_file.parent
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "zikao_ctl.main", "import-candidates", str(path)),
        *("--registration", "localhost:1", "--certs", str(certs)),
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(PATIENCE_SECONDS / 2):
            said = await process.stdout.readline()
        assert b"localhost:1: UNAVAILABLE" in said
        assert process.returncode is None
    finally:
        process.kill()
        await process.communicate()
