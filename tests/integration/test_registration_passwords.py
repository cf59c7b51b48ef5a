"""Changing a password, and the initial one that opens nothing else."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from support.registration_people import (
    PASSWORD,
    STAFF_PASSWORD,
    account_request,
    apply_session,
    document_number,
    log_in,
    log_in_through,
    new_candidate,
    new_officer,
)
from support.registration_server import NOON, RegistrationServer, registration_server
from support.service import Caller, new_id
from support.service_databases import MakeDatabase
from zikao.registration.v1 import account_service_pb2 as accounts
from zikao.registration.v1 import login_service_pb2 as logins
from zikao.registration.v1 import registration_service_pb2 as registration
from zikao.registration.v1 import types_pb2 as types

GET = registration.GetRegistrationRequest()
LIST = logins.ListLoginsRequest()
NEW_PASSWORD = "quite another passphrase"
INITIAL = document_number(1)[-6:]


@pytest.fixture
async def server(make_database: MakeDatabase, tmp_path: Path) -> AsyncIterator[RegistrationServer]:
    """A running service with the session applied, and a candidate."""
    async with registration_server(await make_database("registration"), tmp_path) as running:
        await apply_session(running)
        await (await running.caller("portal")).call(account_request(1))
        yield running


def changing(old: str = PASSWORD, new: str = NEW_PASSWORD) -> logins.ChangePasswordRequest:
    """A request for a new password."""
    return logins.ChangePasswordRequest(request_id=new_id(), old_password=old, new_password=new)


def trying(password: str) -> accounts.LogInRequest:
    """The candidate's login."""
    return accounts.LogInRequest(login_name=document_number(1), password=password)


async def reset_to_initial(server: RegistrationServer) -> None:
    """What an office does for who has lost the password, but for the logins that end."""
    await server.rows("UPDATE registration.account SET password_hash = NULL")


async def first_tokens(portal: Caller, password: str) -> types.LoginTokens:
    """The candidate logs in."""
    return await log_in_through(portal, document_number(1), password)


async def test_a_changed_password(server: RegistrationServer) -> None:
    """The new one counts, the old one does not; this login goes on, the others have ended."""
    portal = await server.caller("portal")
    mine, other = [await first_tokens(portal, PASSWORD) for _ in range(2)]
    me = portal.with_token(mine.access_token)
    request = changing()
    changed = (await me.call(request)).tokens
    assert (await me.call(request)).tokens == changed
    await portal.with_token(changed.access_token).call(GET)
    assert (await portal.with_token(other.access_token).refused(GET)).reason == "TOKEN_INVALID"
    assert (await portal.refused(trying(PASSWORD))).reason == "LOGIN_FAILED"
    assert (await portal.call(trying(NEW_PASSWORD))).tokens.subject == mine.subject
    refresh = logins.RefreshTokenRequest(request_id=new_id(), refresh_token=changed.refresh_token)
    assert not (await portal.call(refresh)).tokens.must_change_password
    (row,) = await server.rows(
        "SELECT actor FROM registration.audit WHERE action = 'change_password'"
    )
    assert row["actor"] == mine.subject


async def test_wrong_old_passwords_lock_the_change(server: RegistrationServer) -> None:
    """After five the right one has to wait too; logging in has not been locked by it."""
    me = await log_in(server, document_number(1))
    reasons = [(await me.refused(changing(old="wrong"))).reason for _ in range(6)]
    assert reasons == ["LOGIN_FAILED"] * 5 + ["LOGIN_LOCKED"]
    assert (await me.refused(changing())).reason == "LOGIN_LOCKED"
    await log_in(server, document_number(1))
    await server.move_clock(NOON + timedelta(minutes=16))
    await me.call(changing())


async def test_no_login_name_reaches_that_count(server: RegistrationServer) -> None:
    """Neither typing names locks somebody's change, nor does a chosen one give new guesses."""
    portal, me = await server.caller("portal"), await log_in(server, document_number(1))
    account_id = (await me.call(GET)).registration.candidate_id
    names = [f"{prefix}{account_id}" for prefix in ("", "account:", "proof:")]
    for number, name in enumerate(names, start=2):
        await portal.call(account_request(number, login_name=name))
        for _ in range(6):
            await portal.refused(accounts.LogInRequest(login_name=name, password="wrong"))
    assert (await me.refused(changing(old="wrong"))).reason == "LOGIN_FAILED"
    await server.move_clock(NOON + timedelta(minutes=16))
    for _ in range(5):
        await me.refused(changing(old="wrong"))
    for name in names:
        await log_in_through(portal, name)
    assert (await me.refused(changing())).reason == "LOGIN_LOCKED"


@pytest.mark.parametrize("new", ["password123", document_number(1), PASSWORD])
async def test_no_password_to_choose(server: RegistrationServer, new: str) -> None:
    """Common ones, the own document number and the old one again are refused."""
    me = await log_in(server, document_number(1))
    assert (await me.refused(changing(new=new))).reason == "PASSWORD_REFUSED"


async def test_staff_choose_longer_ones(server: RegistrationServer) -> None:
    """Eight characters are enough for a candidate, twelve for an officer."""
    officer = await new_officer(server)
    short = changing(old=STAFF_PASSWORD, new="elevenchars")
    assert (await officer.refused(short)).reason == "PASSWORD_REFUSED"
    tokens = (await officer.call(changing(old=STAFF_PASSWORD))).tokens
    await officer.with_token(tokens.access_token).call(LIST)


