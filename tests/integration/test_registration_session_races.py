"""Sessions are applied while others write what a change of them would harm."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from support.registration_changes import NEW_NAME, open_changes, wanted
from support.registration_older import older_row, send_rows, start_request
from support.registration_people import (
    JINJIANG,
    SESSION_CODE,
    WUHOU,
    apply_session,
    approval,
    lease_request,
    new_candidate,
    new_officer,
    personal_data,
    session_part,
    update_request,
)
from support.registration_records import approved_candidate
from support.registration_seeding import seed_pending
from support.registration_server import NOON, RegistrationServer, registration_server
from support.service import new_id, until
from support.service_databases import MakeDatabase
from zikao.registration.v1 import session_service_pb2 as session
from zikao_kit.crypto import KeyRing

# A session that the province adds later, though it is the earlier one.
LATE_CODE, LATE_DIGITS = "21.2", "212"
LATE_NUMBER = f"0104{LATE_DIGITS}00001"
OTHER_FORMAT = "{session:3}{city:2}{county:2}{serial:5}"
ONLY_WUHOU = [session.RegistrationCounty(code=WUHOU, name="武侯区")]


@pytest.fixture
async def server(make_database: MakeDatabase, tmp_path: Path) -> AsyncIterator[RegistrationServer]:
    """A running service whose session takes profile changes."""
    async with registration_server(await make_database("registration"), tmp_path) as running:
        await open_changes(running)
        yield running


@asynccontextmanager
async def table_kept(server: RegistrationServer, table: str) -> AsyncIterator[None]:
    """Whoever writes into the table waits until the end of the block."""
    connection = await asyncpg.connect(server.dsn)
    try:
        async with connection.transaction():
            await connection.execute(f"LOCK TABLE registration.{table} IN SHARE MODE")
            yield
    finally:
        await connection.close()


async def start_waiting(
    server: RegistrationServer, work: Awaitable[Any], count: int
) -> "asyncio.Task[Any]":
    """A task that waits for a lock by now, as `count` do with it."""
    task = asyncio.ensure_future(work)

    async def waiting() -> bool:
        found = await server.rows(
            "SELECT 1 FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        return len(found) == count

    await until(waiting)
    return task


async def an_import(server: RegistrationServer, tmp_path: Path) -> Awaitable[Any]:
    """Of a number that the session to be applied would give out."""
    operator = await server.caller("operator")
    begun = await operator.call(start_request())
    return send_rows(operator, begun.progress.import_id, [older_row(ticket_number=LATE_NUMBER)])


async def first_approval(server: RegistrationServer, tmp_path: Path) -> Awaitable[Any]:
    """The first number of the session."""
    (candidate_id,) = await seed_pending(
        server.dsn,
        KeyRing.from_file(tmp_path / "keys.yaml"),
        1,
        session_code=SESSION_CODE,
        county_code=WUHOU,
        submitted_at=NOON - timedelta(hours=2),
    )
    officer = await new_officer(server, WUHOU)
    await officer.call(lease_request(WUHOU))
    return officer.call(approval(str(candidate_id)))


async def first_application(server: RegistrationServer, tmp_path: Path) -> Awaitable[Any]:
    """The first of a county."""
    candidate = await new_candidate(server)
    return candidate.call(update_request(personal_data(county_code=JINJIANG)))


async def first_change(server: RegistrationServer, tmp_path: Path) -> Awaitable[Any]:
    """The first profile change of the session."""
    candidate, _ = await approved_candidate(server, await new_officer(server))
    return candidate.call(wanted(name=NEW_NAME))


@pytest.mark.parametrize(
    ("write", "settings"),
    [
        (an_import, {"code": LATE_CODE, "ticket_number_session": LATE_DIGITS}),
        (first_approval, {"ticket_number_format": OTHER_FORMAT}),
        (first_application, {"counties": ONLY_WUHOU}),
        (first_change, {}),
    ],
)
async def test_what_is_being_written_is_not_harmed(
    server: RegistrationServer, tmp_path: Path, write: Any, settings: dict[str, Any]
) -> None:
    """A session that is applied meanwhile waits, sees what was written, and is refused."""
    work = await write(server, tmp_path)
    operator = await server.caller("operator")
    request = session.ApplySessionRequest(request_id=new_id(), session=session_part(**settings))
    async with table_kept(server, "audit"):
        writing = await start_waiting(server, work, 1)
        applying = await start_waiting(server, operator.refused(request), 2)
    await writing
    assert (await applying).reason == "SESSION_CHANGE_REFUSED"


async def test_an_import_that_comes_second_is_refused(
    server: RegistrationServer, tmp_path: Path
) -> None:
    """Rows that were looked at before a session was applied are held against it as well."""
    rows = await an_import(server, tmp_path)
    applied = apply_session(server, code=LATE_CODE, ticket_number_session=LATE_DIGITS)
    async with table_kept(server, "session"):
        applying = await start_waiting(server, applied, 1)
        importing = await start_waiting(server, rows, 2)
    assert await applying == [f"新增考次{LATE_CODE}：区县2个"]
    (answer,) = await importing
    (problem,) = answer.problems
    assert list(problem.problems) == [f"准考证号属于本系统考次{LATE_CODE}的号段"]
    assert await server.rows("SELECT 1 FROM registration.older_record") == []
