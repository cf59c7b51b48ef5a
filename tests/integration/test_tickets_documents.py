"""What offices print of a county: documents that are made while they are fetched."""

from __future__ import annotations

import csv
from collections.abc import AsyncIterator
from dataclasses import replace
from io import BytesIO, StringIO
from pathlib import Path
from uuid import UUID

import pikepdf
import pypdfium2
import pytest
import pytest_asyncio
from support.commands import run_command
from support.refusals import note
from support.service import method_of, new_id
from support.service_databases import ServiceDatabases
from support.tickets_database import SESSION
from support.tickets_documents import Office, cancelling, streaming
from support.tickets_peers import COUNTY
from support.tickets_service import OFFICER, reason, tickets_installation
from zikao.tickets.v1 import document_service_pb2 as documents
from zikao.tickets.v1 import ticket_service_pb2 as tickets
from zikao_ctl.export_documents import Wanted
from zikao_ctl.export_files import PartFile
from zikao_kit.crypto import KeyRing
from zikao_sandbox.portraits import portrait_jpeg
from zikao_tickets.commands import read_contents
from zikao_tickets.domain.documents import DocumentKind
from zikao_tickets.domain.person import growth_context
from zikao_tickets.printing.pdf.document import Growth

pytestmark = pytest.mark.asyncio(loop_scope="module")

