"""Logins that go on: refresh tokens, logging out, and what ends a login for everybody."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import grpc
import pytest
from support.races import meet
from support.registration_people import (
    PASSWORD,
    apply_session,
    document_number,
    log_in_through,
    new_candidate,
    new_officer,
)
from support.registration_server import NOON, RegistrationServer, registration_server
from support.service import Caller, new_id, until
from support.service_databases import MakeDatabase
from zikao.registration.v1 import account_service_pb2 as accounts
from zikao.registration.v1 import login_service_pb2 as logins
from zikao.registration.v1 import registration_service_pb2 as registration
from zikao.registration.v1 import types_pb2 as types
from zikao_kit.error_table import problem_of
from zikao_registration.domain.open_logins import MAX_NEW_LOGINS, MAX_OPEN_LOGINS

GET = registration.GetRegistrationRequest()
LIST = logins.ListLoginsRequest()


@pytest.fixture
async def server(make_database: MakeDatabase, tmp_path: Path) -> AsyncIterator[RegistrationServer]:
    """A running service with the session applied, and a candidate."""
    async with registration_server(await make_database("registration"), tmp_path) as running:
        await apply_session(running)
        await new_candidate(running)
        yield running


async def begin(server: RegistrationServer) -> types.LoginTokens:
    """The candidate logs in through the portal."""
    return await log_in_through(await server.caller("portal"), document_number(1))


def refreshing(tokens: types.LoginTokens) -> logins.RefreshTokenRequest:
    """A request for the next pair."""
    return logins.RefreshTokenRequest(request_id=new_id(), refresh_token=tokens.refresh_token)


async def refresh(portal: Caller, tokens: types.LoginTokens) -> types.LoginTokens:
    """The next pair."""
    answer: logins.RefreshTokenResponse = await portal.call(refreshing(tokens))
    return answer.tokens


async def is_out(portal: Caller, tokens: types.LoginTokens) -> bool:
    """Say whether neither of the tokens opens anything."""
    access = (await portal.with_token(tokens.access_token).refused(GET)).reason
    return (access, (await portal.refused(refreshing(tokens))).reason) == (
        "TOKEN_INVALID",
        "LOGIN_ENDED",
    )


async def until_refused(caller: Caller) -> None:
    """Wait until the access token is none any more."""

    async def refused() -> bool:
        try:
            await caller.call(GET)
        except grpc.aio.AioRpcError as error:
            return problem_of(error).reason == "TOKEN_INVALID"
        return False

    await until(refused)


async def test_a_login_goes_on_with_refresh_tokens(server: RegistrationServer) -> None:
    """Each pair gets the next, of the same person, until the login ends after 12 hours."""
    portal, tokens = await server.caller("portal"), await begin(server)
    for hours in range(1, 12):
        await server.move_clock(NOON + timedelta(hours=hours))
        subject, tokens = tokens.subject, await refresh(portal, tokens)
        assert tokens.subject == subject
        await portal.with_token(tokens.access_token).call(GET)
    # An access token lives no longer than its login.
    assert tokens.expires_at.seconds == tokens.refresh_expires_at.seconds
    await server.move_clock(NOON + timedelta(hours=12, seconds=1))
    assert (await portal.refused(refreshing(tokens))).reason == "LOGIN_ENDED"
    assert (await portal.with_token(tokens.access_token).refused(GET)).reason == "TOKEN_EXPIRED"


async def test_an_expired_access_token_is_no_hindrance(server: RegistrationServer) -> None:
    """Who sends the ended access token along gets the next pair, and the same one when repeated."""
    portal, tokens = await server.caller("portal"), await begin(server)
    request = refreshing(tokens)
    first = await portal.with_token(tokens.access_token).call(request)
    await server.move_clock(NOON + timedelta(hours=3))
    assert await portal.with_token(tokens.access_token).call(request) == first
    assert await portal.call(request) == first
    await refresh(portal, first.tokens)


async def test_a_used_refresh_token_ends_the_login(server: RegistrationServer) -> None:
    """A copy shows itself by coming second: nobody goes on, and the event is audited."""
    portal, first = await server.caller("portal"), await begin(server)
    other = await begin(server)
    second = await refresh(portal, first)
    assert (await portal.refused(refreshing(first))).reason == "LOGIN_ENDED"
    assert await is_out(portal, second)
    await portal.with_token(other.access_token).call(GET)
    (row,) = await server.rows(
        "SELECT actor, candidate_id FROM registration.audit WHERE action = 'refresh_token_reused'"
    )
    assert (row["actor"], str(row["candidate_id"])) == (first.subject, first.subject)


async def test_of_two_refreshes_at_once_one_wins(server: RegistrationServer) -> None:
    """Whichever it is, the login has ended: two had the token."""
    portal, tokens = await server.caller("portal"), await begin(server)
    racing = [portal.call(refreshing(tokens)) for _ in range(6)]
    outcomes = await asyncio.gather(*racing, return_exceptions=True)
    (won,) = [each for each in outcomes if isinstance(each, logins.RefreshTokenResponse)]
    assert await is_out(portal, won.tokens)


async def test_two_refreshes_that_meet_are_seen(server: RegistrationServer) -> None:
    """Forced to wait for the same login: the first gets the next pair, the second ends it."""
    portal, tokens = await server.caller("portal"), await begin(server)
    first, second = portal.call(refreshing(tokens)), portal.refused(refreshing(tokens))
    answers = await meet(server.dsn, ["SELECT FROM registration.login"], first, second)
    assert isinstance(answers[0], logins.RefreshTokenResponse)
    assert getattr(answers[1], "reason", answers[1]) == "LOGIN_ENDED"
    assert await is_out(portal, answers[0].tokens)


async def test_a_refresh_token_is_the_callers(server: RegistrationServer) -> None:
    """Through another certificate than the login's it is a stolen one."""
    portal, tokens = await server.caller("portal"), await begin(server)
    other = await server.caller("other-portal")
    assert (await other.refused(refreshing(tokens))).reason == "LOGIN_ENDED"
    assert await is_out(portal, tokens)


