"""Older candidates activate their ticket numbers; whoever may not hears why."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import grpc
import pytest
from support.registration_older import (
    OLDER_NAME,
    activation_request,
    import_rows,
    older_number,
    older_photo,
    older_row,
)
from support.registration_people import (
    MOBILE,
    account_request,
    apply_session,
    document_number,
    log_in,
    new_officer,
)
from support.registration_server import NOON, RegistrationServer, registration_server
from support.service import new_id, until
from support.service_databases import MakeDatabase
from zikao.options.v1 import options_pb2
from zikao.registration.v1 import candidate_feed_service_pb2 as feed
from zikao.registration.v1 import older_record_service_pb2 as records
from zikao.registration.v1 import registration_service_pb2 as registration
from zikao.registration.v1 import session_service_pb2 as session
from zikao.registration.v1 import ticket_number_service_pb2 as numbers
from zikao.registration.v1 import types_pb2 as types
from zikao_kit.convert import time_to_pb
from zikao_kit.error_table import problem_of
from zikao_registration.config import LoginConfig

CLOSES = NOON + timedelta(hours=1)
WINDOW = session.SessionWindow(
    opens_at=time_to_pb(NOON - timedelta(hours=1)), closes_at=time_to_pb(CLOSES)
)


@pytest.fixture
async def server(make_database: MakeDatabase, tmp_path: Path) -> AsyncIterator[RegistrationServer]:
    """A running service whose session takes activations now."""
    async with registration_server(await make_database("registration"), tmp_path) as running:
        await apply_session(running, activation=WINDOW)
        yield running


async def enter(server: RegistrationServer, *rows: Any) -> None:
    """Enter older candidates."""
    answer = await import_rows(await server.caller("operator"), *rows)
    assert list(answer.problems) == []


async def refusal(server: RegistrationServer, number: int = 1, **changes: Any) -> str:
    """Why an activation is refused."""
    portal = await server.caller("portal")
    return (await portal.refused(activation_request(number, **changes))).reason


async def test_an_older_candidate_activates(server: RegistrationServer) -> None:
    """The account has the chosen password, the registration what the office entered."""
    await enter(server, older_row(1))
    portal = await server.caller("portal")
    request = activation_request(1)
    candidate_id = (await portal.call(request)).candidate_id
    assert (await portal.call(request)).candidate_id == candidate_id
    candidate = await log_in(server, document_number(1))
    seen = (await candidate.call(registration.GetRegistrationRequest())).registration
    assert seen.state == types.REGISTRATION_STATE_APPROVED
    assert seen.ticket_number == older_number(1)
    assert (seen.personal.name, seen.personal.mobile) == (OLDER_NAME, MOBILE)
    assert (seen.personal.birth_date, seen.session_code) == ("1991-12-31", "")
    enrollment = await server.caller("enrollment")
    asked = feed.GetCandidateRequest(candidate_id=candidate_id)
    known = (await enrollment.call(asked)).candidate
    assert (known.ticket_number, known.standing) == (older_number(1), types.STANDING_ACTIVE)
    assert known.photo_sha256 == seen.photo_sha256 != b""
    # The candidate's own row has the data now: what was imported is gone.
    (record,) = await server.rows("SELECT * FROM registration.older_record")
    assert record["record_enc"] is record["document_index"] is None
    assert not await server.rows("SELECT * FROM registration.older_photo")


async def test_the_four_errors_are_told_apart(server: RegistrationServer) -> None:
    """Not entered, other data, activated, closed: each has its own reason."""
    await enter(server, older_row(1), older_row(2))
    portal = await server.caller("portal")
    assert await refusal(server, 3) == "TICKET_NUMBER_NOT_ENTERED"
    assert await refusal(server, 1, name="李二") == "ACTIVATION_DATA_MISMATCH"
    assert (
        await refusal(server, 1, document_number=document_number(4)) == "ACTIVATION_DATA_MISMATCH"
    )
    await portal.call(activation_request(2))
    assert await refusal(server, 2) == "ALREADY_ACTIVATED"
    await server.move_clock(CLOSES)
    closed = await portal.refused(activation_request(1))
    assert closed.reason == "ACTIVATION_CLOSED"
    assert closed.metadata["closes_at"] == CLOSES.isoformat()
    assert closed.metadata["opens_at"]


async def test_only_the_owner_hears_that_a_number_is_activated(server: RegistrationServer) -> None:
    """Somebody else's number is no match, activated or not."""
    await enter(server, older_row(1))
    await (await server.caller("portal")).call(activation_request(1))
    other = {"name": "李二", "document_number": document_number(7)}
    assert await refusal(server, 1, **other) == "ACTIVATION_DATA_MISMATCH"


