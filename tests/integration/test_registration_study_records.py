"""Standings, transfers and study records, over mutual TLS, with their effect in enrollment."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from support.enrollment_people import open_enrollment, submission
from support.enrollment_service import Installation
from support.enrollment_sessions import CLOSES_AT, small_session
from support.registration_people import (
    JINJIANG,
    SESSION_CODE,
    WUHOU,
    apply_session,
    document_number,
    log_in,
    new_candidate,
    new_officer,
)
from support.registration_records import approved_candidate, published
from support.registration_server import NOON, RegistrationServer, registration_server
from support.service import Caller, new_id, until
from support.service_databases import MakeDatabase
from zikao.registration.v1 import privacy_service_pb2 as privacy
from zikao.registration.v1 import session_service_pb2 as sessions
from zikao.registration.v1 import study_record_service_pb2 as records
from zikao.registration.v1 import types_pb2 as types
from zikao_enrollment.domain.timetable import Track, Window
from zikao_kit.convert import time_to_pb

ACTIVE, BLOCKED = types.STANDING_ACTIVE, types.STANDING_BLOCKED
GRADUATED, REQUESTED = types.STANDING_GRADUATED, types.STANDING_TRANSFER_REQUESTED
OUT = types.STANDING_TRANSFERRED_OUT
REASON = "违规处理期间"


@pytest.fixture
async def server(make_database: MakeDatabase, tmp_path: Path) -> AsyncIterator[RegistrationServer]:
    """Registration with its session applied."""
    async with registration_server(await make_database("registration"), tmp_path) as running:
        await apply_session(running)
        yield running


def standing(candidate_id: str, value: Any, reason: str = "") -> records.SetStandingRequest:
    """Set a standing."""
    return records.SetStandingRequest(
        request_id=new_id(), candidate_id=candidate_id, standing=value, reason=reason
    )


def transfer(province_code: str = "50") -> records.RequestTransferRequest:
    """Ask to go to another province."""
    return records.RequestTransferRequest(request_id=new_id(), province_code=province_code)


def withdrawal() -> records.WithdrawTransferRequest:
    """Stay."""
    return records.WithdrawTransferRequest(request_id=new_id())


async def test_a_block_and_its_end(server: RegistrationServer) -> None:
    """A block needs words, is told to other services with them, and ends without."""
    officer = await new_officer(server)
    _, who = await approved_candidate(server, officer)
    error = await officer.refused(standing(who, BLOCKED, "  "))
    assert error.reason == "INVALID_REQUEST"
    await officer.call(standing(who, BLOCKED, REASON))
    blocked = await published(server, who)
    assert (blocked.standing, blocked.standing_reason) == (BLOCKED, REASON)
    await officer.call(standing(who, ACTIVE))
    active = await published(server, who)
    assert (active.standing, active.standing_reason) == (ACTIVE, "")
    rows = await server.rows(
        "SELECT before::text, after::text FROM registration.audit "
        "WHERE action = 'set_standing' ORDER BY audit_id"
    )
    assert [(row["before"], row["after"]) for row in rows] == [
        ('{"standing": "active"}', '{"standing": "blocked"}'),
        ('{"standing": "blocked"}', '{"standing": "active"}'),
    ]


async def test_why_a_standing_changed_stays_on_record(server: RegistrationServer) -> None:
    """After the block has ended the office, the candidate and the copy still read its reason."""
    officer = await new_officer(server)
    candidate, who = await approved_candidate(server, officer)
    await officer.call(standing(who, BLOCKED, REASON))
    await officer.call(standing(who, ACTIVE))
    await officer.call(standing(who, GRADUATED, "2022年6月毕业"))
    by_office = await officer.call(records.GetStudyRecordForOfficeRequest(candidate_id=who))
    changes = by_office.record.standing_changes
    assert [(change.standing, change.reason) for change in changes] == [
        (BLOCKED, REASON),
        (ACTIVE, ""),
        (GRADUATED, "2022年6月毕业"),
    ]
    times = [change.changed_at.ToDatetime(UTC) for change in changes]
    assert times == sorted(times)
    assert times[0] >= NOON
    own = await candidate.call(records.GetStudyRecordRequest())
    assert own.record.standing_changes == changes
    call = candidate.start(privacy.ExportPersonalDataRequest(), timeout=10)
    content, *_ = [each.content async for each in call]
    copy = json.loads(content)
    assert [change["说明"] for change in copy["考籍状态变更"]] == [REASON, "", "2022年6月毕业"]
    rows = await server.rows("SELECT t::text FROM registration.standing_change AS t")
    assert [row for row in rows if REASON.encode().hex() in row[0] or REASON in row[0]] == []
    for change in ("DELETE FROM {}", "UPDATE {} SET standing = 'active'", "TRUNCATE {}"):
        with pytest.raises(asyncpg.RestrictViolationError):
            await server.rows(change.format("registration.standing_change"))


async def test_graduation_ends_the_number(server: RegistrationServer) -> None:
    """The number, by which the candidate was named, is ended for good; nothing follows."""
    officer = await new_officer(server)
    candidate, who = await approved_candidate(server, officer)
    number = (await published(server, who)).ticket_number
    request = standing(who, GRADUATED)
    request.ticket_number = number
    await officer.call(request)
    (row,) = await server.rows("SELECT status, ended_at FROM registration.ticket_number")
    assert (row["status"], row["ended_at"]) == ("ended", row["ended_at"])
    assert (await published(server, who)).standing == GRADUATED
    for after in (ACTIVE, BLOCKED, OUT):
        error = await officer.refused(standing(who, after, REASON))
        assert error.reason == "STANDING_NOT_ALLOWED"
        assert error.metadata["before"] == "已毕业"
    assert (await candidate.refused(transfer())).reason == "STANDING_NOT_ALLOWED"


async def test_a_transfer_is_asked_for_and_made(server: RegistrationServer) -> None:
    """The candidate asks, withdraws and asks again; the office lets the candidate go."""
    officer = await new_officer(server)
    candidate, who = await approved_candidate(server, officer)
    assert (await candidate.refused(withdrawal())).reason == "STANDING_NOT_ALLOWED"
    for no_other_province in ("51", "99"):
        error = await candidate.refused(transfer(no_other_province))
        assert [problem.field for problem in error.fields] == ["province_code"]
    assert (await candidate.call(transfer())).standing == REQUESTED
    assert (await published(server, who)).standing == REQUESTED
    assert (await candidate.call(withdrawal())).standing == ACTIVE
    await candidate.call(transfer())
    await officer.call(standing(who, OUT))
    (row,) = await server.rows("SELECT status FROM registration.ticket_number")
    assert row["status"] == "ended"


async def test_transfers_are_asked_for_a_few_times_a_day(server: RegistrationServer) -> None:
    """Each is news to all services; who has to wait hears until when."""
    candidate, _ = await approved_candidate(server, await new_officer(server))
    for _ in range(3):
        await candidate.call(transfer())
        await candidate.call(withdrawal())
    error, day = await candidate.refused(transfer()), timedelta(days=1)
    assert error.reason == "TRANSFER_LIMIT"
    assert error.retry_after is not None
    assert day - timedelta(minutes=1) < error.retry_after <= day
    retry_at = datetime.fromisoformat(error.metadata["retry_at"])
    assert NOON + day <= retry_at < NOON + day + timedelta(minutes=1)
    await server.move_clock(retry_at)
    again = await log_in(server, document_number(1))
    await again.call(transfer())


async def test_a_blocked_candidate_does_not_free_himself(server: RegistrationServer) -> None:
    """Neither asking for a transfer nor withdrawing one ends a block."""
    officer = await new_officer(server)
    candidate, who = await approved_candidate(server, officer)
    await officer.call(standing(who, BLOCKED, REASON))
    for request in (transfer(), withdrawal()):
        assert (await candidate.refused(request)).reason == "STANDING_NOT_ALLOWED"
    assert (await published(server, who)).standing == BLOCKED


async def test_only_offices_in_scope_set_it(server: RegistrationServer) -> None:
    """Another county's officer, a candidate and nobody are refused; so is who has no number."""
    officer, other = await new_officer(server), await new_officer(server, WUHOU)
    candidate, who = await approved_candidate(server, officer)
    assert (await other.refused(standing(who, BLOCKED, REASON))).reason == "OUT_OF_SCOPE"
    assert (await candidate.refused(standing(who, BLOCKED, REASON))).reason == "PERMISSION_DENIED"
    await new_candidate(server, 2)
    (row,) = await server.rows(
        "SELECT candidate_id FROM registration.candidate WHERE state = 'draft'"
    )
    city = await new_officer(server, "51", role=4, name="province")
    error = await city.refused(standing(str(row["candidate_id"]), BLOCKED, REASON))
    assert error.reason == "NOT_FOUND"


