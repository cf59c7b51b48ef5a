"""Revoked logins as other services hear of them: none is lost, none counts there."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import asyncpg
import grpc
import pytest
from structlog.testing import capture_logs
from support.enrollment_people import open_enrollment
from support.enrollment_service import Installation
from support.registration_people import apply_session, document_number, log_in, new_candidate
from support.registration_server import NOON, RegistrationServer, registration_server
from support.service import Caller, new_id, until
from support.service_databases import MakeDatabase
from zikao.enrollment.v1 import enrollment_service_pb2 as enrollment
from zikao.registration.v1 import account_service_pb2 as accounts
from zikao.registration.v1 import login_service_pb2 as logins
from zikao_kit.error_table import reason_of
from zikao_registration.commands import list_revoked_logins
from zikao_registration.domain.revocations import BEFORE_EVERYTHING

ORDERS = enrollment.ListOrdersRequest(session_code="22.1")


@pytest.fixture
async def server(make_database: MakeDatabase, tmp_path: Path) -> AsyncIterator[RegistrationServer]:
    """A running service with the session applied, and a candidate."""
    async with registration_server(await make_database("registration"), tmp_path) as running:
        await apply_session(running)
        await new_candidate(running)
        yield running


async def log_out(caller: Caller) -> None:
    """End the login."""
    await caller.call(logins.LogOutRequest(request_id=new_id()))


class Reader:
    """Another service that asks for revoked logins from where it was."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self.cursor = ""
        self.pages = 0

    async def news(self) -> set[str]:
        """All that was revoked since the last time."""
        found: set[str] = set()
        more = True
        while more:
            request = accounts.ListRevokedLoginsRequest(cursor=self.cursor)
            answer: accounts.ListRevokedLoginsResponse = await self._caller.call(request)
            new = {login.login_id for login in answer.logins}
            assert not new & found
            found |= new
            self.cursor, more = answer.cursor, answer.more
            self.pages += 1
        return found


async def open_logins(server: RegistrationServer, count: int) -> list[str]:
    """Ids of so many new logins, not of those before."""
    before = {row["login_id"] for row in await server.rows("SELECT * FROM registration.login")}
    for _ in range(count):
        await log_in(server, document_number(1))
    rows = await server.rows("SELECT login_id FROM registration.login")
    return [str(row["login_id"]) for row in rows if row["login_id"] not in before]


REVOKE = (
    "UPDATE registration.login SET revoked_at = $2, revoked_xid = pg_current_xact_id()"
    " WHERE login_id = $1"
)


async def test_what_commits_late_is_not_lost(server: RegistrationServer) -> None:
    """A transaction that began before another and ends after it: each login comes once."""
    early, late = await open_logins(server, 2)
    reader = Reader(await server.caller("enrollment"))
    assert await reader.news() == set()
    connection = await asyncpg.connect(server.dsn)
    try:
        slow = connection.transaction()
        await slow.start()
        await connection.execute(REVOKE, UUID(late), NOON)
        await server.rows(REVOKE, UUID(early), NOON)
        assert await reader.news() == {early}
        assert await reader.news() == set()
        await slow.commit()
    finally:
        await connection.close()
    assert await reader.news() == {late}
    assert await reader.news() == set()


async def test_many_come_in_pages(
    server: RegistrationServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pages follow each other without a gap, and what is revoked meanwhile comes after them."""
    monkeypatch.setattr(list_revoked_logins, "REVOKED_AT_ONCE", 2)
    many = await open_logins(server, 5)
    me = await log_in(server, document_number(1))
    await me.call(logins.LogOutEverywhereRequest(request_id=new_id()))
    reader = Reader(await server.caller("tickets"))
    found = await reader.news()
    assert found >= set(many)
    assert len(found) == 7  # the first login, and the one that ended them all
    assert reader.pages == 4
    assert await reader.news() == set()


async def test_whose_tokens_have_ended_need_not_be_heard_of(server: RegistrationServer) -> None:
    """Two hours later a new reader is told nothing of it."""
    await log_out(await log_in(server, document_number(1)))
    enrollment_service = await server.caller("enrollment")
    assert len(await Reader(enrollment_service).news()) == 1
    await server.move_clock(NOON + timedelta(hours=2, minutes=1))
    assert await Reader(enrollment_service).news() == set()


@pytest.mark.parametrize("seen", ["", f"{BEFORE_EVERYTHING}/"], ids=["whole", "between pages"])
async def test_a_cursor_from_before_a_restore_begins_anew(
    server: RegistrationServer, seen: str
) -> None:
    """One that is ahead of the cluster's transactions hears of everybody, and then of others."""
    await log_out(await log_in(server, document_number(1)))
    reader = Reader(await server.caller("enrollment"))
    ahead = "4000000000:4000000000:"
    reader.cursor = f"{seen}{ahead}/3999999999/{UUID(int=0)}" if seen else ahead
    assert len(await reader.news()) == 1
    await log_out(await log_in(server, document_number(1)))
    assert len(await reader.news()) == 1


async def test_only_services_that_verify_are_told(server: RegistrationServer) -> None:
    """A portal has no use for it, and a broken cursor is no beginning."""
    request = accounts.ListRevokedLoginsRequest()
    assert (await (await server.caller("portal")).refused(request)).reason == "PERMISSION_DENIED"
    request.cursor = "the beginning"
    refused = await (await server.caller("enrollment")).refused(request)
    assert refused.reason == "INVALID_REQUEST"


@pytest.fixture
async def both(
    make_database: MakeDatabase, tmp_path: Path
) -> AsyncIterator[tuple[Installation, RegistrationServer]]:
    """Enrollment with registration where it looks for it."""
    dsn = await make_database("registration")
    async with (
        open_enrollment(make_database, tmp_path, candidates=1) as running,
        registration_server(dsn, running.folder, port=running.registration_port) as server,
    ):
        await apply_session(server)
        yield running, server


async def answer_of(caller: Caller) -> str | None:
    """What enrollment says to the token: OK, or the reason of the refusal."""
    try:
        await caller.call(ORDERS)
    except grpc.aio.AioRpcError as error:
        return reason_of(error)
    return "OK"


async def test_enrollment_refuses_a_login_that_has_ended(
    both: tuple[Installation, RegistrationServer],
) -> None:
    """A token that was good there a moment ago is not any more; another login of the person is."""
    running, server = both
    mine, other = await new_candidate(server), await log_in(server, document_number(1))
    there = [await running.caller("portal", token=each.token) for each in (mine, other)]

    async def says(reason: str) -> None:
        async def said() -> bool:
            return await answer_of(there[0]) == reason

        await until(said)

    await says("OK")
    await log_out(mine)
    await says("TOKEN_INVALID")
    assert await answer_of(there[1]) == "OK"


async def test_asking_every_second_fills_no_log(server: RegistrationServer) -> None:
    """What others poll is logged for debugging only, unless it is refused."""
    verifier = await server.caller("enrollment")
    with capture_logs() as logs:
        await verifier.call(accounts.ListSigningKeysRequest())
        await verifier.call(accounts.ListRevokedLoginsRequest())
        with pytest.raises(grpc.aio.AioRpcError):
            await verifier.call(accounts.ListRevokedLoginsRequest(cursor="none"))
    levels = [(line["log_level"], line["grpc_code"]) for line in logs if line["event"] == "rpc"]
    assert levels == [("debug", "OK"), ("debug", "OK"), ("info", "INVALID_ARGUMENT")]