async def test_no_window_is_closed(make_database: MakeDatabase, tmp_path: Path) -> None:
    """Before a session plans activations there are none."""
    async with registration_server(await make_database("registration"), tmp_path) as server:
        await apply_session(server)
        await enter(server, older_row(1))
        closed = await (await server.caller("portal")).refused(activation_request(1))
        assert (closed.reason, closed.metadata["opens_at"]) == ("ACTIVATION_CLOSED", "")


async def test_an_incomplete_record_waits_for_the_office(server: RegistrationServer) -> None:
    """Without document number or photo nobody activates; who it is hears where to go."""
    await enter(server, older_row(1, document_number=""), older_row(2, photo_jpeg=b""))
    assert await refusal(server, 1) == "RECORD_INCOMPLETE"
    assert await refusal(server, 1, name="李二") == "ACTIVATION_DATA_MISMATCH"
    assert await refusal(server, 2) == "RECORD_INCOMPLETE"


async def test_several_numbers_are_merged_first(server: RegistrationServer) -> None:
    """Which of them stays is the office's to say."""
    await enter(server, older_row(1), older_row(2, document_number=document_number(1)))
    assert await refusal(server, 1) == "TICKET_NUMBERS_TO_MERGE"


async def test_one_person_has_one_account(server: RegistrationServer) -> None:
    """Who has registered anew in this system logs in, and goes to the office."""
    await enter(server, older_row(1))
    await (await server.caller("portal")).call(account_request(1))
    assert await refusal(server, 1) == "ACCOUNT_EXISTS"


async def test_names_are_compared_as_people_type_them(server: RegistrationServer) -> None:
    """The form of the dot and a mapped character do not keep their owner out."""
    await enter(server, older_row(1, name="买买提·王\ue81e"))
    portal = await server.caller("portal")
    await portal.call(activation_request(1, name="买买提•王\u9fb4"))


async def test_guesses_are_few(server: RegistrationServer) -> None:
    """A document number is tried three times a day, with whatever numbers; then by nobody."""
    await enter(server, older_row(1))
    for guess in range(2, 5):
        wrong = older_number(guess)
        assert await refusal(server, 1, ticket_number=wrong) == "TICKET_NUMBER_NOT_ENTERED"
    assert await refusal(server, 1) == "RECOVERY_LOCKED"
    await server.move_clock(NOON + timedelta(minutes=59))
    assert await refusal(server, 1) == "RECOVERY_LOCKED"


async def test_two_activations_at_once_make_one_account(server: RegistrationServer) -> None:
    """Of two callers with the same data one has the account."""
    await enter(server, older_row(1))
    portal = await server.caller("portal")
    answers = await asyncio.gather(
        *(portal.start(activation_request(1), timeout=20) for _ in range(2)),
        return_exceptions=True,
    )
    assert sum(isinstance(answer, BaseException) for answer in answers) == 1
    accounts = await server.rows("SELECT * FROM registration.account WHERE kind = 'candidate'")
    assert len(accounts) == 1


async def both_wait(server: RegistrationServer) -> bool:
    """Whether two of the service's transactions wait for a lock."""
    (row,) = await server.rows(
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE usename = current_user AND wait_event_type = 'Lock'"
    )
    return bool(row[0] == 2)