@pytest.mark.parametrize(
    "made_up", ["x", f"{UUID(int=7).hex}.{'a' * 22}.{'a' * 43}", "a" * 128, "the login's"]
)
async def test_what_is_no_refresh_token(server: RegistrationServer, made_up: str) -> None:
    """Guesses end nothing, and are told nothing."""
    portal, tokens = await server.caller("portal"), await begin(server)
    if made_up == "the login's":  # which every access token names
        login_id, _family, secret = tokens.refresh_token.split(".")
        made_up = f"{login_id}.{'a' * 22}.{secret}"
    request = logins.RefreshTokenRequest(request_id=new_id(), refresh_token=made_up)
    for caller in (portal, await server.caller("other-portal")):
        assert (await caller.refused(request)).reason == "LOGIN_ENDED"
    await refresh(portal, tokens)
    await portal.with_token(tokens.access_token).call(GET)


async def test_idle_staff_are_logged_out(server: RegistrationServer) -> None:
    """Who refreshes within half an hour stays, who does not has to log in again."""
    officer = await new_officer(server)
    portal, name = await server.caller("portal"), "officer-510104"
    await server.move_clock(NOON + timedelta(minutes=2))
    code = server.next_code(name)
    tokens = await log_in_through(portal, name, "a much longer password", code)
    for minutes in (31, 60, 89):
        await server.move_clock(NOON + timedelta(minutes=minutes))
        tokens = await refresh(portal, tokens)
    await server.move_clock(NOON + timedelta(minutes=120))
    assert (await portal.refused(refreshing(tokens))).reason == "LOGIN_ENDED"
    assert not await server.rows(
        "SELECT 1 FROM registration.audit WHERE action = 'refresh_token_reused'"
    )
    assert (await officer.refused(LIST)).reason == "TOKEN_EXPIRED"


async def test_log_out(server: RegistrationServer) -> None:
    """The login ends at once, others go on; the request may be repeated without the token."""
    portal, tokens, other = await server.caller("portal"), await begin(server), await begin(server)
    me = portal.with_token(tokens.access_token)
    await me.call(logins.LogOutRequest(request_id=new_id()))
    assert await is_out(portal, tokens)
    await portal.with_token(other.access_token).call(GET)


async def test_what_has_happened_is_no_error(server: RegistrationServer) -> None:
    """Who has logged out is told so, when the process cannot read just now who has."""
    portal, tokens = await server.caller("portal"), await begin(server)
    await server.rows("REVOKE SELECT ON registration.login FROM CURRENT_USER")
    columns = "login_id, account_id, caller, restricted, revoked_at, expires_at"
    await server.rows(f"GRANT SELECT ({columns}) ON registration.login TO CURRENT_USER")
    me = portal.with_token(tokens.access_token)
    await me.call(logins.LogOutRequest(request_id=new_id()))
    await server.rows("GRANT SELECT ON registration.login TO CURRENT_USER")
    await until_refused(me)


async def test_log_out_of_another_login(server: RegistrationServer) -> None:
    """Who sees a login that is not theirs ends it; of other people's they end none."""
    portal, mine, strange = await server.caller("portal"), await begin(server), await begin(server)
    me = portal.with_token(mine.access_token)
    listed: logins.ListLoginsResponse = await me.call(LIST)
    assert [login.is_this for login in listed.logins].count(True) == 1
    assert {login.caller for login in listed.logins} == {"portal"}
    others = {
        login.login_id
        for login in (await portal.with_token(strange.access_token).call(LIST)).logins
        if login.is_this
    }
    stranger = await new_candidate(server, 2)
    (theirs,) = [login.login_id for login in (await stranger.call(LIST)).logins]
    for login_id in (*others, theirs):
        await me.call(logins.LogOutRequest(request_id=new_id(), login_id=login_id))
    assert await is_out(portal, strange)
    await me.call(GET)
    await stranger.call(GET)


