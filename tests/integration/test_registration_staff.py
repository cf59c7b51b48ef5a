"""Accounts of officers: the first login, the second factor, and what the operator does."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from support.one_time_codes import CodeGenerator
from support.registration_people import (
    COUNTY_OFFICER,
    JINJIANG,
    STAFF_PASSWORD,
    apply_session,
    lease_request,
    log_in,
    log_in_through,
    new_candidate,
    new_officer,
    set_up_second_factor,
    staff_request,
)
from support.registration_server import NOON, RegistrationServer, registration_server
from support.service import Caller, new_id
from support.service_databases import MakeDatabase
from zikao.options.v1 import options_pb2
from zikao.registration.v1 import account_service_pb2 as accounts
from zikao.registration.v1 import login_service_pb2 as logins
from zikao.registration.v1 import staff_service_pb2 as staff
from zikao_registration.config import LoginConfig

NAME = f"officer-{JINJIANG}"
LIST = staff.ListStaffAccountsRequest()


@pytest.fixture
async def server(make_database: MakeDatabase, tmp_path: Path) -> AsyncIterator[RegistrationServer]:
    """A running service with the session applied."""
    async with registration_server(await make_database("registration"), tmp_path) as running:
        await apply_session(running)
        yield running


def trying(password: str = STAFF_PASSWORD, code: str = "") -> accounts.LogInRequest:
    """The officer's login."""
    return accounts.LogInRequest(login_name=NAME, password=password, one_time_code=code)


async def staff_id(server: RegistrationServer) -> str:
    """The id of the only staff account."""
    (row,) = await server.rows("SELECT account_id FROM registration.account WHERE kind = 'staff'")
    return str(row["account_id"])


async def test_the_first_login_of_an_officer(server: RegistrationServer) -> None:
    """The given password opens nothing until it is changed and the second factor is set up."""
    operator, portal = await server.caller("operator"), await server.caller("portal")
    await operator.call(staff_request(NAME, COUNTY_OFFICER, JINJIANG, keep_password=False))
    tokens = await log_in_through(portal, NAME, STAFF_PASSWORD)
    assert (tokens.must_change_password, tokens.must_set_up_second_factor) == (True, True)
    officer = portal.with_token(tokens.access_token)
    assert (await officer.refused(lease_request())).reason == "PERMISSION_DENIED"
    change = logins.ChangePasswordRequest(
        request_id=new_id(), old_password=STAFF_PASSWORD, new_password="an officer's own one"
    )
    tokens = (await officer.call(change)).tokens
    assert (tokens.must_change_password, tokens.must_set_up_second_factor) == (False, True)
    officer = portal.with_token(tokens.access_token)
    assert (await officer.refused(lease_request())).reason == "PERMISSION_DENIED"
    tokens = await set_up_second_factor(server, officer, NAME)
    assert (tokens.must_change_password, tokens.must_set_up_second_factor) == (False, False)
    await portal.with_token(tokens.access_token).call(lease_request())


async def test_a_second_factor_first_does_not_open_the_rest(server: RegistrationServer) -> None:
    """In the other order it is the password that is still missing."""
    operator, portal = await server.caller("operator"), await server.caller("portal")
    await operator.call(staff_request(NAME, COUNTY_OFFICER, JINJIANG, keep_password=False))
    tokens = await log_in_through(portal, NAME, STAFF_PASSWORD)
    officer = portal.with_token(tokens.access_token)
    tokens = await set_up_second_factor(server, officer, NAME)
    assert tokens.must_change_password
    refused = await portal.with_token(tokens.access_token).refused(lease_request())
    assert refused.reason == "PERMISSION_DENIED"


async def test_codes_are_needed_and_used_up(server: RegistrationServer) -> None:
    """A password alone, a wrong code and a used one get nobody in; a new code does."""
    await new_officer(server)
    portal, code = await server.caller("portal"), server.next_code(NAME)
    assert (await portal.refused(trying())).reason == "SECOND_FACTOR_REQUIRED"
    wrong = "000000" if code != "000000" else "111111"
    assert (await portal.refused(trying(code=wrong))).reason == "ONE_TIME_CODE_WRONG"
    assert (await portal.refused(trying("wrong", code))).reason == "LOGIN_FAILED"
    await portal.call(trying(code=code))
    assert (await portal.refused(trying(code=code))).reason == "ONE_TIME_CODE_WRONG"


