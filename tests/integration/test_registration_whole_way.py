"""A candidate's whole way, from the account to the feed, over mutual TLS."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import grpc
import pytest
from support.registration_people import (
    JINJIANG,
    MOBILE,
    NAME,
    PASSWORD,
    WUHOU,
    account_request,
    apply_session,
    approval,
    complete,
    document_number,
    lease_request,
    log_in,
    material_request,
    new_candidate,
    new_officer,
    pending_candidate,
    personal_data,
    photo,
    photo_request,
    rejection,
    submit_request,
    update_request,
)
from support.registration_server import RegistrationServer, registration_server
from support.service_databases import MakeDatabase
from zikao.registration.v1 import candidate_feed_service_pb2 as feed
from zikao.registration.v1 import registration_service_pb2 as registration
from zikao.registration.v1 import review_service_pb2 as review
from zikao.registration.v1 import types_pb2 as types
from zikao_kit.context import acting_as
from zikao_kit.idempotency import key_of
from zikao_kit.tokens import Actor


@pytest.fixture
async def server(make_database: MakeDatabase, tmp_path: Path) -> AsyncIterator[RegistrationServer]:
    """A running service with the session applied, in its registration window."""
    async with registration_server(await make_database("registration"), tmp_path) as running:
        await apply_session(running)
        yield running


async def events(server: RegistrationServer, cursor: str = "") -> list[feed.CandidateEvent]:
    """All events of the feed after a cursor, up to the first heartbeat."""
    caller = await server.caller("enrollment")
    found: list[feed.CandidateEvent] = []
    stream = caller.start(feed.WatchCandidatesRequest(cursor=cursor))
    async for answer in stream:
        found += answer.events
        if not answer.events:
            stream.cancel()
            break
    return found


async def test_whole_way(server: RegistrationServer) -> None:
    """Draft, rejection with reasons, correction, approval; the number comes with the feed."""
    candidate, candidate_id = await pending_candidate(server)
    officer = await new_officer(server)

    leased = await officer.call(lease_request())
    assert [each.candidate_id for each in leased.registrations] == [candidate_id]
    assert leased.registrations[0].document_number == document_number(1)
    looked = await officer.call(review.GetReviewMaterialRequest(candidate_id=candidate_id))
    assert looked.identity_material_name == f"{NAME}+{document_number(1)}+新生审核22.1次"
    assert looked.photo_jpeg.startswith(b"\xff\xd8")
    assert looked.identity_material_jpeg.startswith(b"\xff\xd8")
    rejected = await officer.call(rejection(candidate_id, "照片不清晰"))
    assert rejected.state == types.REGISTRATION_STATE_REJECTED
    assert rejected.ticket_number == ""

    seen = (await candidate.call(registration.GetRegistrationRequest())).registration
    assert seen.state == types.REGISTRATION_STATE_REJECTED
    assert seen.last_decision.comment == "照片不清晰"
    assert list(seen.last_decision.reasons) == [
        types.REJECTION_REASON_PHOTO,
        types.REJECTION_REASON_OTHER,
    ]
    assert await events(server) == []

    new_photo = (await candidate.call(photo_request(photo(2)))).photo_sha256
    await candidate.call(submit_request())
    await officer.call(lease_request())
    approved = await officer.call(approval(candidate_id))
    assert approved.ticket_number == "010422100001"

    (event,) = await events(server)
    assert event.candidate == feed.Candidate(
        candidate_id=candidate_id,
        ticket_number="010422100001",
        county_code=JINJIANG,
        track=types.TRACK_SOCIAL,
        standing=types.STANDING_ACTIVE,
        name=NAME,
        sex=types.SEX_MALE,
        document_number=document_number(1),
        photo_sha256=new_photo,
    )
    assert await events(server, event.cursor) == []


async def test_other_services_ask_for_one_candidate(server: RegistrationServer) -> None:
    """A candidate is known to other services from the approval on, with the photo as stored."""
    _, candidate_id = await pending_candidate(server)
    enrollment, tickets = await server.caller("enrollment"), await server.caller("tickets")
    request = feed.GetCandidateRequest(candidate_id=candidate_id)
    assert (await enrollment.refused(request)).reason == "NOT_FOUND"
    officer = await new_officer(server)
    await officer.call(lease_request())
    await officer.call(approval(candidate_id))
    known = (await enrollment.call(request)).candidate
    assert known.ticket_number == "010422100001"
    unknown = "00000000-0000-4000-8000-000000000000"
    asked = feed.BatchGetPhotosRequest(candidate_ids=[candidate_id, unknown])
    (found,) = (await tickets.call(asked)).photos
    assert found.candidate_id == candidate_id
    assert hashlib.sha256(found.jpeg).digest() == known.photo_sha256
    assert (await enrollment.refused(asked)).reason == "PERMISSION_DENIED"


async def test_approved_registration_stays(server: RegistrationServer) -> None:
    """After the approval neither data nor photo nor material can be changed, nor decided again."""
    candidate, candidate_id = await pending_candidate(server)
    officer = await new_officer(server)
    await officer.call(lease_request())
    await officer.call(approval(candidate_id))
    requests: list[Any] = [
        update_request(personal_data(name="另一个人")),
        photo_request(photo(2)),
        material_request(photo()),
        submit_request(),
    ]
    for request in requests:
        assert (await candidate.refused(request)).reason == "STATE_NOT_ALLOWED"
    assert (await officer.refused(rejection(candidate_id))).reason == "STATE_NOT_ALLOWED"
    seen = (await candidate.call(registration.GetRegistrationRequest())).registration
    assert (seen.personal.name, seen.state) == (NAME, types.REGISTRATION_STATE_APPROVED)


async def test_ticket_numbers_are_dense_under_concurrency(server: RegistrationServer) -> None:
    """Approvals at once, some repeated, give each candidate one number and leave no gap."""
    count = 24
    counties = [JINJIANG if number % 2 else WUHOU for number in range(count)]
    # New passwords have a bounded number of places: some people at a time.
    made = []
    for first in range(0, count, 8):
        some = range(first, first + 8)
        made += await asyncio.gather(
            *(pending_candidate(server, n, county_code=counties[n]) for n in some)
        )
    officer = await new_officer(server, "51", role=4)
    leased = await officer.call(lease_request("51", 100))
    assert len(leased.registrations) == count
    requests = [approval(candidate_id) for _, candidate_id in made]
    answers = await asyncio.gather(*(officer.call(request) for request in requests * 2))
    numbers = [answer.ticket_number for answer in answers]
    assert numbers[:count] == numbers[count:]
    half = range(1, count // 2 + 1)
    expected = [f"{code[2:]}221{serial:05}" for code in (JINJIANG, WUHOU) for serial in half]
    assert sorted(numbers[:count]) == expected
    published = await events(server)
    assert sorted(event.candidate.ticket_number for event in published) == expected


async def test_refused_approval_uses_no_serial(server: RegistrationServer) -> None:
    """Beyond the last serial an approval is refused whole: nothing decided, nothing published."""
    _, candidate_id = await pending_candidate(server)
    officer = await new_officer(server)
    await server.rows("INSERT INTO registration.ticket_serial VALUES ('22.1', '510104', 99999)")
    await officer.call(lease_request())
    refused = await officer.refused(approval(candidate_id))
    assert refused.reason == "SERIALS_EXHAUSTED"
    (serial,) = await server.rows("SELECT last_serial FROM registration.ticket_serial")
    assert serial[0] == 99999
    assert await server.rows("SELECT 1 FROM registration.decision") == []
    assert await events(server) == []


async def test_every_act_is_audited(server: RegistrationServer) -> None:
    """Who did what to whom, before and after, is written with the act and stays as it is."""
    _, candidate_id = await pending_candidate(server)
    officer = await new_officer(server)
    await officer.call(lease_request())
    await officer.call(review.GetReviewMaterialRequest(candidate_id=candidate_id))
    await officer.call(rejection(candidate_id))
    (staff,) = await server.rows("SELECT account_id FROM registration.account WHERE kind = 'staff'")
    trail = await server.rows(
        "SELECT actor, action, before, after FROM registration.audit"
        " WHERE candidate_id = $1 ORDER BY audit_id",
        candidate_id,
    )
    assert [row["action"] for row in trail] == [
        "create_account",
        "update_registration",
        "upload_photo",
        "upload_material",
        "submit_registration",
        "lease_registration",
        "view_material",
        "decide_registration",
    ]
    assert [row["actor"] for row in trail[-3:]] == [str(staff[0])] * 3
    assert trail[-1]["before"] == '{"state": "pending_review"}'
    assert trail[-1]["after"] == '{"state": "rejected", "reasons": ["photo", "other"]}'
    others = await server.rows(
        "SELECT actor, action FROM registration.audit WHERE candidate_id IS NULL ORDER BY audit_id"
    )
    assert [tuple(row) for row in others] == [
        ("operator", "apply_session"),
        ("operator", "create_staff_account"),
        (str(staff[0]), "log_in"),
        (str(staff[0]), "begin_second_factor"),
        (str(staff[0]), "confirm_second_factor"),
    ]
    for statement in (
        "UPDATE registration.audit SET actor = ''",
        "DELETE FROM registration.audit",
        "TRUNCATE registration.audit",
        "DELETE FROM registration.decision",
    ):
        with pytest.raises(asyncpg.RestrictViolationError):
            await server.rows(statement)


async def test_personal_data_is_nowhere_in_clear(server: RegistrationServer) -> None:
    """No table holds a number, name, mobile or password as text or bytes, stored answers included.

    The control: what may be read (the ticket number) is found by the same search.
    """
    _, candidate_id = await pending_candidate(server)
    officer = await new_officer(server)
    await officer.call(lease_request())
    await officer.call(review.GetReviewMaterialRequest(candidate_id=candidate_id))
    await officer.call(approval(candidate_id))
    dump = await dumped(server)
    assert found_in(dump, "010422100001")
    secrets = (document_number(1), document_number(1)[6:14], NAME, MOBILE, PASSWORD, "1991-12-31")
    assert [secret for secret in secrets if found_in(dump, secret)] == []


async def test_document_number_is_not_guessed_from_a_digest(server: RegistrationServer) -> None:
    """What is kept of a request to recognise it is keyed: who knows the body does not find it.

    The control: with the kit's plain digest the row would hold exactly this.
    """
    request = account_request()
    await (await server.caller("portal")).call(request)
    with acting_as(Actor(subject="", role="anonymous", caller="portal")):
        plain = key_of(request)
    (row,) = await server.rows(
        "SELECT actor, request_id, method, body_sha256 FROM registration.idempotency"
        " WHERE request_id = $1",
        request.request_id,
    )
    assert tuple(row)[:3] == (plain.actor, plain.request_id, plain.method)
    assert row["body_sha256"] != plain.body_sha256


async def dumped(server: RegistrationServer) -> str:
    """Every row of every table as text; bytes as hexadecimal digits."""
    tables = await server.rows(
        "SELECT tablename FROM pg_tables WHERE schemaname = 'registration' ORDER BY 1"
    )
    assert len(tables) >= 12
    rows = [
        row[0]
        for table in tables
        for row in await server.rows(f"SELECT t::text FROM registration.{table[0]} AS t")
    ]
    return "\n".join(rows)


def found_in(dump: str, text: str) -> bool:
    """Whether a text is in the dump, as itself or inside of bytes."""
    return text in dump or text.encode().hex() in dump


async def test_same_request_gets_the_first_answer(server: RegistrationServer) -> None:
    """A repeated request has its effect once; the same id with another body is refused."""
    portal = await server.caller("portal")
    request = account_request()
    first, second = await portal.call(request), await portal.call(request)
    assert first.candidate_id == second.candidate_id
    other = account_request(2, request_id=request.request_id)
    assert (await portal.refused(other)).reason == "REQUEST_ID_REUSED"

    candidate = await log_in(server, document_number(1))
    await complete(candidate)
    submit = submit_request()
    answer = await candidate.call(submit)
    assert answer.registration.personal.name == NAME
    assert await candidate.call(submit) == answer
    audited = await server.rows(
        "SELECT 1 FROM registration.audit WHERE action = 'submit_registration'"
    )
    assert len(audited) == 1


async def test_followers_hear_of_an_approval(server: RegistrationServer) -> None:
    """Who follows the feed already gets the candidate when the approval has been committed."""
    _, candidate_id = await pending_candidate(server)
    officer = await new_officer(server)
    await officer.call(lease_request())
    stream = (await server.caller("enrollment")).start(feed.WatchCandidatesRequest())
    assert list((await stream.read()).events) == []
    await officer.call(approval(candidate_id))
    async with asyncio.timeout(5):
        while not (heard := await stream.read()).events:
            pass
    assert [event.candidate.candidate_id for event in heard.events] == [candidate_id]
    stream.cancel()


async def test_strangers_do_not_follow_the_feed(server: RegistrationServer) -> None:
    """The feed is for the services its contract names, and for a cursor it has given."""
    portal, tickets = await server.caller("portal"), await server.caller("tickets")
    for caller, cursor, code in (
        (portal, "", grpc.StatusCode.PERMISSION_DENIED),
        (tickets, "yesterday", grpc.StatusCode.INVALID_ARGUMENT),
    ):
        stream = caller.start(feed.WatchCandidatesRequest(cursor=cursor))
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await stream.read()
        assert refused.value.code() == code


async def test_tokens_outlive_a_restart(make_database: MakeDatabase, tmp_path: Path) -> None:
    """Two processes share one signing key, and a token of the first is good at the second."""
    dsn = await make_database("registration")
    async with registration_server(dsn, tmp_path) as first:
        async with registration_server(dsn, tmp_path) as second:
            await apply_session(first)
            candidate = await new_candidate(first)
            other = (await second.caller("portal")).with_token(candidate.token)
            seen = await other.call(registration.GetRegistrationRequest())
            assert seen.registration.document_number == document_number(1)
        keys = await first.rows("SELECT key_id FROM registration.signing_key")
        assert len(keys) == 1