async def test_log_out_everywhere(server: RegistrationServer) -> None:
    """All logins of the person end, nobody else's."""
    portal = await server.caller("portal")
    many = [await begin(server) for _ in range(3)]
    stranger = await new_candidate(server, 2)
    me = portal.with_token(many[0].access_token)
    await me.call(logins.LogOutEverywhereRequest(request_id=new_id()))
    for tokens in many:
        assert await is_out(portal, tokens)
    await stranger.call(GET)


async def test_old_logins_make_room(server: RegistrationServer) -> None:
    """Beyond 20 the one that was used least recently ends."""
    portal = await server.caller("portal")
    tokens = []
    for seconds in range(MAX_OPEN_LOGINS + 1):
        await server.move_clock(NOON + timedelta(seconds=10 * seconds + 10))
        tokens.append(await begin(server))
        if seconds == 2:
            tokens[0] = await refresh(portal, tokens[0])
    assert (await portal.refused(refreshing(tokens[1]))).reason == "LOGIN_ENDED"
    listed = await portal.with_token(tokens[0].access_token).call(LIST)
    assert len(listed.logins) == MAX_OPEN_LOGINS


async def test_new_logins_of_an_account_are_bounded(server: RegistrationServer) -> None:
    """After 60 in an hour the right password waits too; who is logged in goes on."""
    portal = await server.caller("portal")
    for _ in range(MAX_NEW_LOGINS - 1):  # and the one when the account was made
        tokens = await begin(server)
    trying = accounts.LogInRequest(login_name=document_number(1), password=PASSWORD)
    refused = await portal.refused(trying)
    assert refused.reason == "LOGIN_LOCKED"
    assert refused.retry_after is not None
    assert timedelta(minutes=58) < refused.retry_after <= timedelta(hours=1)
    await refresh(portal, tokens)
    await new_candidate(server, 2)
    await server.move_clock(NOON + timedelta(hours=1, minutes=1))
    await begin(server)


async def test_ended_logins_are_deleted(server: RegistrationServer, tmp_path: Path) -> None:
    """Those that were revoked go once their tokens have ended, long before they would lapse."""
    portal, tokens, other = await server.caller("portal"), await begin(server), await begin(server)
    me = portal.with_token(tokens.access_token)
    await me.call(logins.LogOutRequest(request_id=new_id()))
    later = NOON + timedelta(hours=2, minutes=1)
    async with registration_server(server.dsn, tmp_path, at=later) as restarted:

        async def gone() -> bool:
            sql = "SELECT 1 FROM registration.login WHERE revoked_at IS NOT NULL"
            return not await restarted.rows(sql)

        await until(gone)
        await refresh(await restarted.caller("portal"), other)


async def test_lapsed_logins_are_deleted(
    make_database: MakeDatabase, tmp_path: Path, server: RegistrationServer
) -> None:
    """A login that ended by itself leaves nothing behind: the next process to start forgets it."""
    await begin(server)
    async with registration_server(
        server.dsn, tmp_path, at=NOON + timedelta(hours=13)
    ) as restarted:

        async def gone() -> bool:
            return not await restarted.rows("SELECT 1 FROM registration.login")

        await until(gone)


async def test_other_processes_hear_of_it(server: RegistrationServer, tmp_path: Path) -> None:
    """A login that ended in one process ends in another within a poll, in a new one at once."""
    portal, tokens = await server.caller("portal"), await begin(server)
    async with registration_server(server.dsn, tmp_path) as replica:
        there = (await replica.caller("portal")).with_token(tokens.access_token)
        await there.call(GET)
        me = portal.with_token(tokens.access_token)
        await me.call(logins.LogOutRequest(request_id=new_id()))

        await until_refused(there)
    async with registration_server(server.dsn, tmp_path) as third:
        there = (await third.caller("portal")).with_token(tokens.access_token)
        assert (await there.refused(GET)).reason == "TOKEN_INVALID"


async def test_guesses_of_two_processes_are_counted_together(
    server: RegistrationServer, tmp_path: Path
) -> None:
    """Two replicas take no more wrong passwords of a name than one would."""
    wrong = accounts.LogInRequest(login_name=document_number(1), password="not the password")
    async with registration_server(server.dsn, tmp_path) as replica:
        callers = [await server.caller("portal"), await replica.caller("portal")]
        guesses = (caller.refused(wrong) for caller in callers * 8)
        reasons = sorted([refused.reason for refused in await asyncio.gather(*guesses)])
        assert reasons == ["LOGIN_FAILED"] * 5 + ["LOGIN_LOCKED"] * 11