async def test_a_code_opens_one_of_many_logins(server: RegistrationServer) -> None:
    """Of several that come with it at once exactly one gets in."""
    await new_officer(server)
    portal, code = await server.caller("portal"), server.next_code(NAME)
    racing = [portal.call(trying(code=code)) for _ in range(5)]
    outcomes = await asyncio.gather(*racing, return_exceptions=True)
    assert sum(isinstance(each, accounts.LogInResponse) for each in outcomes) == 1


async def test_codes_of_other_times(server: RegistrationServer) -> None:
    """Half a minute off is a slow clock, two minutes are not."""
    await new_officer(server)
    portal = await server.caller("portal")
    secret = server.second_factors[NAME].secret
    for minutes, seconds_off, is_right in ((5, -30, True), (10, 30, True), (15, -120, False)):
        now = NOON + timedelta(minutes=minutes)
        await server.move_clock(now)
        code = CodeGenerator(secret).next_code(now + timedelta(seconds=seconds_off))
        if is_right:
            await portal.call(trying(code=code))
        else:
            assert (await portal.refused(trying(code=code))).reason == "ONE_TIME_CODE_WRONG"


async def test_a_known_password_gives_no_endless_guesses(server: RegistrationServer) -> None:
    """Codes are counted as passwords are, and the right password alone clears nothing."""
    await new_officer(server)
    portal, code = await server.caller("portal"), server.next_code(NAME)
    wrong = "000000" if code != "000000" else "111111"
    reasons = []
    for _ in range(3):
        reasons += [(await portal.refused(trying())).reason]
        reasons += [(await portal.refused(trying(code=wrong))).reason]
    assert reasons[4:] == ["SECOND_FACTOR_REQUIRED", "LOGIN_LOCKED"]
    assert (await portal.refused(trying(code=code))).reason == "LOGIN_LOCKED"


async def test_a_second_factor_is_not_replaced(server: RegistrationServer) -> None:
    """A stolen token does not replace it; until it is confirmed it may be begun anew."""
    officer = await new_officer(server)
    begin = logins.BeginSecondFactorRequest(request_id=new_id())
    assert (await officer.refused(begin)).reason == "SECOND_FACTOR_EXISTS"
    confirm = logins.ConfirmSecondFactorRequest(request_id=new_id(), one_time_code="123456")
    assert (await officer.refused(confirm)).reason == "SECOND_FACTOR_EXISTS"
    operator = await server.caller("operator")
    await operator.call(staff_request("another", COUNTY_OFFICER, JINJIANG))
    other = await log_in(server, "another", STAFF_PASSWORD)
    assert (await other.refused(confirm)).reason == "SECOND_FACTOR_MISSING"
    first = await other.call(begin)
    begin.request_id = new_id()
    second = await other.call(begin)
    assert first.secret != second.secret
    assert second.secret in second.uri
    confirm.one_time_code = CodeGenerator(first.secret).next_code(NOON)
    assert (await other.refused(confirm)).reason == "ONE_TIME_CODE_WRONG"
    assert await other.call(begin) == second


async def test_other_logins_end_with_a_second_factor(server: RegistrationServer) -> None:
    """One that was begun with the password alone does not become a full one."""
    operator, portal = await server.caller("operator"), await server.caller("portal")
    await operator.call(staff_request(NAME, COUNTY_OFFICER, JINJIANG))
    mine, other = [await log_in_through(portal, NAME, STAFF_PASSWORD) for _ in range(2)]
    await set_up_second_factor(server, portal.with_token(mine.access_token), NAME)
    refresh = logins.RefreshTokenRequest(request_id=new_id(), refresh_token=other.refresh_token)
    assert (await portal.refused(refresh)).reason == "LOGIN_ENDED"


async def test_an_installation_without_second_factors(
    make_database: MakeDatabase, tmp_path: Path
) -> None:
    """Where it is not required the password is enough."""
    dsn = await make_database("registration")
    login = LoginConfig(second_factor_required=False)
    async with registration_server(dsn, tmp_path, login=login) as server:
        await apply_session(server)
        operator = await server.caller("operator")
        await operator.call(staff_request(NAME, COUNTY_OFFICER, JINJIANG))
        await (await log_in(server, NAME, STAFF_PASSWORD)).call(lease_request())


async def test_secrets_are_stored_encrypted(server: RegistrationServer) -> None:
    """Neither the secret nor the login name is readable in the database."""
    await new_officer(server)
    secret = server.second_factors[NAME].secret
    (row,) = await server.rows("SELECT * FROM registration.account WHERE kind = 'staff'")
    text = str(dict(row))
    assert secret not in text
    assert NAME not in text


