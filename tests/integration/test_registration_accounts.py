"""Accounts, passwords and tokens, over mutual TLS."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from support.clocks import FixedClock
from support.registration_people import (
    account_request,
    apply_session,
    document_number,
    lease_request,
    log_in,
    new_candidate,
    new_officer,
    staff_request,
)
from support.registration_server import (
    CLOSES,
    NOON,
    OPENS,
    RegistrationServer,
    registration_server,
)
from support.service import new_id, until
from support.service_databases import MakeDatabase
from zikao.options.v1 import options_pb2
from zikao.registration.v1 import account_service_pb2 as accounts
from zikao.registration.v1 import registration_service_pb2 as registration
from zikao.registration.v1 import types_pb2 as types
from zikao_kit.admission import overloaded
from zikao_kit.config import DatabaseConfig
from zikao_kit.crypto import KeyRing
from zikao_kit.db import Database
from zikao_kit.queries import Queries
from zikao_kit.tokens import TokenIssuer
from zikao_registration.commands.load_signing_keys import load_signing_keys
from zikao_registration.password_hashing import PasswordHashing
from zikao_registration.stores.accounts import AccountStore

GET = registration.GetRegistrationRequest()


@pytest.fixture
async def server(make_database: MakeDatabase, tmp_path: Path) -> AsyncIterator[RegistrationServer]:
    """A running service with the session applied, in its registration window."""
    async with registration_server(await make_database("registration"), tmp_path) as running:
        await apply_session(running)
        yield running


async def test_unknown_kind_of_document(server: RegistrationServer) -> None:
    """No kind, and one that no contract knows, are refused by their field."""
    portal = await server.caller("portal")
    for kind in (types.DOCUMENT_TYPE_UNSPECIFIED, 99):
        refused = await portal.refused(account_request(document_type=kind))
        assert refused.reason == "INVALID_REQUEST"
        assert [problem.field for problem in refused.fields] == ["document_type"]


async def test_bad_fields_are_named_together(server: RegistrationServer) -> None:
    """A request with six bad fields is answered with all six."""
    request = accounts.CreateAccountRequest(
        request_id="7", login_name="长" * 65, password="short", document_number=""
    )
    refused = await (await server.caller("portal")).refused(request)
    assert refused.reason == "INVALID_REQUEST"
    assert [problem.field for problem in refused.fields] == [
        "request_id",
        "session_code",
        "document_type",
        "document_number",
        "login_name",
        "password",
    ]


async def test_wrong_document_says_what_is_wrong(server: RegistrationServer) -> None:
    """A wrong check digit is told in Chinese."""
    number = document_number(1)[:-1] + ("0" if document_number(1)[-1] != "0" else "1")
    refused = await (await server.caller("portal")).refused(account_request(document_number=number))
    assert (refused.reason, refused.metadata["detail"]) == (
        "DOCUMENT_INVALID",
        "校验码有误，请逐位核对",
    )


@pytest.mark.parametrize("password", ["password123", document_number(1), "12345678"])
async def test_weak_passwords_are_refused(server: RegistrationServer, password: str) -> None:
    """Common ones and the own document number are no passwords."""
    refused = await (await server.caller("portal")).refused(account_request(password=password))
    assert refused.reason == "PASSWORD_REFUSED"


async def test_one_account_a_person(server: RegistrationServer) -> None:
    """The 15-digit form is the same person; the answer is that of a taken login name."""
    portal = await server.caller("portal")
    await portal.call(account_request(1))
    number = document_number(1)
    fifteen = number[:6] + number[8:17]
    for again in (number, fifteen):
        request = account_request(document_number=again, login_name="another")
        assert (await portal.refused(request)).reason == "LOGIN_NAME_TAKEN"
    assert (await log_in(server, fifteen)).token


async def test_taken_login_name(server: RegistrationServer) -> None:
    """A chosen name is taken in every spelling; the loser of a race is told so too."""
    portal = await server.caller("portal")
    await portal.call(account_request(1, login_name="xiaoming"))
    assert (await portal.refused(account_request(2, login_name="ＸiaoMing"))).reason == (
        "LOGIN_NAME_TAKEN"
    )
    racing = [account_request(number, login_name="race") for number in range(3, 8)]
    outcomes = await asyncio.gather(*map(portal.call, racing), return_exceptions=True)
    assert sum(not isinstance(outcome, BaseException) for outcome in outcomes) == 1
    assert (await log_in(server, "XIAOMING")).token


async def test_nobody_takes_the_number_of_another(server: RegistrationServer) -> None:
    """A login name that is a document number is refused, for candidates and staff."""
    portal, operator = await server.caller("portal"), await server.caller("operator")
    request = account_request(1, login_name=document_number(2))
    assert (await portal.refused(request)).reason == "INVALID_REQUEST"
    staff = staff_request(document_number(2), options_pb2.ROLE_AUDITOR, "51")
    assert (await operator.refused(staff)).reason == "INVALID_REQUEST"


async def test_accounts_are_made_in_the_window(server: RegistrationServer) -> None:
    """Before the opening and from the closing on, and for no session, there are no accounts."""
    portal = await server.caller("portal")
    for at in (OPENS - timedelta(seconds=1), CLOSES):
        await server.move_clock(at)
        refused = await portal.refused(account_request())
        assert refused.reason == "REGISTRATION_CLOSED"
        assert refused.metadata["closes_at"] == CLOSES.isoformat()
    await server.move_clock(OPENS)
    unknown = account_request(session_code="99.9")
    assert (await portal.refused(unknown)).reason == "SESSION_UNKNOWN"
    await portal.call(account_request())


async def test_what_is_refused_anyway_is_not_hashed(
    server: RegistrationServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With no room left for new passwords the closed window is told; the open one is overloaded."""
    portal = await server.caller("portal")
    made = account_request(1)
    first = await portal.call(made)

    async def full(_: PasswordHashing, __: str) -> str:
        raise overloaded()

    monkeypatch.setattr(PasswordHashing, "hash", full)
    assert (await portal.refused(account_request(2))).reason == "OVERLOADED"
    assert (await portal.refused(account_request(2, session_code="99.9"))).reason == (
        "SESSION_UNKNOWN"
    )
    assert (await portal.refused(account_request(2, password="12345678"))).reason == (
        "PASSWORD_REFUSED"
    )
    await server.move_clock(CLOSES)
    assert (await portal.refused(account_request(2))).reason == "REGISTRATION_CLOSED"
    assert await portal.call(made) == first


