"""The tickets service over mutual TLS: sessions, arrangements, feeds, two processes."""

import asyncio
import hashlib
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from support.service import TIMEOUT_SECONDS, Caller, new_id, until
from support.service_databases import MakeDatabase
from support.tickets_database import CLOSED, SESSION, SITE
from support.tickets_offices import officer, rows
from support.tickets_peers import COUNTY
from support.tickets_service import (
    OFFICER,
    Installation,
    reason,
    running_service,
    session_message,
    tickets_installation,
)
from zikao.tickets.v1 import arrangement_service_pb2 as arrangement
from zikao.tickets.v1 import session_service_pb2, session_service_pb2_grpc
from zikao_tickets.domain.layout import RoomPlan
from zikao_tickets.domain.session import Notice
from zikao_tickets.stores.arrangements import ArrangementStore
from zikao_tickets.stores.feeds import FeedStore

ENGLISH = (1, "00015")
PEOPLE = [UUID(int=number) for number in range(1, 6)]


@pytest.fixture
async def service(tmp_path: Path, make_database: MakeDatabase) -> AsyncIterator[Installation]:
    """A running service with its peers, five minutes before arrangements may start."""
    async with tickets_installation(tmp_path, await make_database("tickets")) as installation:
        await installation.move_to(CLOSED - timedelta(minutes=5))
        yield installation


def start_request(**fields: Any) -> arrangement.StartArrangementRequest:
    """Start the county's arrangement."""
    given: dict[str, Any] = {
        "request_id": new_id(),
        "session_code": "22.1",
        "county_code": COUNTY,
    }
    return arrangement.StartArrangementRequest(**given | fields)


def publication(found: arrangement.Arrangement) -> arrangement.PublishArrangementRequest:
    """Publish an arrangement."""
    return arrangement.PublishArrangementRequest(
        request_id=new_id(), arrangement_id=found.arrangement_id
    )


def enroll_everyone(service: Installation) -> None:
    """Five candidates without photos take English."""
    for person in PEOPLE:
        service.peers.register(person, "张三", b"photo")
        service.peers.enroll(person, ENGLISH)


