"""Tickets over mutual TLS: notice, printing, checking at the door."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import grpc
import pypdfium2
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from support.service import TIMEOUT_SECONDS, Caller, new_id, until
from support.service_databases import MakeDatabase
from support.tickets_database import SESSION
from support.tickets_peers import COUNTY, ticket_number
from support.tickets_service import (
    OFFICER,
    TOKEN_LIFETIME,
    Installation,
    reason,
    tickets_installation,
)
from zikao.tickets.v1 import office_ticket_service_pb2 as office
from zikao.tickets.v1 import ticket_service_pb2 as pb
from zikao.tickets.v1 import ticket_service_pb2_grpc, verification_service_pb2_grpc
from zikao.tickets.v1 import verification_service_pb2 as verification
from zikao_sandbox.portraits import portrait_jpeg
from zikao_tickets.domain.session import Notice
from zikao_tickets.proof import ProofRejected, verify

ENGLISH, OTHER_COURSE = (1, "00015"), (1, "00018")
ZHANG, UNDRAWABLE, WITHOUT_PHOTO, BROKEN_PHOTO = (UUID(int=number) for number in range(1, 5))
NOT_ENROLLED = UUID(int=9)
NAMES = {ZHANG: "张𬭎", UNDRAWABLE: "李\U000f0001", WITHOUT_PHOTO: "王五", BROKEN_PHOTO: "钱七"}
JPEG = portrait_jpeg(1, "女")
BROKEN_JPEG = JPEG[:-9]
MINUTE = timedelta(minutes=1)


@pytest.fixture
async def service(tmp_path: Path, make_database: MakeDatabase) -> AsyncIterator[Installation]:
    """A county with four published seats, at the moment printing opens."""
    dsn = await make_database("tickets")
    async with tickets_installation(tmp_path, dsn, photo_again_seconds=0.2) as installation:
        for person, name in NAMES.items():
            enroll(installation, person, name, BROKEN_JPEG if person == BROKEN_PHOTO else JPEG)
        installation.peers.photos.pop(str(WITHOUT_PHOTO))
        await installation.published_county()
        await installation.move_to(SESSION.printing_opens_at)
        yield installation


def enroll(service: Installation, person: UUID, name: str, jpeg: bytes = JPEG) -> None:
    """A candidate with a photo takes English."""
    service.peers.photos[str(person)] = jpeg
    service.peers.register(person, name, jpeg)
    service.peers.enroll(person, ENGLISH)


async def acknowledge(service: Installation, person: UUID, version: int = 1) -> None:
    """Say that the notice has been read."""
    request = pb.AcknowledgeNoticeRequest(request_id=new_id(), session_code="22.1", version=version)
    await service.tickets.AcknowledgeNotice(request, **service.candidate(person))


async def printed(service: Installation, person: UUID, request_id: str = "") -> Any:
    """Print as the candidate, by default with a new request id."""
    request = pb.PrintTicketRequest(request_id=request_id or new_id(), session_code="22.1")
    return await service.tickets.PrintTicket(request, **service.candidate(person))


async def unprinted(service: Installation, person: UUID, **fields: str) -> str:
    """Why the candidate cannot print."""
    request = pb.PrintTicketRequest(**{"request_id": new_id(), "session_code": "22.1"} | fields)
    return (await service.calling(person, "candidate").refused(request)).reason


async def unprinted_by_office(service: Installation, person: UUID) -> str:
    """Why the county's officer cannot print for the candidate."""
    request = office.PrintForCandidateRequest(
        request_id=new_id(), session_code="22.1", ticket_number=ticket_number(person)
    )
    return (await service.calling(OFFICER, "county_officer", COUNTY).refused(request)).reason


async def checked(service: Installation, proof: str) -> Any:
    """Scan a text at the door."""
    request = verification.VerifyTicketRequest(proof=proof)
    return await service.verification.VerifyTicket(request, timeout=TIMEOUT_SECONDS)


async def test_what_stands_between_a_candidate_and_the_ticket(service: Installation) -> None:
    """No seat, no notice, an old notice, a closed window, another session: each has its reason."""
    assert await unprinted(service, ZHANG) == "NOTICE_NOT_ACKNOWLEDGED"
    old = pb.AcknowledgeNoticeRequest(request_id=new_id(), session_code="22.1", version=2)
    refused = await service.calling(ZHANG, "candidate").refused(old)
    assert refused.reason == "NOTICE_OUTDATED"
    await acknowledge(service, NOT_ENROLLED)
    assert await unprinted(service, NOT_ENROLLED) == "TICKET_UNAVAILABLE"
    await acknowledge(service, ZHANG)
    await service.apply(replace(SESSION, notice=Notice(2, ("新内容。",))))
    assert await unprinted(service, ZHANG) == "NOTICE_NOT_ACKNOWLEDGED"
    for moment in (SESSION.printing_opens_at - MINUTE, SESSION.printing_closes_at):
        await service.move_to(moment)
        assert await unprinted(service, ZHANG) == "PRINTING_CLOSED"
    assert await unprinted(service, ZHANG, session_code="99.9") == "SESSION_UNKNOWN"


