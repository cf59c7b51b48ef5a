"""`zikao export` against a running service."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.commands import Ended, run_command
from support.enrollment_people import QINGYANG, hold, open_enrollment
from support.enrollment_service import Installation
from support.enrollment_sessions import small_session
from support.service_databases import MakeDatabase
from zikao.enrollment.v1 import roster_service_pb2 as pb


@pytest.fixture
async def running(make_database: MakeDatabase, tmp_path: Path) -> AsyncIterator[Installation]:
    """A session with 1,200 confirmed candidates in one county."""
    async with open_enrollment(make_database, tmp_path, session=small_session(2000)) as found:
        await found.rows(
            "INSERT INTO enrollment.enrollment_order (order_id, session_code, candidate_id,"
            " county_code, slots, course_codes, state, fee_fen, held_until, created_at)"
            " SELECT gen_random_uuid(), '22.1', gen_random_uuid(), $1, '{1}', '{00001}',"
            " 'confirmed', 3500, now(), now() FROM generate_series(1, 1200)",
            QINGYANG,
        )
        yield found


async def export(running: Installation, *arguments: str | Path) -> Ended:
    """Run the command as an operator does."""
    certs = running.ca.issue("operator").cert_file.parent
    where = ("--enrollment", f"localhost:{running.enrollment_port}", "--certs", str(certs))
    return await run_command(["export", *map(str, arguments), *where])


async def test_an_export_goes_on_where_it_was_cut(running: Installation, tmp_path: Path) -> None:
    """The file is the same, whether or not it came in one piece; a refusal says why."""
    whole, cut = tmp_path / "whole.csv", tmp_path / "cut.csv"
    roster = ("roster", "--session", "22.1", "--county", "5101", "--out")
    code, said = await export(running, *roster, whole)
    assert (code, said.splitlines()[-1]) == (0, f"{whole}: 1200 candidates")
    part = whole.read_bytes().splitlines(keepends=True)[: 1 + 500]
    operator = await running.operator()
    request = pb.ExportRosterRequest(session_code="22.1", county_prefix="5101")
    first = await anext(aiter(operator.start(request, timeout=20)))
    assert first.csv == b"".join(part)
    cut.with_name("cut.csv.part").write_bytes(first.csv + b"torn")
    place = {"cursor": first.cursor, "candidates": 500, "bytes": len(first.csv)}
    asked = {"session": "22.1", "county": "5101"}
    cut.with_name("cut.csv.part.json").write_text(json.dumps({"request": asked, **place}))
    code, said = await export(running, *roster, cut)
    assert (code, said.splitlines()[-1]) == (0, f"{cut}: 1200 candidates")
    assert cut.read_bytes() == whole.read_bytes()
    code, said = await export(running, "roster", "--session", "99.1", "--out", cut)
    assert code == 1
    assert "SESSION_UNKNOWN" in said


async def test_statistics_are_a_file(running: Installation, tmp_path: Path) -> None:
    """By what is asked for, with a header."""
    await hold(running, 1)
    out = tmp_path / "statistics.csv"
    arguments = ("statistics", "--session", "22.1", "--by", "county-course", "--out", out)
    code, said = await export(running, *arguments)
    assert (code, said.splitlines()[-1]) == (0, f"{out}: 3 rows")
    lines = out.read_text(encoding="utf-8-sig").splitlines()
    assert len(lines) == 4
    assert lines[-1].endswith("青羊区,1,00001,大学语文,,1200,1200,0,1200,0.00,42000.00")
