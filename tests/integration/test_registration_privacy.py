"""A copy of one's data, and its erasure, over mutual TLS."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from support.registration_people import (
    MOBILE,
    NAME,
    PASSWORD,
    account_request,
    apply_session,
    complete,
    document_number,
    lease_request,
    log_in,
    log_in_through,
    new_candidate,
    new_officer,
    pending_candidate,
    rejection,
)
from support.registration_records import approved_candidate
from support.registration_server import (
    NOON,
    REVIEW_CLOSES,
    RegistrationServer,
    registration_server,
)
from support.service import Caller, new_id, until
from support.service_databases import MakeDatabase
from zikao.registration.v1 import account_service_pb2 as accounts
from zikao.registration.v1 import login_service_pb2 as logins
from zikao.registration.v1 import privacy_service_pb2 as privacy
from zikao.registration.v1 import profile_change_service_pb2 as changes
from zikao.registration.v1 import registration_service_pb2 as registration
from zikao.registration.v1 import session_service_pb2 as session
from zikao_kit.convert import time_to_pb
from zikao_kit.queries import Queries
from zikao_registration.stores.privacy import ERASURES, EXPORTS

RETENTION = timedelta(days=180)
HOUR = timedelta(hours=1)
# Of people who had a number, whose data is never erased.
KEPT_WITH_NUMBER = {"ticket_number", "older_record", "standing_change"}
NOT_IN_THE_COPY = {
    # Of no person.
    "schema_migration",
    "session",
    "signing_key",
    "ticket_serial",
    "older_import",
    "older_import_problem",
    "audit_anchor",
    # Numbers, times and hashes of the audit's entries, which are in the copy themselves.
    "audit_unsealed",
    "audit_chain",
    # Keyed hashes only, of people and of nobody alike.
    "login_attempt",
    "caller_attempt",
    "recovery_attempt",
    # For minutes, and without an account.
    "message",
    "provider_login",
    # The same data once more, for other services.
    "outbox",
    # Keyed hashes: the documents themselves are in the profile changes.
    "former_document",
    # Until the number is activated: then the picture is the candidate's.
    "older_photo",
}


@pytest.fixture
async def server(make_database: MakeDatabase, tmp_path: Path) -> AsyncIterator[RegistrationServer]:
    """Registration with its session applied."""
    async with registration_server(await make_database("registration"), tmp_path) as running:
        await apply_session(
            running,
            profile_change=session.SessionWindow(
                opens_at=time_to_pb(NOON - HOUR), closes_at=time_to_pb(NOON + HOUR)
            ),
            profile_changes_effective_at=time_to_pb(NOON + 2 * HOUR),
        )
        yield running


def erasure(password: str = PASSWORD) -> privacy.ErasePersonalDataRequest:
    """Erase everything."""
    return privacy.ErasePersonalDataRequest(request_id=new_id(), password=password)


async def exported(candidate: Caller) -> dict[str, bytes]:
    """The files of a copy."""
    call = candidate.start(privacy.ExportPersonalDataRequest(), timeout=10)
    return {each.file_name: each.content async for each in call}


async def all_tables(server: RegistrationServer) -> set[str]:
    """Every table of the schema; a view has nothing but what is in them."""
    rows = await server.rows(
        "SELECT table_name FROM information_schema.tables"
        " WHERE table_schema = 'registration' AND table_type <> 'VIEW'"
    )
    return {row["table_name"] for row in rows}


async def tables_with(server: RegistrationServer, text: str) -> set[str]:
    """Tables of the schema with a row that has `text` in it."""
    found = set()
    for table in await all_tables(server):
        rows = await server.rows(
            f"SELECT 1 FROM registration.{table} AS t WHERE t::text LIKE '%' || $1 || '%'", text
        )
        if rows:
            found.add(table)
    return found


def labels_in(content: Any) -> Iterator[str]:
    """Every name in a JSON document."""
    if isinstance(content, dict):
        for key, value in content.items():
            yield key
            yield from labels_in(value)
    elif isinstance(content, list):
        for value in content:
            yield from labels_in(value)


async def test_a_copy_has_everything(server: RegistrationServer) -> None:
    """Data in full with Chinese names, numbers, decisions, logins, what was done, and pictures."""
    officer = await new_officer(server)
    candidate, who = await approved_candidate(server, officer)
    values = changes.ProfileValues(name=NAME + "江")
    await candidate.call(changes.RequestProfileChangeRequest(request_id=new_id(), changes=values))
    jpeg = (await exported(candidate))["证件材料.jpg"]
    await candidate.call(changes.UploadChangeEvidenceRequest(request_id=new_id(), jpeg=jpeg))
    files = await exported(candidate)
    pictures = ["照片.jpg", "证件材料.jpg", "考籍更改证明材料-1.jpg"]
    assert list(files) == ["个人信息.json", *pictures]
    assert {files[name][:3] for name in pictures} == {b"\xff\xd8\xff"}
    content = json.loads(files["个人信息.json"])
    own = content["注册信息"]
    assert (own["姓名"], own["手机号码"], own["证件号码"]) == (NAME, MOBILE, document_number(1))
    assert content["准考证号"][0]["准考证号"] == own["准考证号"] != ""
    assert content["审核记录"][0]["是否通过"] is True
    assert content["考籍更改"][0]["姓名"] == NAME + "江"
    assert content["登录记录"]
    actions = {row["操作"] for row in content["操作记录"]}
    assert {"create_account", "decide_registration", "export_personal_data"} <= actions
    assert [label for label in labels_in(content) if not re.search("[\u4e00-\u9fff]", label)] == []
    rows = await server.rows(
        "SELECT candidate_id FROM registration.audit WHERE action = 'export_personal_data'"
    )
    assert {str(row["candidate_id"]) for row in rows} == {who}


async def test_a_draft_has_a_copy_too(server: RegistrationServer) -> None:
    """Where there is no picture there is no file, and of others nothing comes."""
    candidate = await new_candidate(server, 1)
    await new_candidate(server, 2)
    files = await exported(candidate)
    assert list(files) == ["个人信息.json"]
    assert document_number(1) in files["个人信息.json"].decode()
    assert document_number(2) not in files["个人信息.json"].decode()


async def test_a_draft_is_erased(server: RegistrationServer) -> None:
    """Account, data, pictures and answers are gone; audit rows stay; the person may come again."""
    candidate = await new_candidate(server)
    await complete(candidate)
    who = await own_id(candidate)
    assert len(await tables_with(server, who)) >= 6
    request = erasure()
    await candidate.call(request)
    # Ids only: what was done, the answer to the erasure, and a login whose end is to spread.
    assert await tables_with(server, who) == {"audit", "idempotency", "login"}
    rows = await server.rows("SELECT method FROM registration.idempotency WHERE actor = $1", who)
    assert [row["method"] for row in rows] == [request.DESCRIPTOR.full_name]
    gone = await candidate.refused(registration.GetRegistrationRequest())
    assert gone.reason == "TOKEN_INVALID"
    await (await server.caller("portal")).call(account_request(1))


async def test_no_login_outlives_its_account(server: RegistrationServer) -> None:
    """One that begins while its account is being erased is ended with the others.

    Without the account's lock the erasure would not see it: nothing would ever tell other
    processes to refuse its token.
    """
    await (await server.caller("portal")).call(account_request(1))
    portal = await server.caller("portal")
    tokens = await log_in_through(portal, document_number(1))
    candidate = portal.with_token(tokens.access_token)
    beginning = await asyncpg.connect(server.dsn)
    async with beginning.transaction():
        await beginning.execute(
            "SELECT FROM registration.account WHERE kind = 'candidate' FOR NO KEY UPDATE"
        )
        await beginning.execute(
            "INSERT INTO registration.login SELECT (logged_in).* FROM (SELECT json_populate_record("
            "login, json_build_object('login_id', gen_random_uuid())) AS logged_in "
            "FROM registration.login JOIN registration.account USING (account_id) "
            "WHERE kind = 'candidate') AS another"
        )
        erasing = asyncio.create_task(candidate.call(erasure()))
        await until(lambda: is_waited_for(server))
    await beginning.close()
    await erasing
    rows = await server.rows("SELECT revoked_at IS NOT NULL AS ended FROM registration.login")
    assert [row["ended"] for row in rows] == [True, True]
    request = logins.RefreshTokenRequest(request_id=new_id(), refresh_token=tokens.refresh_token)
    assert (await portal.refused(request)).reason == "LOGIN_ENDED"


async def test_who_logs_in_while_being_erased(server: RegistrationServer) -> None:
    """The right password comes too late: the answer is that of somebody unknown."""
    portal = await server.caller("portal")
    await portal.call(account_request(1))
    erasing = await asyncpg.connect(server.dsn)
    async with erasing.transaction():
        await erasing.execute("DELETE FROM registration.candidate")
        await erasing.execute("DELETE FROM registration.account WHERE kind = 'candidate'")
        request = accounts.LogInRequest(login_name=document_number(1), password=PASSWORD)
        logging_in = asyncio.create_task(portal.refused(request))
        await until(lambda: is_waited_for(server))
    await erasing.close()
    assert (await logging_in).reason == "LOGIN_FAILED"


async def is_waited_for(server: RegistrationServer) -> bool:
    """Whether somebody waits for a row."""
    rows = await server.rows(
        "SELECT 1 FROM pg_catalog.pg_stat_activity "
        "WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    return bool(rows)


async def own_id(candidate: Caller) -> str:
    """The id of somebody who is logged in."""
    found = await candidate.call(registration.GetRegistrationRequest())
    return str(found.registration.candidate_id)


async def test_it_needs_the_password(server: RegistrationServer) -> None:
    """A stolen token erases nothing, and guesses are few."""
    candidate = await new_candidate(server)
    wrong = [await candidate.refused(erasure("wrong")) for _ in range(6)]
    assert [error.reason for error in wrong] == ["LOGIN_FAILED"] * 5 + ["LOGIN_LOCKED"]
    assert await own_id(candidate)


async def test_what_is_examined_is_kept(server: RegistrationServer) -> None:
    """Pending, rejected and approved registrations are not erased; each says why."""
    officer = await new_officer(server)
    pending, who = await pending_candidate(server, 1)
    assert "待审核" in (await pending.refused(erasure())).metadata["detail"]
    await officer.call(lease_request())
    await officer.call(rejection(who))
    assert "审核未通过" in (await pending.refused(erasure())).metadata["detail"]
    approved, _ = await approved_candidate(server, officer, 2)
    error = await approved.refused(erasure())
    assert (error.reason, "准考证号" in error.metadata["detail"]) == ("ERASURE_NOT_ALLOWED", True)
    assert await own_id(approved)


async def test_the_abandoned_go_by_themselves(server: RegistrationServer) -> None:
    """Half a year after a registration was given up all of it is gone, decisions too."""
    officer = await new_officer(server)
    _, rejected = await pending_candidate(server, 1)
    await officer.call(lease_request())
    await officer.call(rejection(rejected))
    _, approved = await approved_candidate(server, officer, 2)
    await server.move_clock(REVIEW_CLOSES)
    await until(lambda: is_abandoned(server, rejected))
    await server.move_clock(REVIEW_CLOSES + RETENTION - HOUR)
    await log_in(server, document_number(2))
    assert await is_abandoned(server, rejected)
    await server.move_clock(REVIEW_CLOSES + RETENTION + HOUR)

    async def is_erased() -> bool:
        return not await server.rows(
            "SELECT 1 FROM registration.account WHERE account_id = $1::text::uuid", rejected
        )

    await until(is_erased)
    assert await tables_with(server, rejected) <= {"audit", "login"}
    assert "candidate" in await tables_with(server, approved)


async def is_abandoned(server: RegistrationServer, who: str) -> bool:
    """Whether a registration has been given up, and is there."""
    rows = await server.rows(
        "SELECT state FROM registration.candidate WHERE candidate_id = $1::text::uuid", who
    )
    return [row["state"] for row in rows] == ["abandoned"]


async def test_decisions_stay_append_only_elsewhere(server: RegistrationServer) -> None:
    """But for an erasure nobody deletes a decision, and an audit row nobody at all."""
    officer = await new_officer(server)
    await approved_candidate(server, officer)
    with pytest.raises(asyncpg.RestrictViolationError):
        await server.rows("DELETE FROM registration.decision")
    connection = await asyncpg.connect(server.dsn)
    async with connection.transaction():
        await connection.execute("SELECT set_config('registration.erasing', 'on', true)")
        with pytest.raises(asyncpg.RestrictViolationError):
            async with connection.transaction():
                await connection.execute("DELETE FROM registration.audit")
        with pytest.raises(asyncpg.RestrictViolationError):
            async with connection.transaction():
                await connection.execute("UPDATE registration.decision SET comment = ''")
    await connection.close()


async def test_every_table_is_in_the_copy_or_holds_no_person(server: RegistrationServer) -> None:
    """A new table is part of the copy, or somebody says why it is not."""
    queries = Queries.load("zikao_registration")
    named = {
        table
        for query in ("export_account", "list_changes_of", "list_standing_changes", *EXPORTS)
        for table in re.findall(r"(?:FROM|JOIN) registration\.(\w+)", queries[query])
    }
    assert await all_tables(server) - named == NOT_IN_THE_COPY


async def test_whatever_is_of_a_person_is_erased_with_them(server: RegistrationServer) -> None:
    """Every table that names a candidate or an account is in the erasure, or of numbers."""
    queries = Queries.load("zikao_registration")
    erased = {
        match[1]
        for name in ERASURES
        if (match := re.search(r"DELETE FROM registration\.(\w+)", queries[name]))
    }
    rows = await server.rows(
        "SELECT DISTINCT conrelid::regclass::text AS name FROM pg_catalog.pg_constraint "
        "WHERE contype = 'f' AND confrelid = ANY "
        "(ARRAY['registration.account', 'registration.candidate']::regclass[])"
    )
    named = {row["name"].removeprefix("registration.") for row in rows}
    assert named - erased == KEPT_WITH_NUMBER
