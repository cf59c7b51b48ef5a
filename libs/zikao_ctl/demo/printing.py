"""Act 6: the notice, the printed tickets, a county's tickets as one document, verification."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import timedelta
from pathlib import Path

import pypdfium2
import zxingcpp
from zikao.tickets.v1 import document_service_pb2 as documents
from zikao.tickets.v1 import ticket_service_pb2 as tickets
from zikao_client import CallFailed, new_request_id, patiently
from zikao_client.scanner import Scanner

from zikao_ctl.demo.door import verify_at_the_door
from zikao_ctl.demo.officers import officer_metadata
from zikao_ctl.demo.people import Role
from zikao_ctl.demo.stage import Player, Stage, StoryBroken
from zikao_ctl.verify_ticket_command import LIST_FILE, TRUST_FILE, fetch_verification

SCAN_DPI = 150
POINTS_PER_INCH = 72
PRINT_TIMEOUT_SECONDS = 30.0
STREAM_TIMEOUT_SECONDS = 300.0
PHOTO_SECONDS = 60.0
PAGES_PER_SCAN = 10


async def print_tickets(stage: Stage, out: Path, scanners: ProcessPoolExecutor) -> None:
    """The special people print for themselves, the offices for everybody; then all is checked."""
    await stage.move_to(stage.session.calendar.printing.opens_at + timedelta(hours=1))
    enrolled = [player for player in stage.players if player.enrolled_in]
    special = [player for player in enrolled if player.person.role is not Role.ORDINARY]

    async def play(player: Player) -> None:
        await stage.log_in(player)
        if player.person.role is Role.HERO:
            await print_unread(stage, player)
        await read_notice(stage, player)
        pdf = await print_ticket(stage, player)
        if player.person.role is Role.HERO:
            (out / "ticket.pdf").write_bytes(pdf)

    await stage.each("print", special, play)
    scanner = await set_up_scanner(stage, out)
    await print_counties(stage, enrolled, out, scanners)
    await verify_at_the_door(stage, special, scanner)


async def print_unread(stage: Stage, player: Player) -> None:
    """Without having read the notice: refused."""
    try:
        await print_ticket(stage, player)
    except CallFailed as refused:
        stage.say(f"{player.person.name} prints before reading the notice: {refused.sentence}")
    else:
        raise StoryBroken("a ticket was printed before the notice was read")


async def read_notice(stage: Stage, player: Player) -> None:
    """Read the examination notice and say so."""
    ask = tickets.GetNoticeRequest(session_code=stage.session.code)
    notice = await patiently(lambda: stage.zikao.tickets.GetNotice(ask))
    request = tickets.AcknowledgeNoticeRequest(
        request_id=new_request_id(), session_code=stage.session.code, version=notice.version
    )
    metadata = player.metadata
    await patiently(lambda: stage.zikao.tickets.AcknowledgeNotice(request, metadata=metadata))


async def print_ticket(stage: Stage, player: Player) -> bytes:
    """The ticket as PDF; waits for the photo when it has not come from registration yet."""
    request = tickets.PrintTicketRequest(
        request_id=new_request_id(), session_code=stage.session.code
    )
    metadata, pdf = player.metadata, b""

    async def printed() -> bool:
        nonlocal pdf
        try:
            answer = await patiently(
                lambda: stage.zikao.tickets.PrintTicket(
                    request, metadata=metadata, timeout=PRINT_TIMEOUT_SECONDS
                )
            )
        except CallFailed as refused:
            if refused.reason == "PHOTO_PENDING":
                return False
            raise
        player.proof, pdf = answer.proof, answer.pdf
        return True

    await stage.until(f"{player.candidate_id} has printed", printed, PHOTO_SECONDS)
    return pdf


async def set_up_scanner(stage: Stage, out: Path) -> Scanner:
    """What a scanner carries: the signed list of keys and revoked tickets, and whom it trusts."""
    (out / TRUST_FILE).unlink(missing_ok=True)
    await fetch_verification(stage.scanner.verification, stage.session.code, out)
    return Scanner.load(out / LIST_FILE, out / TRUST_FILE)


async def print_counties(
    stage: Stage,
    enrolled: Sequence[Player],
    out: Path,
    scanners: ProcessPoolExecutor,
) -> None:
    """Each office prints all of its county; every QR code is scanned and verified offline."""
    hero = next(player for player in stage.players if player.person.role is Role.HERO)
    for county_code in sorted({player.enrolled_in for player in enrolled}):
        expected = sorted(p.ticket_number for p in enrolled if p.enrolled_in == county_code)
        pdf = await fetch_county(stage, county_code)
        if county_code == hero.enrolled_in:
            (out / "tickets-county.pdf").write_bytes(pdf)
        if await scan_all(scanners, pdf, out) != expected:
            raise StoryBroken(f"{county_code}: not the tickets of those who are enrolled there")
        stage.count("rendered", len(expected))
        stage.count("verified", len(expected))
        stage.say(f"{county_code}: {len(expected)} tickets printed, scanned and verified offline")


async def fetch_county(stage: Stage, county_code: str) -> bytes:
    """All of a county's tickets as one PDF; goes on after the last piece when it is cut off."""
    metadata = await officer_metadata(stage, county_code)
    start = documents.StartDocumentRequest(
        request_id=new_request_id(),
        session_code=stage.session.code,
        county_code=county_code,
        kind=documents.DOCUMENT_KIND_TICKETS,
    )
    started = await patiently(lambda: stage.zikao.documents.StartDocument(start, metadata=metadata))
    pdf, cursor = b"", ""

    async def rest() -> None:
        nonlocal pdf, cursor
        request = documents.StreamDocumentRequest(
            document_id=started.document.document_id, cursor=cursor
        )
        async for piece in stage.zikao.documents.StreamDocument(
            request, metadata=metadata, timeout=STREAM_TIMEOUT_SECONDS
        ):
            if piece.unprintable:
                raise StoryBroken(f"{county_code}: {piece.unprintable} cannot be printed")
            pdf, cursor = pdf + piece.content, piece.cursor

    await patiently(rest)
    return pdf