PEOPLE = [UUID(int=number) for number in range(1, 8)]
NAMES = {PEOPLE[0]: "张𬭎", PEOPLE[1]: "阿卜杜热合曼·买买提明", PEOPLE[2]: "李\U000f0001"}
WITHOUT_PHOTO = PEOPLE[3]
PRINTED = [person for person in PEOPLE if person not in (PEOPLE[2], WITHOUT_PHOTO)]
KINDS = {
    "sign-in": documents.DOCUMENT_KIND_SIGN_IN_SHEETS,
    "posters": documents.DOCUMENT_KIND_DOOR_POSTERS,
    "labels": documents.DOCUMENT_KIND_DESK_LABELS,
    "papers": documents.DOCUMENT_KIND_PAPER_COUNTS,
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def office(
    service_databases: ServiceDatabases, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Office]:
    """A county with seven published seats, one of them without photo, one with a private name."""
    dsn = await service_databases.clone("tickets")
    directory = tmp_path_factory.mktemp("documents")
    async with tickets_installation(directory, dsn, photo_again_seconds=0.2) as running:
        for person in PEOPLE:
            jpeg = portrait_jpeg(person.int, "女")
            running.peers.register(person, NAMES.get(person, f"考生{person.int}"), jpeg)
            if person != WITHOUT_PHOTO:
                running.peers.photos[str(person)] = jpeg
            running.peers.enroll(person, (1, "00015"))
        await running.published_county()
        yield Office(running)
    await service_databases.drop(dsn)


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two tickets a part, so that a county of seven has several."""
    monkeypatch.setitem(read_contents.ITEMS_A_PART, DocumentKind.TICKETS, 2)


def texts(pdf: bytes) -> list[str]:
    """The text of every page."""
    document = pypdfium2.PdfDocument(pdf)
    return [page.get_textpage().get_text_range() for page in document]


def number(person: UUID) -> str:
    """A candidate's ticket number."""
    return f"0104221{person.int:05}"


async def test_all_tickets_of_a_county_are_one_pdf(office: Office) -> None:
    """In order, with progress; who cannot be printed is named and left out; prints are logged."""
    before = await office.sql("SELECT count(*) FROM tickets.print_log")
    document_id = await office.start()
    pieces = await office.stream(document_id)
    pdf = b"".join(piece.content for piece in pieces)
    with pikepdf.open(BytesIO(pdf)) as opened:
        assert opened.check_pdf_syntax() == []
    for text, person in zip(texts(pdf), PRINTED, strict=True):
        assert number(person) in text
    assert [piece.done for piece in pieces] == [2, 4, 6, 7, 7]
    assert {piece.total for piece in pieces} == {7}
    named = {each.ticket_number: each.reason for piece in pieces for each in piece.unprintable}
    assert named == {
        number(PEOPLE[2]): "NAME_NOT_PRINTABLE",
        number(WITHOUT_PHOTO): "PHOTO_PENDING",
    }
    document = await office.get(document_id)
    assert (document.state, document.done) == (documents.DOCUMENT_STATE_DONE, 7)
    assert (document.pages, document.left_out) == (len(PRINTED), 2)
    assert document.bytes == sum(len(piece.content) for piece in pieces[:-1])
    listed = await office.sql("SELECT reason FROM tickets.unprintable ORDER BY ticket_number")
    assert [row["reason"] for row in listed] == ["NAME_NOT_PRINTABLE", "PHOTO_PENDING"]
    after = await office.sql("SELECT count(*) FROM tickets.print_log")
    assert after[0][0] - before[0][0] == len(PRINTED)


async def test_a_reader_goes_on_anywhere(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """After any piece, also in the middle of a part, the rest follows; nothing is logged twice."""
    monkeypatch.setattr("zikao_tickets.document_press.PIECE_BYTES", 30_000)
    document_id = await office.start()
    pieces = await office.stream(document_id)
    whole = b"".join(piece.content for piece in pieces)
    logged = await office.sql("SELECT count(*) FROM tickets.print_log")
    assert len(pieces) > 6
    assert any("+" in piece.cursor for piece in pieces)
    for at in (0, 1, len(pieces) // 2, len(pieces) - 2, len(pieces) - 1):
        stored = b"".join(piece.content for piece in pieces[: at + 1])
        rest = await office.stream(document_id, pieces[at].cursor)
        assert stored + b"".join(piece.content for piece in rest) == whole
    assert await office.sql("SELECT count(*) FROM tickets.print_log") == logged


async def test_what_was_left_out_is_left_out_again(office: Office) -> None:
    """A photo that comes later changes nothing of a document, and is in the next one."""
    document_id = await office.start()
    first = await office.fetch(document_id)
    photo = portrait_jpeg(WITHOUT_PHOTO.int, "女")
    office.running.peers.photos[str(WITHOUT_PHOTO)] = photo
    await office.running.arrive()
    assert await office.fetch(document_id) == first
    later = await office.fetch(await office.start())
    assert len(pypdfium2.PdfDocument(later)) == len(PRINTED) + 1


async def test_a_page_in_bulk_is_the_page_a_candidate_prints(office: Office) -> None:
    """The candidate's own print draws the same page content as the county's document."""
    running, person = office.running, PEOPLE[0]
    await running.move_to(SESSION.printing_opens_at)
    candidate, seen = running.candidate(person), {"session_code": "22.1"}
    notice = tickets.AcknowledgeNoticeRequest(request_id=new_id(), version=1, **seen)
    await running.tickets.AcknowledgeNotice(notice, **candidate)
    request = tickets.PrintTicketRequest(request_id=new_id(), **seen)
    own = (await running.tickets.PrintTicket(request, **candidate)).pdf
    bulk = await office.fetch(await office.start())
    with pikepdf.open(BytesIO(own)) as one, pikepdf.open(BytesIO(bulk)) as many:
        assert one.pages[0].Contents.read_bytes() == many.pages[0].Contents.read_bytes()


@pytest.mark.parametrize("kind", list(KINDS))
async def test_sheets_of_rooms_name_everybody(office: Office, kind: str) -> None:
    """Each kind has its page of the room; a character without glyph is set as a blank type."""
    pdf = await office.fetch(await office.start(KINDS[kind]))
    with pikepdf.open(BytesIO(pdf)) as opened:
        assert opened.check_pdf_syntax() == []
    text = "".join("".join(texts(pdf)).split())
    assert "001" in text
    assert "英语（二）" in text
    if kind == "papers":
        assert "合计7" in text
    else:
        assert all(number(person) in text for person in PEOPLE)
    if kind in {"sign-in", "labels"}:
        assert "张𬭎" in text
        assert "李〓" in text


async def test_sheets_may_be_of_one_site_or_slot(office: Office) -> None:
    """What is in another site or slot is not printed, and nothing at all is refused."""
    poster = documents.DOCUMENT_KIND_DOOR_POSTERS
    assert await office.fetch(await office.start(poster, site_code="A", slot=1))
    for wrong in ({"site_code": "B"}, {"slot": 2}):
        assert await office.refused(office.request(poster, **wrong)) == "NOTHING_TO_PRINT"
    elsewhere = office.request(poster, county_code="510105")
    assert await office.refused(elsewhere, "510105") == "NOTHING_TO_PRINT"
    assert await office.refused(elsewhere) == "OUT_OF_SCOPE"
    whole = office.request(documents.DOCUMENT_KIND_TICKETS, slot=1)
    assert await office.refused(whole) == "INVALID_REQUEST"
    unknown = office.request(poster, session_code="99.9")
    assert await office.refused(unknown) == "SESSION_UNKNOWN"


async def test_a_request_id_begins_one_document(office: Office) -> None:
    """The same request again is the same document; with another body it is refused."""
    request, officer = office.request(documents.DOCUMENT_KIND_TICKETS), office.running.officer()
    first = await office.stub.StartDocument(request, **officer)
    assert await office.stub.StartDocument(request, **officer) == first
    request.kind = documents.DOCUMENT_KIND_DESK_LABELS
    assert await office.refused(request) == "REQUEST_ID_REUSED"
    cancel = cancelling(first.document.document_id)
    assert await office.stub.CancelDocument(cancel, **officer)
    cancel.document_id = new_id()
    assert await office.refused(cancel) == "REQUEST_ID_REUSED"


async def test_paper_counts_are_a_csv_file(office: Office) -> None:
    """A line for each room and course, which a spreadsheet opens."""
    request = documents.ExportPaperCountsRequest(session_code="22.1", county_code=COUNTY)
    officer = office.running.officer()
    parts = [part.csv async for part in office.stub.ExportPaperCounts(request, **officer)]
    text = b"".join(parts).decode("utf-8-sig")
    (row,) = csv.DictReader(StringIO(text))
    assert (row["考场"], row["课程代码"], row["份数"]) == ("001", "00015", "7")
    request.session_code = "99.9"
    assert await office.refused(request) == "SESSION_UNKNOWN"
    request = documents.ExportPaperCountsRequest(session_code="22.1", county_code="510105")
    assert await office.refused(request, "510105") == "NOTHING_TO_PRINT"
    assert await office.refused(request) == "OUT_OF_SCOPE"


async def test_a_cancelled_document_is_fetched_no_more(office: Office) -> None:
    """Cancelling ends it for good, also twice, and what is not there is said so."""
    document_id = await office.start()
    await office.cancel(document_id)
    await office.cancel(document_id)
    assert (await office.get(document_id)).state == documents.DOCUMENT_STATE_CANCELLED
    assert await office.refused(streaming(document_id)) == "DOCUMENT_CANCELLED"
    for asking in (
        lambda named: documents.GetDocumentRequest(document_id=named),
        cancelling,
        streaming,
    ):
        assert await office.refused(asking(document_id), "510105") == "OUT_OF_SCOPE"
        assert await office.refused(asking(new_id())) == "NOT_FOUND"


async def test_who_sees_documents_is_audited(office: Office) -> None:
    """Beginning, fetching and cancelling are noted with who did it, of what, and no names."""
    document_id = await office.start(documents.DOCUMENT_KIND_SIGN_IN_SHEETS, slot=1)
    await office.fetch(document_id)
    await office.cancel(document_id)
    noted = await office.sql(
        "SELECT action, actor, county_prefix, after->>'kind' AS kind FROM tickets.office_audit"
        " WHERE after->>'document_id' = $1 ORDER BY audit_id",
        document_id,
    )
    assert [row["action"] for row in noted] == [
        "start_document",
        "fetch_document",
        "cancel_document",
    ]
    whom = {(row["actor"], row["county_prefix"], row["kind"]) for row in noted}
    assert whom == {(str(OFFICER), COUNTY, "sign_in_sheets")}


async def test_readers_are_bounded(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each holds a part while it reads: one too many is sent away, and may come back."""
    document_id = await office.start()
    monkeypatch.setattr("zikao_tickets.document_readers.MAX_READERS", 0)
    assert await office.refused(streaming(document_id)) == "OVERLOADED"
    monkeypatch.undo()
    assert await office.fetch(document_id)


async def test_a_document_without_a_page_is_refused(office: Office) -> None:
    """When nobody's photo is there, the reader is told so instead of getting an empty file."""
    peers, document_id = office.running.peers, await office.start()
    photos, peers.photos = peers.photos, {}
    await office.sql("DELETE FROM tickets.photo")
    # All pieces before the end are empty, and say who is missing.
    assert await reason(office.stream(document_id)) == "NOTHING_TO_PRINT"
    note(method_of(documents.StreamDocumentRequest.DESCRIPTOR), "NOTHING_TO_PRINT")
    peers.photos = photos
    await office.running.arrive()


async def test_a_cursor_of_nowhere_is_refused(office: Office) -> None:
    """A place that the document does not have is an error, not an empty answer."""
    document_id = await office.start()
    for cursor in ("1+5", "2", "0+99999999"):
        assert await office.refused(streaming(document_id, cursor)) == "INVALID_REQUEST"
    pieces = await office.stream(document_id)
    assert await office.stream(document_id, pieces[-1].cursor) == []
    for cursor in (f"{pieces[-1].cursor}+1", "99"):
        assert await office.refused(streaming(document_id, cursor)) == "INVALID_REQUEST"


async def test_a_document_whose_people_changed_is_expired(office: Office) -> None:
    """What cannot be made again byte for byte is refused, never mixed with what was stored."""
    document_id = await office.start(documents.DOCUMENT_KIND_DOOR_POSTERS)
    await office.fetch(document_id)
    change = "UPDATE tickets.site SET name = $1 WHERE site_code = 'A'"
    await office.sql(change, "另一所中学")
    assert await office.refused(streaming(document_id)) == "DOCUMENT_EXPIRED"
    await office.sql(change, "第十七中学")
    assert await office.fetch(document_id)


async def test_a_document_in_other_fonts_is_expired(office: Office) -> None:
    """After fonts were changed its parts are not gone on with, nor is it brought to its end."""
    document_id = await office.start()
    pieces = await office.stream(document_id)
    key_ring = KeyRing.from_file(office.running.config.key_ring_file)
    for row in await office.sql(
        "SELECT part, growth_enc FROM tickets.document_part WHERE document_id = $1", document_id
    ):
        context = growth_context(UUID(document_id), row["part"])
        growth = Growth.from_bytes(key_ring.decrypt(row["growth_enc"], context))
        changed = key_ring.encrypt(replace(growth, fonts="others").to_bytes(), context)
        await office.sql(
            "UPDATE tickets.document_part SET growth_enc = $3 WHERE document_id = $1 AND part = $2",
            *(document_id, row["part"], changed),
        )
    for cursor in ("1", pieces[-2].cursor):
        assert await office.refused(streaming(document_id, cursor)) == "DOCUMENT_EXPIRED"


async def test_documents_are_listed_page_by_page(office: Office) -> None:
    """The newest first, with how far they have come; only those of the officer's area."""
    expected = [await office.start(kind) for kind in KINDS.values()][::-1]
    found: list[str] = []
    token, officer = "", office.running.officer()
    while len(found) < len(expected):
        request = documents.ListDocumentsRequest(
            session_code="22.1", county_prefix=COUNTY, page_size=2, page_token=token
        )
        page = await office.stub.ListDocuments(request, **officer)
        found += [document.document_id for document in page.documents]
        token = page.next_page_token
    assert found == expected
    assert token
    other = documents.ListDocumentsRequest(session_code="22.1", county_prefix="510105")
    assert await office.refused(other) == "OUT_OF_SCOPE"
    bad = documents.ListDocumentsRequest(session_code="22.1", county_prefix=COUNTY, page_token="x")
    assert await office.refused(bad) == "INVALID_REQUEST"


async def export(office: Office, kind: str, out: Path, session: str = "22.1") -> str:
    """`zikao export` as an operator runs it; what it said."""
    certs = office.running.ca.issue("operator").cert_file.parent
    where = ["--certs", str(certs), "--tickets", f"127.0.0.1:{office.running.port}"]
    what = [kind, "--session", session, "--county", COUNTY, "--out", str(out)]
    ended = await run_command(["export", *what, *where])
    assert ended.exit_code == (0 if session == "22.1" else 1)
    return ended.output


async def test_documents_are_files_by_a_command(office: Office, tmp_path: Path) -> None:
    """PDF and CSV; a part of a document that is no more begins anew; a refusal says why."""
    out, counts = tmp_path / "tickets.pdf", tmp_path / "papers.csv"
    stale = await office.start()
    first, *_ = await office.stream(stale)
    await office.cancel(stale)
    asked = Wanted("DOCUMENT_KIND_TICKETS", "22.1", COUNTY).as_text
    PartFile(out, asked).add(first.content, f"{stale}/{first.cursor}", 0)
    said = await export(office, "tickets", out)
    papers = await export(office, "papers", counts)
    refused = await export(office, "labels", tmp_path / "labels.pdf", session="99.9")
    assert f"{number(PEOPLE[2])}: NAME_NOT_PRINTABLE" in said
    pages = len(pypdfium2.PdfDocument(out.read_bytes()))
    assert said.splitlines()[-1] == f"{out}: {pages} pages, {len(PEOPLE) - pages} tickets left out"
    assert papers.splitlines()[-1] == f"{counts}: 1 rows"
    assert counts.read_text(encoding="utf-8-sig").startswith("考次,")
    assert "SESSION_UNKNOWN" in refused


async def test_a_new_arrangement_ends_the_documents_of_the_old_one(office: Office) -> None:
    """Nobody prints seats that are not in force any more."""
    document_id = await office.start()
    first, *_ = await office.stream(document_id)
    newcomer = UUID(int=99)
    jpeg = portrait_jpeg(99, "女")
    peers = office.running.peers
    peers.register(newcomer, "赵六", jpeg)
    peers.photos[str(newcomer)] = jpeg
    peers.enroll(newcomer, (1, "00015"))
    await office.running.arrive()
    await office.running.publish((await office.running.arranged()).arrangement_id)
    assert await office.refused(streaming(document_id, first.cursor)) == "DOCUMENT_EXPIRED"
    again = await office.fetch(await office.start())
    assert any("赵六" in text for text in texts(again))