async def test_a_repeated_request_changes_nothing_more(server: RegistrationServer) -> None:
    """The same request id is answered again after the standing has moved on."""
    officer = await new_officer(server)
    _, who = await approved_candidate(server, officer)
    request = standing(who, BLOCKED, REASON)
    first = await officer.call(request)
    await officer.call(standing(who, ACTIVE))
    assert await officer.call(request) == first
    assert (await published(server, who)).standing == ACTIVE


async def test_the_database_knows_what_a_standing_needs(server: RegistrationServer) -> None:
    """A block without words, and one of somebody without a number, are refused by CHECKs."""
    officer = await new_officer(server)
    await approved_candidate(server, officer)
    await new_candidate(server, 2)
    for change, condition, constraint in (
        ("standing = 'blocked'", "state = 'approved'", "candidate_standing_reason_check"),
        (
            "standing = 'blocked', standing_reason = 'x'",
            "state = 'draft'",
            "candidate_standing_number_check",
        ),
    ):
        with pytest.raises(asyncpg.CheckViolationError) as refused:
            await server.rows(f"UPDATE registration.candidate SET {change} WHERE {condition}")
        assert refused.value.constraint_name == constraint


async def test_the_own_study_record(server: RegistrationServer) -> None:
    """Standing, number, registration and decisions; no record before there is a number."""
    officer = await new_officer(server)
    candidate, who = await approved_candidate(server, officer)
    draft = await new_candidate(server, 2)
    asked = records.GetStudyRecordRequest()
    assert (await draft.refused(asked)).reason == "NOT_FOUND"
    record = (await candidate.call(asked)).record
    assert (record.candidate_id, record.standing) == (who, ACTIVE)
    assert (record.session_code, record.county_code) == (SESSION_CODE, JINJIANG)
    assert [decision.approved for decision in record.decisions] == [True]
    (number,) = record.ticket_numbers
    assert number.number == (await published(server, who)).ticket_number
    assert number.status == records.TICKET_NUMBER_STATUS_CURRENT
    assert not number.HasField("ended_at")