async def test_a_number_is_activated_or_cancelled(server: RegistrationServer) -> None:
    """Of an activation and a cancellation at the same moment exactly one is refused."""
    await enter(server, older_row(1))
    portal = await server.caller("portal")
    city = await new_officer(server, "5101", options_pb2.ROLE_CITY_OFFICER)
    cancellation = numbers.CancelTicketNumberRequest(
        request_id=new_id(), ticket_number=older_number(1), reason="误录"
    )
    holder = await asyncpg.connect(server.dsn)
    try:
        async with holder.transaction():
            await holder.execute("SELECT * FROM registration.ticket_number FOR UPDATE")
            calls = asyncio.gather(
                portal.call(activation_request(1)), city.call(cancellation), return_exceptions=True
            )
            await until(lambda: both_wait(server))
        answers = await calls
    finally:
        await holder.close()
    (refused,) = [answer for answer in answers if isinstance(answer, grpc.aio.AioRpcError)]
    reason = problem_of(refused).reason
    (number,) = await server.rows("SELECT status, ended_at FROM registration.ticket_number")
    candidates = await server.rows("SELECT * FROM registration.candidate")
    assert (number["status"], len(candidates), reason) in (
        # Had it looked whose number it is before: it is to look again.
        ("current", 1, "UNAVAILABLE"),
        ("current", 1, "TICKET_NUMBER_IN_USE"),
        ("cancelled", 0, "TICKET_NUMBER_ENDED"),
    )


async def test_an_activation_keeps_nothing_in_clear(server: RegistrationServer) -> None:
    """Audit and feed hold neither name nor number of the document."""
    await enter(server, older_row(1))
    await (await server.caller("portal")).call(activation_request(1))
    for table in ("audit", "outbox", "idempotency", "older_record", "recovery_attempt"):
        rows = await server.rows(f"SELECT t::text AS row FROM registration.{table} AS t")
        text = "".join(row["row"] for row in rows)
        assert document_number(1) not in text
        assert document_number(1).encode().hex() not in text


async def test_the_officer_sees_the_activated_record(server: RegistrationServer) -> None:
    """What the office looks at is the candidate's data, with the photo."""
    await enter(server, older_row(1))
    await (await server.caller("portal")).call(activation_request(1))
    officer = await new_officer(server)
    request = records.GetOlderRecordRequest(ticket_number=older_number(1))
    answer = await officer.call(request)
    assert (answer.record.mobile, answer.record.name) == (MOBILE, OLDER_NAME)
    assert answer.record.HasField("activated_at")
    assert len(answer.photo_jpeg) < len(older_photo())


async def test_a_stranger_does_not_lock_a_number(server: RegistrationServer) -> None:
    """Guesses of other documents at a number, thirty a day, leave its owner the own attempts."""
    await enter(server, older_row(1))
    for other in range(100, 129):
        wrong = {"name": "李二", "document_number": document_number(other)}
        assert await refusal(server, 1, **wrong) == "ACTIVATION_DATA_MISMATCH"
    assert (await (await server.caller("portal")).call(activation_request(1))).candidate_id


async def test_an_office_lets_a_locked_owner_activate(server: RegistrationServer) -> None:
    """Both counts, of the number and of the document on record, are lifted, audited."""
    await enter(server, older_row(1))
    guesses = [document_number(1)] * 3 + [document_number(other) for other in range(100, 127)]
    for number in guesses:
        reason = await refusal(server, 1, name="李二", document_number=number)
        assert reason == "ACTIVATION_DATA_MISMATCH"
    assert await refusal(server, 1) == "RECOVERY_LOCKED"
    other = {"name": "李二", "document_number": document_number(200)}
    assert await refusal(server, 1, **other) == "RECOVERY_LOCKED"
    lift = records.LiftActivationLimitRequest(request_id=new_id(), ticket_number=older_number(1))
    await (await new_officer(server)).call(lift)
    assert (await (await server.caller("portal")).call(activation_request(1))).candidate_id
    (row,) = await server.rows(
        "SELECT after::text FROM registration.audit WHERE action = 'lift_activation_limit'"
    )
    assert row["after"] == f'{{"ticket_number": "{older_number(1)}"}}'


async def test_a_portal_activates_more_than_a_limit(
    make_database: MakeDatabase, tmp_path: Path
) -> None:
    """Honest activations through one caller never stop; numbers that are nobody's do."""
    limit = LoginConfig(attempts_per_caller=5)
    dsn = await make_database("registration")
    async with registration_server(dsn, tmp_path, login=limit) as server:
        await apply_session(server, activation=WINDOW)
        await enter(server, *(older_row(number) for number in range(1, 13)))
        portal = await server.caller("portal")
        for number in range(1, 13):
            await portal.call(activation_request(number))
        scanner = await server.caller("scanner")
        unknown = [activation_request(number) for number in range(50, 56)]
        heard = [(await scanner.refused(each)).reason for each in unknown]
        assert heard == ["TICKET_NUMBER_NOT_ENTERED"] * 5 + ["RECOVERY_LOCKED"]
