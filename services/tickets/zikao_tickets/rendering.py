"""What is printed is made in processes of its own: drawing holds a core for as long as it lasts.

The event loop must never wait for it, and threads would not help, so a small pool of processes
renders; each loads its fonts once. Candidates come first: what they wait for in the pool's one
line is other candidates, and a single part of a document.
"""

import asyncio
import multiprocessing
import os
import sys
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import structlog
from zikao_kit.admission import overloaded
from zikao_kit.errors import UNAVAILABLE, DomainError

from zikao_tickets.document_jobs import MadePart, PartJob, make_end, make_part
from zikao_tickets.printing import TicketSheet
from zikao_tickets.printing.documents import Heading
from zikao_tickets.printing.fonts import add_font_directories
from zikao_tickets.render_metrics import (
    DEATHS,
    FAILURES,
    PAGES_WAITING,
    PARTS_WAITING,
    SECONDS,
    note_sheets,
)
from zikao_tickets.ticket_jobs import (
    Printed,
    judge_glyph,
    missing_glyphs,
    print_tickets,
    text_problems,
)

MAX_PARTS_WAITING = 8
# About 150 ms.
TEXTS_PER_PART = 1000
ATTEMPTS = 2
RETRY_AFTER = timedelta(seconds=2)
# A page takes 10 to 30 ms: whoever comes later than this would wait for seconds.
MAX_PAGES_WAITING_PER_PROCESS = 64

WRITERS_ARE_LET_GO = (3, 11, 5)
STUCK_SECONDS = 2.0

log = structlog.get_logger()

P = ParamSpec("P")
T = TypeVar("T")


class RenderPool:
    """Renders sheets in `processes` processes, started on first use.

    A process that is killed (for its memory, say) takes the executor with it: it is replaced,
    and what was being rendered is tried once more.
    """

    def __init__(self, processes: int, font_directories: Sequence[Path] = ()) -> None:
        self._font_directories = font_directories
        self._max_pages_waiting = MAX_PAGES_WAITING_PER_PROCESS * processes
        self._processes = processes
        self._pages_waiting = 0
        self.parts_waiting = 0
        self._part_turn = asyncio.Lock()
        self._executor = self._new_executor()
        PAGES_WAITING.set_function(lambda: self._pages_waiting)
        PARTS_WAITING.set_function(lambda: self.parts_waiting)

    async def render(self, sheet: TicketSheet) -> Printed:
        """Print a candidate's sheet.

        Raises DomainError OVERLOADED when too many candidates wait, and UNAVAILABLE when the
        processes died twice over it.
        """
        if self._pages_waiting >= self._max_pages_waiting:
            raise overloaded()
        self._pages_waiting += 1
        try:
            printed = await self._surely(print_tickets, [sheet])
        finally:
            self._pages_waiting -= 1
        note_sheets(printed.refusals)
        return printed

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Be the only one who reads, and makes, a part of a document.

        Whoever waits holds nothing of a part yet. Raises DomainError OVERLOADED when too many do.
        """
        if self.parts_waiting > MAX_PARTS_WAITING:  # one of them is being made
            raise overloaded()
        self.parts_waiting += 1
        try:
            async with self._part_turn:
                yield
        finally:
            self.parts_waiting -= 1

    async def make_part(self, job: PartJob) -> MadePart:
        """Make a part of a document, within a `turn`; raises UNAVAILABLE as `render`."""
        made = await self._surely(make_part, job)
        note_sheets(made.refusals)
        return made

    async def make_end(self, heading: Heading, growths: Sequence[bytes]) -> bytes:
        """Make a document's end, within a `turn`; raises UNAVAILABLE as `render`."""
        return await self._surely(make_end, heading, growths)

    async def missing_glyphs(self, texts: Sequence[str]) -> list[str]:
        """The characters of each text that no font draws; raises UNAVAILABLE as `render`."""
        return await self._surely(missing_glyphs, texts)

    async def text_problems(self, texts: Sequence[tuple[str, str]]) -> list[str]:
        """What is wrong with each text in its place on a ticket, in Chinese; raises UNAVAILABLE.

        A province has tens of thousands: candidates' pages come between its parts.
        """
        starts = range(0, len(texts), TEXTS_PER_PART)
        parts = [texts[start : start + TEXTS_PER_PART] for start in starts]
        return [each for part in parts for each in await self._surely(text_problems, part)]

    async def judge_glyph(self, character: str, png: bytes) -> tuple[bool, str]:
        """Whether the character needs a picture, and why this is none; as `missing_glyphs`."""
        return await self._surely(judge_glyph, character, png)

    async def _surely(self, job: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        with SECONDS.labels(job.__name__).time(), FAILURES.labels(job.__name__).count_exceptions():
            return await self._in_a_process(job.__name__, partial(job, *args, **kwargs))

    async def _in_a_process(self, name: str, call: Callable[[], T]) -> T:
        for attempt in range(1, ATTEMPTS + 1):
            executor = self._executor
            try:
                return await asyncio.get_running_loop().run_in_executor(executor, call)
            except BrokenProcessPool:
                DEATHS.inc()
                log.warning("a rendering process died", attempt=attempt, job=name)
                self._replace(executor)
        raise DomainError(UNAVAILABLE, retry_after=RETRY_AFTER)

    def close(self) -> None:
        """End the processes; work that waits is given up."""
        self._executor.shutdown(wait=True, cancel_futures=True)

    def _replace(self, broken: ProcessPoolExecutor) -> None:
        # Every call that was waiting comes here: the first one replaces it for all.
        if self._executor is broken:
            self._executor = self._new_executor()
            _let_go(broken)

    def _new_executor(self) -> ProcessPoolExecutor:
        # Spawned, not forked: the parent has gRPC's threads, which do not survive a fork.
        context = multiprocessing.get_context("spawn")
        return ProcessPoolExecutor(
            self._processes,
            mp_context=context,
            initializer=_begin,
            initargs=(self._font_directories,),
        )


def _let_go(broken: ProcessPoolExecutor) -> None:
    """Give up what was on its way to a dead process.

    Before CPython 3.11.5 (gh-94777) the executor's thread waits for ever for the one that writes
    to the process's pipe, and this process at its end for both. Without a reader the write fails.
    Only once they are stuck: until then they close the pipe themselves.
    """
    parts: Any = broken
    manager, queue = parts._executor_manager_thread, parts._call_queue
    broken.shutdown(wait=False)
    if manager is not None and sys.version_info < WRITERS_ARE_LET_GO:
        threading.Thread(target=_unblock, args=(manager, queue), daemon=True).start()


def _unblock(manager: threading.Thread, queue: Any) -> None:
    manager.join(STUCK_SECONDS)
    if manager.is_alive():
        queue._reader.close()


def _begin(font_directories: Sequence[Path]) -> None:
    """What a rendering process does first."""
    _end_with_parent()
    add_font_directories(font_directories)


def _end_with_parent() -> None:
    """End this process when the service is killed.

    A worker waits for work on a pipe whose other end it holds itself: it would never notice.
    """
    threading.Thread(target=_exit_after_parent, daemon=True).start()


def _exit_after_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
