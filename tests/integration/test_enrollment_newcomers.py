"""Candidates whom enrollment learns of: from registration's feed, or by asking once."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import grpc
import pytest
from prometheus_client import REGISTRY
from support.enrollment_people import (
    candidate_id,
    hold,
    open_enrollment,
    plan,
    submission,
)
from support.enrollment_portals import for_candidate, portal_stream
from support.enrollment_service import Installation
from support.enrollment_sessions import CLOSES_AT, small_session
from support.registration_people import apply_session as apply_registration
from support.registration_people import (
    approval,
    document_number,
    lease_request,
    log_in,
    new_officer,
    pending_candidate,
)
from support.registration_server import NOON, RegistrationServer, registration_server
from support.service import Caller, new_id, until
from support.service_databases import MakeDatabase
from zikao.enrollment.v1 import enrollment_service_pb2 as enrollment
from zikao.registration.v1 import login_service_pb2 as logins
from zikao_enrollment.domain.timetable import Track, Window
from zikao_enrollment.seats.newcomers import MAX_WAITING
from zikao_kit.error_table import reason_of

# Registration's window and enrollment's at once, so that one clock does for both.
SESSION = replace(
    small_session(), windows=(Window(Track.SOCIAL, NOON - timedelta(days=1), CLOSES_AT),)
)
# As many as one connection carries, with somebody else.
CROWD = 90


@pytest.fixture
async def running(make_database: MakeDatabase, tmp_path: Path) -> AsyncIterator[Installation]:
    """Enrollment at registration's noon, with one candidate; registration is away."""
    async with open_enrollment(make_database, tmp_path, session=SESSION, candidates=1) as found:
        await found.move_clock(NOON)
        yield found


@pytest.fixture
async def registration_dsn(make_database: MakeDatabase) -> str:
    """Registration's database."""
    return await make_database("registration")


def registration(
    running: Installation, dsn: str
) -> AbstractAsyncContextManager[RegistrationServer]:
    """Registration where enrollment looks for it."""
    return registration_server(dsn, running.folder, port=running.registration_port)


async def approved_candidate(server: RegistrationServer, number: int) -> str:
    """An approved candidate's id."""
    _, who = await pending_candidate(server, number)
    officer = await new_officer(server, name=f"officer-{number}")
    await officer.call(lease_request())
    await officer.call(approval(who))
    return who


async def person(running: Installation, server: RegistrationServer, number: int) -> Caller:
    """Candidate `number` of registration, logged in there, at enrollment."""
    token = (await log_in(server, document_number(number))).token
    caller = await running.caller("portal", token=token)

    async def trusted() -> bool:
        try:
            await caller.call(enrollment.ListOrdersRequest(session_code="22.1"))
        except grpc.aio.AioRpcError as error:
            if reason_of(error) != "TOKEN_INVALID":
                raise
            return False
        return True

    await until(trusted)
    return caller


def questions() -> float:
    """How often registration has been asked for a candidate."""
    labels = {
        "grpc_type": "unary",
        "grpc_service": "zikao.registration.v1.CandidateFeedService",
        "grpc_method": "GetCandidate",
    }
    count = REGISTRY.get_sample_value("grpc_server_started_total", labels)
    assert count is not None
    return count


async def restart_without_feed(running: Installation) -> None:
    """Enrollment again, as if another process had the feed and brought nothing."""
    await running.enrollment.stop()
    await running.rows("UPDATE enrollment.feed_cursor SET updated_at = '2999-01-01'")
    running.enrollment.start()
    await running.until_serving(running.enrollment)


async def test_the_feed_brings_candidates(running: Installation, registration_dsn: str) -> None:
    """Approved at registration, followed by the feed: seats are had without asking."""
    async with registration(running, registration_dsn) as server:
        await apply_registration(server)
        who = await approved_candidate(server, 1)

        async def known() -> bool:
            rows = await running.rows("SELECT candidate_id FROM enrollment.candidate")
            return who in {str(row["candidate_id"]) for row in rows}

        await until(known)
        before = questions()
        caller = await person(running, server, 1)
        order = (await caller.call(submission())).order
        assert (order.candidate_id, questions()) == (who, before)


