"""The rendering processes: what becomes of a print when one of them dies."""

import asyncio
import multiprocessing
import os
import signal
from collections.abc import Awaitable, Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pypdfium2
import pytest
from prometheus_client import REGISTRY
from zikao_kit.errors import DomainError
from zikao_sandbox.portraits import portrait_jpeg
from zikao_tickets.document_jobs import MadePart, PartJob
from zikao_tickets.domain.documents import DocumentKind
from zikao_tickets.domain.ticket import Refusal
from zikao_tickets.printing import SittingLine, TicketSheet
from zikao_tickets.printing.documents import Heading
from zikao_tickets.rendering import (
    MAX_PAGES_WAITING_PER_PROCESS,
    MAX_PARTS_WAITING,
    RenderPool,
)
from zikao_tickets.ticket_jobs import Printed

SHEET = TicketSheet(
    session_name="2022年4月高等教育自学考试",
    session_code="22.1",
    name="张三",
    sex="男",
    document_number="513101198201130014",
    ticket_number="010422100001",
    county_name="锦江区",
    photo_jpeg=portrait_jpeg(1, "男"),
    version=1,
    serial="22.1-510104-000001",
    sittings=(
        SittingLine(
            date="2022年4月16日",
            weekday="星期六",
            time="09:00—11:30",
            course_code="00015",
            course_name="英语（二）",
            site_name="第十七中学",
            site_address="通盈街368号",
            room="001",
            seat="05",
        ),
    ),
    notice=("凭证件入场。",),
    notice_version="1",
    qr_text="ZK1:TEST",
    issued_at=datetime(2022, 4, 11, tzinfo=UTC),
)
HEADING = Heading(DocumentKind.TICKETS, "准考证", SHEET.issued_at)


def part_of(*sheets: TicketSheet) -> PartJob:
    """The first part of a document."""
    return PartJob(HEADING, None, sheets)


async def in_turn(pool: RenderPool, job: PartJob) -> MadePart:
    """Make a part when it is its turn."""
    async with pool.turn():
        return await pool.make_part(job)


@pytest.fixture
def pool() -> Iterator[RenderPool]:
    """One rendering process, started on first use."""
    others.update(child.pid for child in multiprocessing.active_children())
    pool = RenderPool(1)
    yield pool
    pool.close()


# What tests before have left to end.
others: set[int | None] = set()


def rendering_process() -> int | None:
    """The id of the only process that this test has spawned and that lives."""
    ids = [each.pid for each in multiprocessing.active_children() if each.pid not in others]
    assert len(ids) <= 1
    return ids[0] if ids else None


async def kill_the_next(killed: int | None) -> int:
    """Kill the first rendering process that is not `killed`, as the kernel does for memory."""
    async with asyncio.timeout(20):
        while (process := rendering_process()) in {None, killed}:
            await asyncio.sleep(0.005)
    assert process is not None
    os.kill(process, signal.SIGKILL)
    return process


async def test_a_killed_process_is_replaced(pool: RenderPool) -> None:
    """After a kill between two prints the next one comes as if nothing had been."""
    first = await pool.render(SHEET)
    await kill_the_next(None)
    assert await pool.render(SHEET) == first
    assert len(pypdfium2.PdfDocument(first.pdf)) == 1


async def test_a_print_in_progress_survives_one_kill(pool: RenderPool) -> None:
    """All prints that were waiting for the process are done by the next."""
    prints = [asyncio.ensure_future(pool.render(SHEET)) for _ in range(3)]
    await kill_the_next(None)
    assert len({printed.pdf for printed in await asyncio.gather(*prints)}) == 1


async def test_a_print_that_kills_twice_is_refused(pool: RenderPool) -> None:
    """A second death ends the print with UNAVAILABLE, and the pool goes on with others; counted."""
    before = counted()
    printing = asyncio.ensure_future(pool.render(SHEET))
    await kill_the_next(await kill_the_next(None))
    with pytest.raises(DomainError, match="UNAVAILABLE"):
        await printing
    assert (await pool.render(SHEET)).pdf
    deaths, failures, printed = (now - then for now, then in zip(counted(), before, strict=True))
    assert (deaths, failures, printed) == (2, 1, 1)


def counted() -> list[float]:
    """Deaths of rendering processes, prints that failed, and sheets that were printed so far."""
    asked: list[tuple[str, dict[str, str]]] = [
        ("zikao_tickets_rendering_deaths_total", {}),
        ("zikao_tickets_rendering_failures_total", {"work": "print_tickets"}),
        ("zikao_tickets_sheets_total", {"outcome": "printed"}),
    ]
    return [REGISTRY.get_sample_value(*each) or 0 for each in asked]


async def test_a_sheet_that_is_too_long_does_not_stop_the_others(pool: RenderPool) -> None:
    """The sheet that does not fit on a page is refused, the others are printed."""
    endless = replace(SHEET, ticket_number="010422100002", notice=("凭证件入场。" * 20,) * 200)
    made = await in_turn(pool, part_of(SHEET, endless))
    assert made.refusals == [None, Refusal("TICKET_TOO_LONG")]
    pdf = made.content + await pool.make_end(HEADING, [made.growth])
    assert len(pypdfium2.PdfDocument(pdf)) == 1
    assert await pool.render(endless) == (b"", [Refusal("TICKET_TOO_LONG")])


async def test_who_would_wait_for_long_is_sent_away(pool: RenderPool) -> None:
    """Beyond a queue of a few seconds a print is refused at once, and the queue is done."""
    outcomes = await asyncio.gather(
        *(pool.render(SHEET) for _ in range(MAX_PAGES_WAITING_PER_PROCESS + 1)),
        return_exceptions=True,
    )
    refused = [outcome for outcome in outcomes if isinstance(outcome, DomainError)]
    assert [error.reason for error in refused] == ["OVERLOADED"]
    assert (await pool.render(SHEET)).pdf


async def test_a_candidate_waits_for_one_part_of_a_document(pool: RenderPool) -> None:
    """Six parts come first, then a candidate: the page is there before the second part is."""
    await pool.render(SHEET)
    done: list[str] = []

    async def noted(name: str, printing: Awaitable[Printed | MadePart]) -> None:
        assert (await printing)[0]
        done.append(name)

    part = part_of(*[SHEET] * 10)
    async with asyncio.TaskGroup() as group:
        for _ in range(6):
            group.create_task(noted("part", in_turn(pool, part)))
        await asyncio.sleep(0)
        group.create_task(noted("candidate", pool.render(SHEET)))
    assert sorted(done) == ["candidate"] + ["part"] * 6
    assert done.index("candidate") <= 1


async def test_candidates_and_documents_take_no_place_of_each_other(pool: RenderPool) -> None:
    """The part too many is refused, candidates are not; and a full line of those stops no part."""
    part = part_of(SHEET)
    parts = [asyncio.ensure_future(in_turn(pool, part)) for _ in range(MAX_PARTS_WAITING + 1)]
    await asyncio.sleep(0)
    with pytest.raises(DomainError, match="OVERLOADED"):
        await in_turn(pool, part)
    pages = [
        asyncio.ensure_future(pool.render(SHEET)) for _ in range(MAX_PAGES_WAITING_PER_PROCESS)
    ]
    assert all(printed[0] for printed in await asyncio.gather(*pages, *parts))
