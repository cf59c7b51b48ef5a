"""What a document's stream holds while its reader takes its time."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from pypdfium2 import PdfDocument
from support.clocks import FixedClock
from support.service import new_id
from support.service_databases import MakeDatabase
from support.tickets_database import (
    COUNTY,
    KEYS,
    OFFICER,
    SESSION,
    SITE,
    apply,
    arranged,
    bring_photo,
    enroll,
    number_of,
    publish,
    sql,
)
from zikao.tickets.v1 import document_service_pb2 as documents
from zikao_kit.config import DatabaseConfig
from zikao_kit.context import acting_as
from zikao_kit.db import Database
from zikao_kit.errors import DomainError
from zikao_kit.migrate import open_database
from zikao_sandbox.portraits import portrait_jpeg
from zikao_tickets import rendering
from zikao_tickets.commands import read_contents
from zikao_tickets.commands.open_signer import open_signer
from zikao_tickets.domain.documents import DocumentKind
from zikao_tickets.domain.layout import RoomPlan
from zikao_tickets.domain.session import Notice
from zikao_tickets.names import PACKAGE
from zikao_tickets.parts import Parts
from zikao_tickets.rendering import RenderPool
from zikao_tickets.rpc.documents import DocumentRpc
from zikao_tickets.stores.proof_keys import ProofKeyStore
from zikao_tickets.workers.retention import OldDocumentWorker

OPEN = SESSION.printing_opens_at
PEOPLE = [UUID(int=number) for number in range(1, 6)]
ROOMS = tuple(RoomPlan(f"00{number}", 1, 2) for number in range(1, 4))
COLLEAGUE = OFFICER._replace(subject="colleague")
PATIENCE_SECONDS = 2.0


@pytest.fixture
async def db(make_database: MakeDatabase) -> AsyncIterator[Database]:
    """Five published tickets in rooms of two, and one connection to the database for all."""
    config = DatabaseConfig(dsn=await make_database("tickets"), pool_min=1, pool_max=1)
    async with open_database(config, PACKAGE) as database:
        await apply(database, sites=[replace(SITE, rooms=ROOMS)])
        for person in PEOPLE:
            jpeg = portrait_jpeg(person.int, "男")
            await enroll(database, person, jpeg=jpeg)
            await bring_photo(database, person, jpeg)
        await publish(database, await arranged(database))
        yield database


@pytest.fixture
def pool() -> Iterator[RenderPool]:
    """One rendering process."""
    pool = RenderPool(1)
    yield pool
    pool.close()


@pytest.fixture
async def rpc(db: Database, pool: RenderPool) -> DocumentRpc:
    """The methods on that database, with the rendering process."""
    async with db.transaction() as tx:
        signer = await open_signer(ProofKeyStore(tx, KEYS), FixedClock(OPEN))
    return DocumentRpc(Parts(db, KEYS, FixedClock(OPEN), pool, signer, timedelta(hours=24)))


async def started(
    rpc: DocumentRpc, kind: Any = documents.DOCUMENT_KIND_TICKETS
) -> documents.StreamDocumentRequest:
    """To fetch the county's tickets, or sheets of its rooms."""
    request = documents.StartDocumentRequest(
        request_id=new_id(),
        session_code=SESSION.code,
        county_code=COUNTY,
        kind=kind,
    )
    document = (await rpc.StartDocument(request, None)).document
    return documents.StreamDocumentRequest(document_id=document.document_id)


async def until_waiting(pool: RenderPool, parts: int) -> None:
    """Until so many parts are in the line, the one that is made included, and no more come."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while pool.parts_waiting < parts:
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.1)
    assert pool.parts_waiting == parts


async def test_a_slow_reader_holds_no_connection(
    db: Database, rpc: DocumentRpc, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between two pieces the only connection is free for others, and the stream goes on after."""
    monkeypatch.setitem(read_contents.ITEMS_A_PART, DocumentKind.TICKETS, 2)
    with acting_as(OFFICER):
        done = []
        async for piece in rpc.StreamDocument(await started(rpc), None):
            done.append(piece.done)
            async with asyncio.timeout(PATIENCE_SECONDS), db.transaction():
                pass
    assert done == [2, 4, 5, 5]