async def test_of_two_changes_at_once_one_counts(server: RegistrationServer) -> None:
    """The loser learns that its login has ended: it was proved by a password of before."""
    one, other = [await log_in(server, document_number(1)) for _ in range(2)]
    racing = [one.call(changing(new=f"{NEW_PASSWORD} 1")), other.call(changing())]
    outcomes = await asyncio.gather(*racing, return_exceptions=True)
    assert sum(isinstance(each, logins.ChangePasswordResponse) for each in outcomes) == 1


@pytest.mark.parametrize("initial", [INITIAL, INITIAL.lower(), f" {INITIAL}"])
async def test_the_initial_password_opens_nothing_but_its_change(
    server: RegistrationServer, initial: str
) -> None:
    """The last 6 characters of the document number, however written, get a restricted token."""
    await reset_to_initial(server)
    portal = await server.caller("portal")
    tokens = await first_tokens(portal, initial)
    assert tokens.must_change_password
    me = portal.with_token(tokens.access_token)
    for request in (GET, LIST):
        assert (await me.refused(request)).reason == "PERMISSION_DENIED"
    refresh = logins.RefreshTokenRequest(request_id=new_id(), refresh_token=tokens.refresh_token)
    again = (await portal.call(refresh)).tokens
    assert again.must_change_password
    me = portal.with_token(again.access_token)
    assert (await me.refused(GET)).reason == "PERMISSION_DENIED"
    changed = (await me.call(changing(old=initial))).tokens
    assert not changed.must_change_password
    await portal.with_token(changed.access_token).call(GET)
    assert (await portal.refused(trying(initial))).reason == "LOGIN_FAILED"


async def test_an_old_form_has_the_same_initial_password(server: RegistrationServer) -> None:
    """Who logs in with 15 digits uses the last 6 of the 18."""
    await reset_to_initial(server)
    number = document_number(1)
    fifteen = number[:6] + number[8:17]
    portal = await server.caller("portal")
    assert (await log_in_through(portal, fifteen, INITIAL)).must_change_password
    wrong = accounts.LogInRequest(login_name=fifteen, password=fifteen[-6:])
    assert (await portal.refused(wrong)).reason == "LOGIN_FAILED"


async def test_the_initial_password_is_locked_as_others_are(server: RegistrationServer) -> None:
    """Six characters are few: five guesses in a quarter of an hour, and it is no new password."""
    portal = await server.caller("portal")
    assert (await portal.refused(trying(INITIAL))).reason == "LOGIN_FAILED"  # not reset: no use
    await reset_to_initial(server)
    guesses = [await portal.refused(trying(f"00000{n}")) for n in range(5)]
    assert [guess.reason for guess in guesses] == ["LOGIN_FAILED"] * 4 + ["LOGIN_LOCKED"]
    await server.move_clock(NOON + timedelta(minutes=16))
    me = portal.with_token((await first_tokens(portal, INITIAL)).access_token)
    assert (await me.refused(changing(INITIAL, INITIAL))).reason == "INVALID_REQUEST"


async def test_a_restricted_login_stays_restricted(server: RegistrationServer) -> None:
    """A new password that another login has chosen does not open this one: it has ended."""
    await reset_to_initial(server)
    portal = await server.caller("portal")
    mine, other = [await first_tokens(portal, INITIAL) for _ in range(2)]
    await portal.with_token(mine.access_token).call(changing(old=INITIAL))
    refresh = logins.RefreshTokenRequest(request_id=new_id(), refresh_token=other.refresh_token)
    assert (await portal.refused(refresh)).reason == "LOGIN_ENDED"
    assert (await portal.with_token(other.access_token).refused(GET)).reason == "TOKEN_INVALID"


async def test_a_chosen_name_and_the_number_are_one_account(server: RegistrationServer) -> None:
    """Who has forgotten the chosen name logs in with the document number; each is counted apart."""
    portal = await server.caller("portal")
    await portal.call(account_request(2, login_name="xiaoming"))
    by_name = await log_in_through(portal, "xiaoming")
    by_number = await log_in_through(portal, document_number(2))
    assert UUID(by_name.subject) == UUID(by_number.subject)
    wrong = accounts.LogInRequest(login_name=document_number(2), password="wrong")
    for _ in range(6):
        await portal.refused(wrong)
    assert (await portal.refused(wrong)).reason == "LOGIN_LOCKED"
    # Locked together they would tell a stranger which name belongs to which number.
    await log_in_through(portal, "xiaoming")


async def test_a_password_that_changes_meanwhile(server: RegistrationServer) -> None:
    """Nobody gets in with a password that was right when it was looked at, and is not any more."""
    me, portal = await new_candidate(server, 3), await server.caller("portal")
    request = accounts.LogInRequest(login_name=document_number(3), password=PASSWORD)
    racing = [portal.call(request) for _ in range(12)]
    outcomes = await asyncio.gather(me.call(changing()), *racing, return_exceptions=True)
    changed, *begun = outcomes
    assert isinstance(changed, logins.ChangePasswordResponse)
    for outcome in begun:
        if isinstance(outcome, accounts.LogInResponse):
            token = outcome.tokens.access_token
            assert (await portal.with_token(token).refused(GET)).reason == "TOKEN_INVALID"
