"""Profile changes when several processes, or a candidate and a deadline, meet at one moment."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import asyncpg
import pytest
from support.registration_changes import (
    EFFECTIVE_AT,
    POLL_SECONDS,
    WINDOW_CLOSES,
    approved_change,
    decision,
    evidence,
    logged_in,
    open_changes,
    wanted,
)
from support.registration_people import (
    JINJIANG,
    STAFF_PASSWORD,
    document_number,
    log_in,
    new_officer,
)
from support.registration_records import approved_candidate
from support.registration_server import RegistrationServer, registration_server
from support.service import until
from support.service_databases import MakeDatabase


@pytest.fixture
async def dsn(make_database: MakeDatabase) -> str:
    """Registration's database."""
    return await make_database("registration")


@pytest.fixture
async def server(dsn: str, tmp_path: Path) -> AsyncIterator[RegistrationServer]:
    """Registration, which takes profile changes."""
    async with registration_server(dsn, tmp_path) as running:
        await open_changes(running)
        yield running


async def test_two_processes_apply_each_once(dsn: str, tmp_path: Path) -> None:
    """Two replicas that take the same change at one moment apply, audit and publish it once.

    Both are held up at the candidate's row: without its lock before they look, both would apply.
    """
    async with AsyncExitStack() as stack:
        first, second = [
            await stack.enter_async_context(registration_server(dsn, tmp_path)) for _ in range(2)
        ]
        await open_changes(first)
        officer = await new_officer(first)
        candidate, who = await approved_candidate(first, officer)
        await approved_change(candidate, officer, wanted())
        holder = await asyncpg.connect(dsn)
        async with holder.transaction():
            await holder.execute("SELECT FROM registration.candidate FOR UPDATE")
            await second.move_clock(EFFECTIVE_AT)
            await until(lambda: both_wait(first))
        await holder.close()
        await until(lambda: logged_in(first, document_number(1)))
        await until(lambda: nobody_waits(first))
        audited = await first.rows(
            "SELECT candidate_id::text FROM registration.audit "
            "WHERE action = 'apply_profile_change'"
        )
        assert [row["candidate_id"] for row in audited] == [who]
        (events,) = await first.rows("SELECT count(*) FROM registration.outbox")
        assert events["count"] == 2


async def waiting(server: RegistrationServer) -> int:
    """How many of the service's connections wait for a row."""
    (row,) = await server.rows(
        "SELECT count(*) FROM pg_catalog.pg_stat_activity "
        "WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    return int(row["count"])


async def both_wait(server: RegistrationServer) -> bool:
    """Whether two of them do."""
    return await waiting(server) == 2


async def one_waits(server: RegistrationServer) -> bool:
    """Whether one of them does."""
    return await waiting(server) == 1


async def nobody_waits(server: RegistrationServer) -> bool:
    """Whether none does any more."""
    return await waiting(server) == 0


async def test_evidence_at_the_last_moment(server: RegistrationServer) -> None:
    """What a candidate is handing in as the window closes does not lapse under their hands."""
    officer = await new_officer(server)
    candidate, _ = await approved_candidate(server, officer)
    await candidate.call(wanted())
    holder = await asyncpg.connect(server.dsn)
    async with holder.transaction():
        await holder.execute("SELECT FROM registration.candidate FOR UPDATE")
        await server.move_clock(WINDOW_CLOSES)
        await asyncio.sleep(5 * POLL_SECONDS)
        await holder.execute(
            "UPDATE registration.profile_change SET state = 'pending', evidence_enc = 'x' "
            "WHERE state = 'awaiting_evidence'"
        )
    await holder.close()
    await asyncio.sleep(5 * POLL_SECONDS)
    rows = await server.rows("SELECT state FROM registration.profile_change")
    assert [row["state"] for row in rows] == ["pending"]


async def test_a_decision_at_the_last_moment(server: RegistrationServer) -> None:
    """One that comes once changes take effect, and before the request has lapsed, is refused."""
    officer = await new_officer(server)
    candidate, _ = await approved_candidate(server, officer)
    change_id = (await candidate.call(wanted())).change.change_id
    await candidate.call(evidence())
    holder = await asyncpg.connect(server.dsn)
    async with holder.transaction():
        await holder.execute("SELECT FROM registration.candidate FOR UPDATE")
        await server.move_clock(EFFECTIVE_AT)
        officer = await log_in(server, f"officer-{JINJIANG}", STAFF_PASSWORD)
        deciding = asyncio.create_task(officer.refused(decision(change_id)))
        await until(lambda: one_waits(server))
    await holder.close()
    error = await deciding
    assert (error.reason, error.metadata["state"]) == ("PROFILE_CHANGE_STATE", "已逾期")