async def test_a_disabled_account(server: RegistrationServer) -> None:
    """Its logins end, none begins, and only who knows the password hears why."""
    officer = await new_officer(server)
    operator, portal = await server.caller("operator"), await server.caller("portal")
    disable = staff.DisableStaffAccountRequest(request_id=new_id(), staff_id=await staff_id(server))
    assert (await portal.refused(disable)).reason == "PERMISSION_DENIED"
    await operator.call(disable)
    assert (await officer.refused(lease_request())).reason == "TOKEN_INVALID"
    code = server.next_code(NAME)
    assert (await portal.refused(trying(code=code))).reason == "ACCOUNT_DISABLED"
    assert (await portal.refused(trying("wrong", code))).reason == "LOGIN_FAILED"
    rows = await server.rows("SELECT actor FROM registration.audit WHERE action LIKE 'disable%'")
    assert [row["actor"] for row in rows] == ["operator"]


async def test_a_reset_account(server: RegistrationServer) -> None:
    """Password and second factor are lost: both are set anew, and what was open has ended."""
    officer = await new_officer(server)
    operator, portal = await server.caller("operator"), await server.caller("portal")
    disable = staff.DisableStaffAccountRequest(request_id=new_id(), staff_id=await staff_id(server))
    await operator.call(disable)
    reset = staff.ResetStaffAccountRequest(
        request_id=new_id(), staff_id=disable.staff_id, password="given by the operator"
    )
    await operator.call(reset)
    assert (await officer.refused(lease_request())).reason == "TOKEN_INVALID"
    assert (await portal.refused(trying())).reason == "LOGIN_FAILED"
    tokens = (await portal.call(trying("given by the operator"))).tokens
    assert (tokens.must_change_password, tokens.must_set_up_second_factor) == (True, True)
    reset.request_id, reset.password = new_id(), "administrator"
    assert (await operator.refused(reset)).reason == "PASSWORD_REFUSED"


async def test_a_candidate_is_no_staff(server: RegistrationServer) -> None:
    """The operator administers staff: a candidate's account, or none, is not found."""
    candidate = await new_candidate(server)
    me = (await candidate.call(logins.ListLoginsRequest())).logins
    assert len(me) == 1
    (row,) = await server.rows("SELECT account_id FROM registration.account")
    operator = await server.caller("operator")
    for account_id in (str(row["account_id"]), new_id()):
        disable = staff.DisableStaffAccountRequest(request_id=new_id(), staff_id=account_id)
        assert (await operator.refused(disable)).reason == "NOT_FOUND"


async def listed(caller: Caller, page_size: int) -> list[staff.StaffAccount]:
    """All staff accounts, page by page."""
    found: list[staff.StaffAccount] = []
    token = ""
    while True:
        request = staff.ListStaffAccountsRequest(page_size=page_size, page_token=token)
        answer: staff.ListStaffAccountsResponse = await caller.call(request)
        assert len(answer.accounts) <= page_size
        found += answer.accounts
        token = answer.next_page_token
        if not token:
            return found


async def test_staff_accounts_are_listed(server: RegistrationServer) -> None:
    """The operator and the province see each once, with its state; nobody else does."""
    await new_officer(server)
    province = await new_officer(server, "51", options_pb2.ROLE_PROVINCE_OFFICER)
    operator = await server.caller("operator")
    for number in range(3):
        request = staff_request(f"auditor-{number}", options_pb2.ROLE_AUDITOR, "51")
        await operator.call(request)
    for caller in (operator, province):
        accounts_found = await listed(caller, page_size=2)
        assert sorted(each.login_name for each in accounts_found) == sorted(
            ["AUDITOR-0", "AUDITOR-1", "AUDITOR-2", NAME.upper(), "OFFICER-51"]
        )
    set_up = {each.login_name for each in accounts_found if each.has_second_factor}
    assert set_up == {NAME.upper(), "OFFICER-51"}
    candidate = await new_candidate(server)
    portal = await server.caller("portal")
    assert (await candidate.refused(LIST)).reason == "PERMISSION_DENIED"
    assert (await portal.refused(LIST)).reason == "TOKEN_INVALID"
    made_up = staff.ListStaffAccountsRequest(page_token="the second page")
    assert (await operator.refused(made_up)).reason == "INVALID_REQUEST"