async def scan_all(scanners: ProcessPoolExecutor, pdf: bytes, out: Path) -> list[str]:
    """Ticket numbers of the valid tickets, page by page."""
    with pypdfium2.PdfDocument(pdf) as opened:
        pages = range(len(opened))
    loop = asyncio.get_running_loop()
    scans = [
        loop.run_in_executor(scanners, scan, pdf, pages[first : first + PAGES_PER_SCAN], out)
        for first in pages[::PAGES_PER_SCAN]
    ]
    return [number for numbers in await asyncio.gather(*scans) for number in numbers]


def scan(document: bytes, pages: Iterable[int], out: Path) -> list[str]:
    """Verify pages offline from their rendering in black and white; raises TicketRefused."""
    scanner = Scanner.load(out / LIST_FILE, out / TRUST_FILE)
    with pypdfium2.PdfDocument(document) as pdf:
        return [scanner.verify(read_code(pdf[page])).ticket_number for page in pages]


def read_code(page: pypdfium2.PdfPage) -> str:
    """The text of the page's QR code, as a scanner reads it off the printed sheet."""
    image = page.render(scale=SCAN_DPI / POINTS_PER_INCH, grayscale=True).to_pil()
    black_and_white = image.convert("1", dither=0).convert("L")
    # Some pattern of the page may look like a micro QR code or a bar code.
    codes = [
        code
        for code in zxingcpp.read_barcodes(black_and_white)
        if code.format == zxingcpp.BarcodeFormat.QRCode
    ]
    if len(codes) != 1:
        raise StoryBroken(f"{len(codes)} QR codes on a page")
    return str(codes[0].text)