async def test_anyone_reads_the_notice(service: Installation) -> None:
    """The notice needs no token; an unknown session has none."""
    notice = await service.tickets.GetNotice(pb.GetNoticeRequest(session_code="22.1"), timeout=5)
    assert (notice.version, list(notice.paragraphs)) == (1, list(SESSION.notice.paragraphs))
    anyone = Caller(service.channel("portal"))
    unknown = pb.GetNoticeRequest(session_code="99.9")
    assert (await anyone.refused(unknown)).reason == "SESSION_UNKNOWN"


async def test_printing_again_gives_the_same_ticket(service: Installation) -> None:
    """The same id and a new one give the same bytes; an id of another request is refused."""
    await acknowledge(service, ZHANG)
    request_id = new_id()
    first = await printed(service, ZHANG, request_id)
    assert len(pypdfium2.PdfDocument(first.pdf)) == 1
    assert await printed(service, ZHANG, request_id) == first
    again = await printed(service, ZHANG)
    assert (again.pdf, again.proof, again.print_count) == (first.pdf, first.proof, 2)
    used = pb.AcknowledgeNoticeRequest(request_id=request_id, session_code="22.1", version=1)
    call = service.tickets.AcknowledgeNotice(used, **service.candidate(ZHANG))
    assert await reason(call) == "REQUEST_ID_REUSED"


async def test_a_candidate_prints_once_at_a_time(service: Installation) -> None:
    """A second print is refused at once while the first waits; others may print, and then both."""
    await acknowledge(service, ZHANG)
    await acknowledge(service, BROKEN_PHOTO)
    connection = await asyncpg.connect(service.config.database.dsn)
    async with connection.transaction():
        await connection.execute("LOCK TABLE tickets.ticket IN ACCESS EXCLUSIVE MODE")
        first = asyncio.ensure_future(printed(service, ZHANG))

        async def waits() -> bool:
            return bool(
                await connection.fetchval(
                    "SELECT count(*) FROM pg_locks WHERE NOT granted"
                    " AND relation = 'tickets.ticket'::regclass"
                )
            )

        await until(waits)
        assert await unprinted(service, ZHANG) == "OVERLOADED"
        other = asyncio.ensure_future(unprinted(service, BROKEN_PHOTO))
    await connection.close()
    assert await other == "PHOTO_UNUSABLE"
    assert (await first).pdf == (await printed(service, ZHANG)).pdf


async def test_what_cannot_be_printed_says_why(service: Installation) -> None:
    """An undrawable name is named, a broken photo is refused, one on its way is waited for."""
    await acknowledge(service, UNDRAWABLE)
    request = pb.PrintTicketRequest(request_id=new_id(), session_code="22.1")
    refused = await service.calling(UNDRAWABLE, "candidate").refused(request)
    assert refused.reason == "NAME_NOT_PRINTABLE"
    assert "\U000f0001" in refused.metadata["characters"]
    assert await unprinted_by_office(service, UNDRAWABLE) == "NAME_NOT_PRINTABLE"
    assert await unprinted_by_office(service, BROKEN_PHOTO) == "PHOTO_UNUSABLE"
    await acknowledge(service, BROKEN_PHOTO)
    assert await unprinted(service, BROKEN_PHOTO) == "PHOTO_UNUSABLE"
    await acknowledge(service, WITHOUT_PHOTO)
    assert await unprinted(service, WITHOUT_PHOTO) == "PHOTO_PENDING"
    service.peers.photos[str(WITHOUT_PHOTO)] = JPEG
    await service.arrive()
    assert (await printed(service, WITHOUT_PHOTO)).version == 1


async def test_a_notice_too_long_for_the_page_is_refused(service: Installation) -> None:
    """The candidate is told, and the office finds the ticket named; a shorter notice mends it."""
    notice = Notice(2, ("凭证件入场。" * 100,) * 50)
    await service.apply(replace(SESSION, notice=notice))
    await acknowledge(service, ZHANG, version=2)
    assert await unprinted(service, ZHANG) == "TICKET_TOO_LONG"
    assert await unprinted_by_office(service, ZHANG) == "TICKET_TOO_LONG"
    connection = await asyncpg.connect(service.config.database.dsn)
    listed = await connection.fetch("SELECT ticket_number, reason FROM tickets.unprintable")
    await connection.close()
    assert (ticket_number(ZHANG), "TICKET_TOO_LONG") in map(tuple, listed)
    await service.apply(replace(SESSION, notice=Notice(3, ("凭证件入场。",))))
    await acknowledge(service, ZHANG, version=3)
    assert (await printed(service, ZHANG)).version == 1