async def ten_looks(store: type[Any], query: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait until a worker has asked the database ten times, and been answered."""
    looks = 0
    look = getattr(store, query)

    async def counted(self: Any, *args: Any) -> Any:
        nonlocal looks
        answer = await look(self, *args)
        looks += 1
        return answer

    with monkeypatch.context() as patch:
        patch.setattr(store, query, counted)
        await until(lambda: looks >= 10)


async def test_a_session_is_applied_twice_dry_and_refused(service: Installation) -> None:
    """The first apply says what is new, the second nothing, a dry run what would be."""
    assert await service.apply() == ["新增考次22.1：考点1个、考场1个"]
    assert await service.apply() == []
    larger = replace(SITE, rooms=(*SITE.rooms, RoomPlan("002", 5, 6)))
    for _ in ("nothing was changed by the first", "so the second says the same"):
        assert await service.apply(SESSION, larger, dry_run=True) == ["新增考点A考场002（5列6行）"]
    rewritten = replace(SESSION, notice=Notice(1, ("另一内容。",)))
    request = session_service_pb2.ApplySessionRequest(
        request_id=new_id(), session=session_message(rewritten)
    )
    refused = await Caller(service.channel("operator")).refused(request)
    assert refused.reason == "SESSION_CHANGE_REFUSED"


@pytest.mark.parametrize("code", ["", "二十二", "22 1", "22.1-22.1-22.1-22"])
async def test_a_session_code_that_no_ticket_can_carry_is_refused(
    service: Installation, code: str
) -> None:
    """Up to 16 visible ASCII characters fit the proof: anything else is not applied at all."""
    assert await reason(service.apply(replace(SESSION, code=code))) == "INVALID_REQUEST"
    assert await service.apply(replace(SESSION, code="2022-04!~abcdefg"))


async def test_a_course_that_comes_twice_is_refused(service: Installation) -> None:
    """Of two names under one code none is taken: the file is sent back, and nothing applied."""
    message = session_message(SESSION)
    message.courses.add(code=ENGLISH[1], name="大学英语")
    request = session_service_pb2.ApplySessionRequest(request_id=new_id(), session=message)
    operator = Caller(service.channel("operator"))
    assert (await operator.refused(request)).reason == "INVALID_REQUEST"
    assert await service.apply() == ["新增考次22.1：考点1个、考场1个"]


async def test_a_session_request_is_idempotent_and_the_operators(service: Installation) -> None:
    """The same id gets the first answer, another body is refused, and so is another caller."""
    session = session_message(SESSION)
    request = session_service_pb2.ApplySessionRequest(request_id=new_id(), session=session)
    first = await service.sessions.ApplySession(request, timeout=TIMEOUT_SECONDS)
    assert first == await service.sessions.ApplySession(request, timeout=TIMEOUT_SECONDS)
    portal = session_service_pb2_grpc.SessionServiceStub(service.channel("portal"))
    call = portal.ApplySession(request, timeout=TIMEOUT_SECONDS)
    assert await reason(call) == "PERMISSION_DENIED"
    request.session.name = "另一名称"
    operator = Caller(service.channel("operator"))
    assert (await operator.refused(request)).reason == "REQUEST_ID_REUSED"


async def test_an_arrangement_goes_from_start_to_published(service: Installation) -> None:
    """An officer starts, sees it done, publishes; the seed appears then and fits its hash."""
    enroll_everyone(service)
    await service.apply()
    await service.move_to(CLOSED)
    request = start_request()
    begun = await service.arrangements.StartArrangement(request, **service.officer())
    again = await service.arrangements.StartArrangement(request, **service.officer())
    assert again == begun
    found = await service.until_done(begun.arrangement.arrangement_id)
    assert (found.candidates, found.sittings, found.rooms, found.seed) == (5, 5, 1, b"")
    published = await service.publish(found.arrangement_id)
    assert published.state == arrangement.ARRANGEMENT_STATE_PUBLISHED
    assert hashlib.sha256(published.seed).digest() == begun.arrangement.seed_sha256


async def test_what_an_officer_may_not_do(service: Installation) -> None:
    """Too early, out of scope, unknown, in progress: each has its reason, for each method."""
    enroll_everyone(service)
    here, elsewhere = officer(service), officer(service, "510105")
    assert (await here.refused(start_request())).reason == "SESSION_UNKNOWN"
    await service.apply()
    assert (await here.refused(start_request())).reason == "ARRANGEMENT_TOO_EARLY"
    assert (await elsewhere.refused(start_request())).reason == "OUT_OF_SCOPE"
    await service.move_to(CLOSED)
    # Tokens are of their time.
    here, elsewhere = officer(service), officer(service, "510105")
    done = await service.arranged()
    get = arrangement.GetArrangementRequest(arrangement_id=done.arrangement_id)
    assert (await elsewhere.refused(get)).reason == "OUT_OF_SCOPE"
    assert (await elsewhere.refused(publication(done))).reason == "OUT_OF_SCOPE"
    nothing = arrangement.Arrangement(arrangement_id=new_id())
    assert (await here.refused(publication(nothing))).reason == "NOT_FOUND"
    get.arrangement_id = nothing.arrangement_id
    assert (await here.refused(get)).reason == "NOT_FOUND"
    await service.publish(done.arrangement_id)
    assert (await here.refused(publication(done))).reason == "STATE_NOT_ALLOWED"


async def test_an_arrangement_waits_for_what_was_confirmed_before(
    service: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Enrollments confirmed before a jump of the clock and not yet here are waited for."""
    await service.apply()
    await service.arrive()
    service.peers.enrollment_is_silent = True
    enroll_everyone(service)
    await service.move_to(CLOSED + timedelta(days=3))
    begun = await service.start()
    await ten_looks(ArrangementStore, "lease", monkeypatch)
    found = await service.arrangement(begun.arrangement_id)
    assert found.state == arrangement.ARRANGEMENT_STATE_PENDING
    assert (await officer(service).refused(start_request())).reason == "STATE_NOT_ALLOWED"
    service.peers.enrollment_is_silent = False
    assert (await service.until_done(begun.arrangement_id)).candidates == len(PEOPLE)


async def test_of_many_starts_at_once_one_begins(service: Installation) -> None:
    """Eight officers start the same county in the same moment: one arrangement, seven refusals."""
    enroll_everyone(service)
    await service.apply()
    await service.move_to(CLOSED)
    await service.arrive()
    service.peers.enrollment_is_silent = True  # none is done before the last start
    reasons = await asyncio.gather(*(reason(service.start()) for _ in range(8)))
    assert Counter(reasons) == {None: 1, "STATE_NOT_ALLOWED": 7}


async def test_of_many_publications_at_once_one_is_in_force(service: Installation) -> None:
    """Two arrangements published four times each in the same moment: one of them, once."""
    enroll_everyone(service)
    await service.apply()
    await service.move_to(CLOSED)
    await service.arrive()
    plans = [(await service.arranged()).arrangement_id]
    # So that the newer one does not take its place: as if it had been approved and refused.
    await rows(service, "UPDATE tickets.arrangement SET state = 'cancelled'")
    plans.append((await service.arranged()).arrangement_id)
    await rows(service, "UPDATE tickets.arrangement SET state = 'done'")
    reasons = await asyncio.gather(*(reason(service.publish(plan)) for plan in plans * 4))
    assert Counter(reasons) == {None: 1, "STATE_NOT_ALLOWED": 7}
    states = [(await service.arrangement(plan)).state for plan in plans]
    assert sorted(states) == [
        arrangement.ARRANGEMENT_STATE_DONE,
        arrangement.ARRANGEMENT_STATE_PUBLISHED,
    ]


async def test_a_photo_that_registration_does_not_have_is_not_asked_for_all_the_time(
    service: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Five missing photos are asked for once each, not at every look."""
    enroll_everyone(service)

    async def asked() -> bool:
        return len(service.peers.photos_asked) >= len(PEOPLE)

    await service.arrive()
    await until(asked)
    await ten_looks(FeedStore, "position", monkeypatch)
    assert sorted(service.peers.photos_asked) == sorted(map(str, PEOPLE))


async def test_two_processes_share_the_work(service: Installation, tmp_path: Path) -> None:
    """Both answer; when the one that follows the feeds stops, the other goes on from there."""
    dsn = service.config.database.resolved_dsn()
    enroll_everyone(service)
    await service.arrive()
    async with running_service(tmp_path, dsn, service.ca, service.peers) as second:
        await second.published_county()
        newcomer = UUID(int=77)
        await service.stop()
        service.peers.register(newcomer, "李四", b"photo")
        service.peers.enroll(newcomer, ENGLISH)
        await second.arrive()
        done = await second.arranged()
        assert done.candidates == len(PEOPLE) + 1
        await second.publish(done.arrangement_id)
    connection = await asyncpg.connect(dsn)
    rows = await connection.fetch("SELECT version, revoked_at FROM tickets.ticket")
    await connection.close()
    assert [tuple(row) for row in rows] == [(1, None)] * 6


async def test_tokens_of_revoked_logins_are_refused(service: Installation) -> None:
    """Registration says which logins have ended: their tokens open nothing any more."""
    channel = service.channel("portal")
    officers = {
        login_id: Caller(channel, service.token(OFFICER, "county_officer", COUNTY, login_id))
        for login_id in ("one", "another")
    }
    before = (await officers["one"].refused(start_request())).reason
    assert before == "SESSION_UNKNOWN"
    service.peers.revoked_logins.add("one")

    async def refused() -> bool:
        return (await officers["one"].refused(start_request())).reason == "TOKEN_INVALID"

    await until(refused)
    assert (await officers["another"].refused(start_request())).reason == before