async def test_large_rooms_make_small_parts(
    rpc: DocumentRpc, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many seats rooms have, photos of few people are in memory at once."""
    sheets = documents.DOCUMENT_KIND_SIGN_IN_SHEETS
    for people, parts in ((5, [3, 3]), (4, [2, 3, 3]), (1, [1, 2, 3, 3])):
        monkeypatch.setitem(read_contents.PEOPLE_A_PART, DocumentKind.SIGN_IN_SHEETS, people)
        with acting_as(OFFICER):
            request = await started(rpc, sheets)
            assert [piece.done async for piece in rpc.StreamDocument(request, None)] == parts


async def test_who_waits_for_a_turn_has_read_nothing(
    db: Database, rpc: DocumentRpc, pool: RenderPool
) -> None:
    """Photos of a part come into memory when its turn has come: what is there then is printed."""
    with acting_as(OFFICER):
        request = await started(rpc)
        async with pool.turn():
            first = asyncio.ensure_future(anext(aiter(rpc.StreamDocument(request, None))))
            await until_waiting(pool, 2)
            await sql(db, "DELETE FROM tickets.photo WHERE candidate_id = $1", PEOPLE[0])
        (missing,) = (await first).unprintable
    assert (missing.ticket_number, missing.reason) == (number_of(PEOPLE[0]), "PHOTO_PENDING")


async def test_an_account_fetches_two_documents_at_once(rpc: DocumentRpc) -> None:
    """A third one is refused until another has ended; other accounts fetch meanwhile."""
    with acting_as(OFFICER):
        request = await started(rpc)
        streams = [rpc.StreamDocument(request, None) for _ in range(2)]
        for stream in streams:
            await anext(aiter(stream))
        with pytest.raises(DomainError, match="OVERLOADED"):
            await anext(aiter(rpc.StreamDocument(request, None)))
    with acting_as(COLLEAGUE):
        assert [piece async for piece in rpc.StreamDocument(request, None)]
    with acting_as(OFFICER):
        for stream in streams:
            assert [piece async for piece in stream]
        assert [piece async for piece in rpc.StreamDocument(request, None)]


async def test_an_account_waits_in_one_place_of_the_line(
    rpc: DocumentRpc, pool: RenderPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two parts for one account the second waits behind the first, in nobody's way."""
    monkeypatch.setattr(rendering, "MAX_PARTS_WAITING", 2)
    with acting_as(OFFICER):
        request = await started(rpc)
    async with pool.turn():
        fetches = []
        for actor, waiting in ((OFFICER, 2), (OFFICER, 2), (COLLEAGUE, 3)):
            with acting_as(actor):
                fetches.append(
                    asyncio.ensure_future(anext(aiter(rpc.StreamDocument(request, None))))
                )
            await until_waiting(pool, waiting)
    assert [(await fetched).done for fetched in fetches] == [5, 5, 5]


async def test_a_document_of_an_older_notice_is_expired(
    db: Database, rpc: DocumentRpc, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All its pages show one notice; what shows none goes on."""
    monkeypatch.setitem(read_contents.ITEMS_A_PART, DocumentKind.TICKETS, 2)
    with acting_as(OFFICER):
        request = await started(rpc)
        posters = await started(rpc, documents.DOCUMENT_KIND_DOOR_POSTERS)
        stream = aiter(rpc.StreamDocument(request, None))
        await anext(stream)
        notice = Notice(SESSION.notice.version + 1, ("一、改为凭身份证入场。",))
        await apply(db, replace(SESSION, notice=notice), [replace(SITE, rooms=ROOMS)])
        with pytest.raises(DomainError, match="DOCUMENT_EXPIRED"):
            await anext(stream)
        assert [piece async for piece in rpc.StreamDocument(posters, None)]
        content = b"".join([p.content async for p in rpc.StreamDocument(await started(rpc), None)])
    pages = [page.get_textpage().get_text_range() for page in PdfDocument(content)]
    assert ["改为凭身份证入场" in page for page in pages] == [True] * len(PEOPLE)


async def test_old_documents_are_deleted(
    db: Database, rpc: DocumentRpc, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the notes of their parts, also while somebody fetches one; younger ones stay."""
    monkeypatch.setitem(read_contents.ITEMS_A_PART, DocumentKind.TICKETS, 2)
    with acting_as(OFFICER):
        old, young = await started(rpc), await started(rpc)
        await sql(
            db,
            "UPDATE tickets.document SET as_of = as_of + interval '1 day' WHERE document_id = $1",
            UUID(young.document_id),
        )
        stream = aiter(rpc.StreamDocument(young, None))
        await anext(stream)
        reading = aiter(rpc.StreamDocument(old, None))
        clock = FixedClock(OPEN + timedelta(days=90, seconds=1))
        for kept_days in (0, 91):
            assert not await OldDocumentWorker(db, KEYS, clock, timedelta(days=kept_days)).work()
            await anext(reading)
        assert not await OldDocumentWorker(db, KEYS, clock, timedelta(days=90)).work()
        with pytest.raises(DomainError, match="NOT_FOUND"):
            await anext(reading)
        assert [piece async for piece in stream]
    (left,) = await sql(db, "SELECT DISTINCT document_id FROM tickets.document_part")
    assert left["document_id"] == UUID(young.document_id)