async def test_study_records_are_closed_during_enrollment(server: RegistrationServer) -> None:
    """Candidates are told when the last of the windows in a row ends; offices are served."""
    officer = await new_officer(server)
    candidate, who = await approved_candidate(server, officer)
    hour = timedelta(hours=1)
    windows = [(NOON - hour, NOON + hour), (NOON + hour, NOON + 3 * hour)]
    await apply_session(
        server,
        enrollment=[
            sessions.SessionWindow(opens_at=time_to_pb(opens), closes_at=time_to_pb(closes))
            for opens, closes in windows
        ],
    )
    error = await candidate.refused(records.GetStudyRecordRequest())
    assert error.reason == "STUDY_RECORD_CLOSED"
    assert error.metadata == {"reopens_at": (NOON + 3 * hour).isoformat()}
    asked = records.GetStudyRecordForOfficeRequest(candidate_id=who)
    assert (await officer.call(asked)).record.candidate_id == who
    await server.move_clock(NOON + 3 * hour)
    candidate = await log_in(server, document_number(1))
    assert (await candidate.call(records.GetStudyRecordRequest())).record.candidate_id == who


async def test_an_office_looks_at_a_record(server: RegistrationServer) -> None:
    """By id or number, in scope, and audited; what is out of scope is not."""
    officer, other = await new_officer(server), await new_officer(server, WUHOU)
    _, who = await approved_candidate(server, officer)
    by_id = records.GetStudyRecordForOfficeRequest(candidate_id=who)
    found = (await officer.call(by_id)).record
    number = found.ticket_numbers[0].number
    by_number = records.GetStudyRecordForOfficeRequest(ticket_number=number)
    assert (await officer.call(by_number)).record == found
    assert (await other.refused(by_id)).reason == "OUT_OF_SCOPE"
    unknown = records.GetStudyRecordForOfficeRequest(ticket_number="0" * 12)
    assert (await officer.refused(unknown)).reason == "NOT_FOUND"
    rows = await server.rows(
        "SELECT candidate_id FROM registration.audit WHERE action = 'view_study_record'"
    )
    assert [str(row["candidate_id"]) for row in rows] == [who, who]


# Registration's window and enrollment's at once, so that one clock does for both.
OPEN_SESSION = replace(
    small_session(), windows=(Window(Track.SOCIAL, NOON - timedelta(days=1), CLOSES_AT),)
)


async def test_enrollment_hears_of_it(make_database: MakeDatabase, tmp_path: Path) -> None:
    """Blocked, transferring or graduated: enrollment refuses with the words, and takes the active.

    Both services run; the feed is all there is between them.
    """
    dsn = await make_database("registration")
    async with open_enrollment(
        make_database, tmp_path, session=OPEN_SESSION, candidates=1
    ) as running:
        await running.move_clock(NOON)
        port = running.registration_port
        async with registration_server(dsn, running.folder, port=port) as server:
            await apply_session(server)
            officer = await new_officer(server)
            candidate, who = await approved_candidate(server, officer)
            enrolling = await running.caller("portal", token=candidate.token)
            await until_eligible(running, enrolling, who)
            await officer.call(standing(who, BLOCKED, REASON))
            assert await until_refused(enrolling) == REASON
            await officer.call(standing(who, ACTIVE))
            await until_eligible(running, enrolling, who)
            await candidate.call(transfer())
            assert await until_refused(enrolling) == "申请转往重庆市"
            await candidate.call(withdrawal())
            await until_eligible(running, enrolling, who)
            await officer.call(standing(who, GRADUATED))
            assert await until_refused(enrolling) == "已毕业"


async def until_eligible(running: Installation, enrolling: Caller, who: str) -> None:
    """Wait until enrollment takes the candidate for one who may enroll."""

    async def known() -> bool:
        rows = await running.rows(
            "SELECT 1 FROM enrollment.candidate WHERE candidate_id = $1 AND standing = 'active'",
            who,
        )
        return bool(rows)

    await until(known)


async def until_refused(enrolling: Caller) -> str:
    """Save a plan until it is refused for the standing; return the words."""

    async def refusal() -> str:
        error = await enrolling.refused(submission(("99999",)))
        return error.metadata["detail"] if error.reason == "NOT_ELIGIBLE" else ""

    return str(await until(refusal))
