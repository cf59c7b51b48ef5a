"""Ticket PDFs in their own processes: the typesetter holds a core for as long as it works.

The event loop must never wait for it, and threads would not help, so a small pool of processes
renders; each loads its fonts once.
"""

import asyncio
import multiprocessing
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache
from typing import NamedTuple

from zikao_tickets.printing import MissingGlyphs, TicketRenderer, TicketSheet, UnusablePhoto

MAX_SHEETS_PER_BATCH = 50


class Refusal(NamedTuple):
    """A sheet that cannot be printed: the error reason, and the characters or words why."""

    reason: str
    detail: str


class Printed(NamedTuple):
    """One page for every sheet without refusal, in order; no bytes when there is none."""

    pdf: bytes
    refusals: list[Refusal | None]


class RenderPool:
    """Renders sheets in `processes` processes, started on first use."""

    def __init__(self, processes: int) -> None:
        # Spawned, not forked: the parent has gRPC's threads, which do not survive a fork.
        self._pool = ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn"))

    async def render(self, sheets: Sequence[TicketSheet]) -> Printed:
        """Print what can be printed of at most 50 sheets; ValueError for more."""
        if len(sheets) > MAX_SHEETS_PER_BATCH:
            raise ValueError(f"at most {MAX_SHEETS_PER_BATCH} sheets a batch")
        return await asyncio.get_running_loop().run_in_executor(self._pool, _render, sheets)

    def close(self) -> None:
        """End the processes; work that waits is given up."""
        self._pool.shutdown(wait=True, cancel_futures=True)


@lru_cache(maxsize=1)
def _renderer() -> TicketRenderer:
    return TicketRenderer()


def _render(sheets: Sequence[TicketSheet]) -> Printed:
    refusals = [_refusal(sheet) for sheet in sheets]
    printable = [sheet for sheet, no in zip(sheets, refusals, strict=True) if no is None]
    return Printed(_renderer().render(printable) if printable else b"", refusals)


def _refusal(sheet: TicketSheet) -> Refusal | None:
    try:
        _renderer().check(sheet)
    except MissingGlyphs as error:
        return Refusal("NAME_NOT_PRINTABLE", "".join(error.characters))
    except UnusablePhoto as error:
        return Refusal("PHOTO_PENDING", str(error))
    return None