async def test_a_ticket_is_checked_at_the_door(service: Installation) -> None:
    """A scanner gets name, photo and seat; one changed byte opens nothing."""
    await acknowledge(service, ZHANG)
    proof = (await printed(service, ZHANG)).proof
    answer = await checked(service, proof)
    assert (answer.name, answer.photo_jpeg) == (NAMES[ZHANG], JPEG)
    assert [sitting.room for sitting in answer.sittings] == ["001"]
    forged = proof[:60] + ("A" if proof[60] != "A" else "B") + proof[61:]
    assert await reason(checked(service, forged)) == "PROOF_REJECTED"
    portal = verification_service_pb2_grpc.VerificationServiceStub(service.channel("portal"))
    call = portal.VerifyTicket(verification.VerifyTicketRequest(proof=proof), timeout=5)
    assert await reason(call) == "TOKEN_INVALID"


async def test_an_officer_of_elsewhere_gets_no_photo(service: Installation) -> None:
    """The county's officer verifies, a neighbour is refused; both and a forgery are on record."""
    await acknowledge(service, ZHANG)
    proof = (await printed(service, ZHANG)).proof
    portal = verification_service_pb2_grpc.VerificationServiceStub(service.channel("portal"))

    async def verdict(text: str, county: str) -> str | None:
        request = verification.VerifyTicketRequest(proof=text)
        return await reason(portal.VerifyTicket(request, **service.officer(county)))

    assert await verdict(proof, COUNTY) is None
    assert await verdict(proof, "510105") == "OUT_OF_SCOPE"
    assert await verdict("ZK1:", COUNTY) == "PROOF_REJECTED"
    connection = await asyncpg.connect(service.config.database.dsn)
    rows = await connection.fetch("SELECT verdict, verified_by FROM tickets.verification")
    await connection.close()
    assert {row["verified_by"] for row in rows} == {str(OFFICER)}
    assert [row["verdict"] for row in rows] == ["ACCEPTED", "OUT_OF_SCOPE", "MALFORMED"]


async def test_a_replaced_ticket_is_revoked_everywhere(service: Installation) -> None:
    """After a changed course: version 2 is printed, 1 is refused online and in the offline list."""
    await acknowledge(service, ZHANG)
    request_id = new_id()
    old = await printed(service, ZHANG, request_id)
    courses = {**SESSION.courses, OTHER_COURSE[1]: "计算机应用基础"}
    await service.apply(replace(SESSION, courses=courses))
    service.peers.enroll(ZHANG, OTHER_COURSE)
    await service.publish((await service.arranged()).arrangement_id)
    assert await unprinted(service, ZHANG, request_id=request_id) == "REQUEST_ID_REUSED"
    new = await printed(service, ZHANG)
    assert (old.version, new.version) == (1, 2)
    assert await reason(checked(service, old.proof)) == "PROOF_REJECTED"
    assert (await checked(service, new.proof)).ticket_number == ticket_number(ZHANG)
    request = verification.GetVerificationDataRequest(session_code="22.1")
    data = await service.verification.GetVerificationData(request, timeout=5)
    keys = {key.key_id: Ed25519PublicKey.from_public_bytes(key.public_key) for key in data.keys}
    revoked = {("22.1", ticket.ticket_number, ticket.version) for ticket in data.revoked}
    assert verify(new.proof, keys, revoked).version == 2
    with pytest.raises(ProofRejected, match="REVOKED"):
        verify(old.proof, keys, revoked)


async def test_a_call_that_leaves_no_time_is_refused_as_such(service: Installation) -> None:
    """A deadline below what any answer takes is told apart from one that ran out on the way."""
    request = pb.GetNoticeRequest(session_code="22.1")

    async def told() -> bool:
        call = service.tickets.GetNotice(request, timeout=0.018)
        return await reason(call) == "DEADLINE_TOO_SHORT"

    # On a busy machine the client gives up before the answer is there: ask again.
    await until(told)


async def test_calls_without_deadline_or_with_an_old_token_are_refused(
    service: Installation,
) -> None:
    """Every call says how long it waits, and a token ends with its life."""
    request = pb.GetNoticeRequest(session_code="22.1")
    assert await reason(service.tickets.GetNotice(request, timeout=86_400)) is None
    bare = grpc.aio.secure_channel(
        f"127.0.0.1:{service.port}",
        service.credentials("portal"),
        options=[("grpc.default_authority", "tickets")],
    )
    async with bare as channel:
        stub = ticket_service_pb2_grpc.TicketServiceStub(channel)
        assert await reason(stub.GetNotice(request)) == "DEADLINE_REQUIRED"
    options = service.candidate(ZHANG)
    await service.move_to(SESSION.printing_opens_at + TOKEN_LIFETIME + MINUTE)
    acknowledged = pb.AcknowledgeNoticeRequest(request_id=new_id(), session_code="22.1", version=1)
    call = service.tickets.AcknowledgeNotice(acknowledged, **options)
    assert await reason(call) == "TOKEN_EXPIRED"
