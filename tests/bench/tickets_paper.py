"""A county's tickets as one PDF: pages a second beside typst and ReportLab, and memory.

All three draw distinct candidates with distinct photos, in one process on one core each: the
service's printer in parts, as it prints a county, typst by a call for each candidate, ReportLab
into one document. Same texts, photos and codes. They take turns, so that a busy machine slows all.
A county of 20,000 is then fetched from the service, the memory of all its processes watched.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from bench.reportlab_tickets import ReportLabTickets
from support.bench import migrated, own_postgres
from support.memory import watched
from support.service import new_id
from support.ticket_sheets import LINES, sheet
from support.tickets_crowd import name_of, photo_of, seed_candidates, site_for
from support.tickets_database import CLOSED, COUNTY, MORNING, SESSION
from support.tickets_process import process_serving
from support.tickets_service import Installation, tickets_installation
from support.tickets_typst import TypstTickets
from zikao.tickets.v1 import document_service_pb2 as documents
from zikao.tickets.v1 import document_service_pb2_grpc
from zikao_kit.config import LogConfig
from zikao_kit.crypto import KeyRing
from zikao_tickets.document_jobs import PartJob, make_end, make_part
from zikao_tickets.domain.session import Session, Slot
from zikao_tickets.printing import TicketSheet
from zikao_tickets.printing.documents import Heading
from zikao_tickets.printing.fonts import default_stack

ROUNDS = 5
PART_PAGES = 50
PAGES = {"bulk": 400, "typst": 60, "reportlab": 200}
"""A round."""
COUNTY_CANDIDATES = 20_000
LOOK_SECONDS = 0.05
FETCH_SECONDS = 1800.0
HEADING = Heading("tickets", "准考证", datetime(2022, 4, 11, tzinfo=UTC))
COURSES = ((1, "00015"), (2, "03708"), (3, "13000"), (4, "00018"))

Draw = Callable[[Sequence[TicketSheet]], bytes]


async def measure_paper(folder: Path) -> Mapping[str, Any]:
    """What is reported of printing."""
    beside = await asyncio.to_thread(_beside_others, folder)
    return beside | await _county(folder)


def _beside_others(folder: Path) -> dict[str, Any]:
    sheets = [_sheet(number) for number in range(1, max(PAGES.values()) + 1)]
    typst, reportlab = (
        TypstTickets(default_stack()),
        ReportLabTickets(default_stack(), folder, sheets),
    )
    draws: Mapping[str, Draw] = {
        "bulk": _bulk,
        "typst": lambda sheets: b"".join([typst.page(each) for each in sheets]),
        "reportlab": reportlab.render,
    }
    for draw in draws.values():  # forms, fonts and caches as they are in a process that works
        draw(sheets[:4])
    seconds: dict[str, list[float]] = {name: [] for name in draws}
    size = 0
    for _ in range(ROUNDS):
        for name, draw in draws.items():
            started = time.perf_counter()
            pdf = draw(sheets[: PAGES[name]])
            seconds[name].append((time.perf_counter() - started) / PAGES[name])
            size = len(pdf) if name == "bulk" else size
    page = {name: median(found) for name, found in seconds.items()}
    photos = sum(len(each.photo_jpeg or b"") for each in sheets[: PAGES["bulk"]])
    return {
        "ratios": {
            f"bulk_per_{name}": page[name] / page["bulk"] for name in ("typst", "reportlab")
        },
        "pages_per_second": {name: 1 / found for name, found in page.items()},
        "bytes_per_ticket": size / PAGES["bulk"],
        "bytes_per_ticket_without_photo": (size - photos) / PAGES["bulk"],
    }


def _sheet(number: int) -> TicketSheet:
    """A candidate's ticket with one to four courses."""
    lines = [*LINES, *LINES][: 1 + number % 4]
    return replace(sheet(number, name_of(number), lines), photo_jpeg=photo_of(number))


def _bulk(sheets: Sequence[TicketSheet]) -> bytes:
    """As the service makes a county's document."""
    chunks: list[bytes] = []
    growths: list[bytes] = []
    for start in range(0, len(sheets), PART_PAGES):
        before = growths[-1] if growths else None
        made = make_part(PartJob(HEADING, before, sheets[start : start + PART_PAGES]))
        assert not any(made.refusals)
        chunks.append(made.content)
        growths.append(made.growth)
    return b"".join([*chunks, make_end(HEADING, growths)])


async def _county(folder: Path) -> dict[str, Any]:
    """Fetch a county's tickets from the service in a process of its own."""
    with own_postgres(folder, max_wal_size="4GB") as admin_dsn:
        dsn = await migrated(admin_dsn, "tickets")
        async with tickets_installation(folder, dsn, log=LogConfig(level="error")) as it:
            await it.apply(_session(), site_for(COUNTY_CANDIDATES))
            await it.move_to(CLOSED)
            key_ring = KeyRing.from_file(it.config.key_ring_file)
            await seed_candidates(dsn, key_ring, COUNTY_CANDIDATES, COURSES)
            await it.publish((await it.arranged()).arrangement_id)
            await it.stop()
            async with process_serving(it, folder) as service:
                assert service.process is not None
                return await _fetched(it, service.process.pid)


async def _fetched(it: Installation, process_id: int) -> dict[str, Any]:
    stub = document_service_pb2_grpc.DocumentServiceStub(it.channel("operator"))
    request = documents.StartDocumentRequest(
        request_id=new_id(),
        session_code=SESSION.code,
        county_code=COUNTY,
        kind=documents.DOCUMENT_KIND_TICKETS,
    )
    started = await stub.StartDocument(request, timeout=FETCH_SECONDS)
    document_id, size = started.document.document_id, 0
    begun = time.perf_counter()
    async with watched(process_id, LOOK_SECONDS) as peak:
        stream = documents.StreamDocumentRequest(document_id=document_id)
        async for piece in stub.StreamDocument(stream, timeout=FETCH_SECONDS):
            size += len(piece.content)
    seconds = time.perf_counter() - begun
    got = await stub.GetDocument(
        documents.GetDocumentRequest(document_id=document_id), timeout=FETCH_SECONDS
    )
    return {
        "county": {
            "pages": got.document.pages,
            "left_out": got.document.left_out,
            "bytes": size,
            "pages_per_second": got.document.pages / seconds,
        },
        "rss_mib": max(peak),
    }


def _session() -> Session:
    """Four slots, a course in each."""
    names = ("英语（二）", "中国近现代史纲要", "英语（专升本）", "计算机应用基础")
    starts = [MORNING + timedelta(hours=5.5 * half, days=day) for day in (0, 1) for half in (0, 1)]
    return replace(
        SESSION,
        slots=tuple(
            Slot(number, start, start + timedelta(hours=2.5))
            for number, start in enumerate(starts, start=1)
        ),
        courses={code: name for (_, code), name in zip(COURSES, names, strict=True)},
    )


if __name__ == "__main__":
    with TemporaryDirectory(prefix="zikao-bench-") as name:
        print(json.dumps(asyncio.run(measure_paper(Path(name))), indent=2))  # noqa: T201