async def test_tokens_expire(server: RegistrationServer) -> None:
    """Candidates' tokens are good for 2 hours of the service's clock, those of staff 15 minutes."""
    candidate, officer = await new_candidate(server), await new_officer(server)
    await server.move_clock(NOON + timedelta(minutes=14))
    await officer.call(lease_request())
    await server.move_clock(NOON + timedelta(minutes=16))
    assert (await officer.refused(lease_request())).reason == "TOKEN_EXPIRED"
    await server.move_clock(NOON + timedelta(minutes=119))
    await candidate.call(GET)
    await server.move_clock(NOON + timedelta(minutes=121))
    assert (await candidate.refused(GET)).reason == "TOKEN_EXPIRED"


async def test_forged_tokens_are_refused(server: RegistrationServer) -> None:
    """A token that names our key and was signed by another is none."""
    portal = await server.caller("portal")
    (key,) = (await portal.call(accounts.ListSigningKeysRequest())).keys
    issuer = TokenIssuer(
        key.key_id, Ed25519PrivateKey.generate(), FixedClock(NOON), timedelta(minutes=5)
    )
    forged = issuer.issue(str(uuid4()), "candidate").token
    assert (await portal.with_token(forged).refused(GET)).reason == "TOKEN_INVALID"
    assert (await portal.refused(GET)).reason == "TOKEN_INVALID"


async def test_deleted_keys_are_replaced(server: RegistrationServer) -> None:
    """With its key deleted a token ends within a poll, and new logins get a new key's."""
    candidate, portal = await new_candidate(server), await server.caller("portal")
    (old,) = await server.rows("DELETE FROM registration.signing_key RETURNING key_id")

    async def replaced() -> bool:
        (key,) = (await portal.call(accounts.ListSigningKeysRequest())).keys
        return bool(key.key_id != old["key_id"])

    await until(replaced)
    assert (await candidate.refused(GET)).reason == "TOKEN_INVALID"
    assert (await (await log_in(server, document_number(1))).call(GET)).registration.candidate_id


async def until_waiting(dsn: str, count: int) -> None:
    """Wait until so many transactions of the database wait for an advisory lock."""
    connection = await asyncpg.connect(dsn)

    async def waiting() -> bool:
        found = await connection.fetchval(
            "SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database"
            " WHERE datname = current_database() AND locktype = 'advisory' AND NOT granted"
        )
        return bool(found == count)

    try:
        await until(waiting)
    finally:
        await connection.close()


async def test_processes_that_start_together_make_one_key(make_database: MakeDatabase) -> None:
    """Who starts while another makes the key waits for it, and gets that one."""
    keys = KeyRing.generate()
    dsn = await make_database("registration")
    config = DatabaseConfig(dsn=dsn)

    async with await Database.connect(config, Queries.load("zikao_registration")) as db:

        async def start() -> str:
            async with db.transaction() as tx:
                (key,) = await load_signing_keys(AccountStore(tx, keys), NOON)
            return key.key_id

        async with db.transaction() as tx:
            (made,) = await load_signing_keys(AccountStore(tx, keys), NOON)
            others = [asyncio.create_task(start()) for _ in range(3)]
            await until_waiting(dsn, 3)
            assert not any(other.done() for other in others)
        assert await asyncio.gather(*others) == [made.key_id] * 3


async def test_only_the_operator_makes_staff(server: RegistrationServer) -> None:
    """A portal may not; a scope must fit its role; a taken name and a common password are told."""
    portal, operator = await server.caller("portal"), await server.caller("operator")
    request = staff_request("officer", options_pb2.ROLE_COUNTY_OFFICER, "510104")
    assert (await portal.refused(request)).reason == "PERMISSION_DENIED"
    wide = staff_request("officer", options_pb2.ROLE_COUNTY_OFFICER, "51")
    assert (await operator.refused(wide)).reason == "INVALID_REQUEST"
    first, again = await operator.call(request), await operator.call(request)
    assert first.staff_id == again.staff_id
    request.request_id = new_id()
    assert (await operator.refused(request)).reason == "LOGIN_NAME_TAKEN"
    request.password = "administrator"
    assert (await operator.refused(request)).reason == "PASSWORD_REFUSED"


async def test_roles_stay_apart(server: RegistrationServer) -> None:
    """An officer is no candidate, whose registration could be asked for."""
    officer = await new_officer(server)
    assert (await officer.refused(GET)).reason == "PERMISSION_DENIED"