async def test_who_is_not_there_yet_is_asked_for_once(
    running: Installation, registration_dsn: str
) -> None:
    """Away: UNAVAILABLE. Back: asked once and enrolled. Not approved: refused, not forgotten."""
    await restart_without_feed(running)
    async with registration(running, registration_dsn) as server:
        await apply_registration(server)
        await approved_candidate(server, 1)
        await pending_candidate(server, 2)
        approved, waiting = [await person(running, server, number) for number in (1, 2)]
    for asked in (submission(), plan()):
        refused = await asyncio.gather(*(each.refused(asked) for each in (approved, waiting)))
        assert {error.reason for error in refused} == {"UNAVAILABLE"}
    async with registration(running, registration_dsn):
        before = questions()
        await until_not_away(approved)
        await approved.call(submission(("00001",)))
        assert questions() == before + 1
        error = await waiting.refused(submission())
        assert (error.reason, error.metadata["detail"]) == ("NOT_ELIGIBLE", "尚未取得准考证号")
        error = await waiting.refused(plan(("00001", "00002"), ("990000",)))
        assert (error.reason, error.metadata["standing"]) == ("NOT_ELIGIBLE", "unknown")
        assert [problem.description for problem in error.fields] == [
            "您暂不能报考：尚未取得准考证号",
            "课程00001、00002考试时间冲突",
            "报考区县990000不接受报考",
        ]


async def test_a_stream_asks_for_strangers_and_hears_of_logins_that_ended(
    running: Installation, registration_dsn: str
) -> None:
    """A token of registration is good on its portal's stream, nowhere else, until the log-out.

    Who is not there yet is asked for once, as in a call.
    """
    await restart_without_feed(running)
    async with registration(running, registration_dsn) as server, portal_stream(running) as stream:
        await apply_registration(server)
        who = await approved_candidate(server, 1)
        caller = await person(running, server, 1)
        before = questions()
        (found,) = await stream.ask(for_candidate(running, 1, token=caller.token))
        assert found.enrollment.order.candidate_id == who
        assert questions() == before + 1
        copied = await running.caller("scanner", token=caller.token)
        listed = enrollment.ListOrdersRequest(session_code="22.1")
        assert (await copied.refused(listed)).reason == "TOKEN_INVALID"
        portal = (await server.caller("portal")).with_token(caller.token)
        await portal.call(logins.LogOutRequest(request_id=new_id()))

        async def ended() -> bool:
            (again,) = await stream.ask(for_candidate(running, 1, token=caller.token))
            return again.error.reason == "TOKEN_INVALID"

        await until(ended)


async def until_not_away(caller: Caller) -> None:
    """Save plans until enrollment reaches registration again."""

    async def saved() -> bool:
        try:
            await caller.call(plan(("00001",)))
        except grpc.aio.AioRpcError as error:
            if reason_of(error) != "UNAVAILABLE":
                raise
            return False
        return True

    await until(saved)


async def test_a_crowd_of_strangers_delays_nobody(running: Installation) -> None:
    """Registration hangs, and more strangers come than the server has places.

    Some wait and learn in the end that it is away, the others are sent away at once, and who
    is known has seats meanwhile.
    """
    async with silent_listener(running.registration_port):
        strangers = [await running.candidate(number) for number in range(100, 100 + CROWD)]
        asking = [asyncio.create_task(each.refused(submission())) for each in strangers]
        await until(lambda: any(task.done() for task in asking))
        assert (await hold(running, 1)).candidate_id == candidate_id(1)
        assert not all(task.done() for task in asking)
        reasons = Counter(error.reason for error in await asyncio.gather(*asking))
        assert set(reasons) == {"UNAVAILABLE", "OVERLOADED"}
        assert reasons["UNAVAILABLE"] == MAX_WAITING


async def test_one_stranger_takes_one_place(running: Installation) -> None:
    """Who asks again and again waits once: another unknown candidate is still asked about."""
    async with silent_listener(running.registration_port):
        pushy, other = await running.candidate(500), await running.candidate(501)
        asking = [asyncio.create_task(pushy.refused(submission())) for _ in range(MAX_WAITING + 5)]
        await until(lambda: any(task.done() for task in asking))
        assert (await other.refused(submission())).reason == "UNAVAILABLE"
        reasons = Counter(error.reason for error in await asyncio.gather(*asking))
        assert reasons == {"UNAVAILABLE": 1, "OVERLOADED": MAX_WAITING + 4}


@asynccontextmanager
async def silent_listener(port: int) -> AsyncIterator[None]:
    """Somebody who takes connections and says nothing."""

    async def keep(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    listener = await asyncio.start_server(keep, "127.0.0.1", port)
    try:
        yield
    finally:
        listener.close()
