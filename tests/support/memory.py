"""How much memory processes have while something goes on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from resource import getpagesize

from support.processes import PROC, family_of

MEBIBYTE = 1024 * 1024


@asynccontextmanager
async def watched(
    process_id: int, look_seconds: float, without: Iterable[int] = ()
) -> AsyncIterator[list[float]]:
    """The memory of a process and all that it started, in MiB, as often as it is looked at.

    `without` are processes of them that do not count, with all that they started.
    """
    others = list(without)
    seen: list[float] = [resident_mib(process_id, others)]

    async def look() -> None:
        while True:
            seen.append(resident_mib(process_id, others))
            await asyncio.sleep(look_seconds)

    looking = asyncio.create_task(look())
    try:
        yield seen
    finally:
        looking.cancel()
        with suppress(asyncio.CancelledError):
            await looking


def resident_mib(process_id: int, others: Iterable[int] = ()) -> float:
    """The memory of a process and all that it started, without `others` and theirs, in MiB."""
    pages = 0
    for member in family_of([process_id]) - family_of(others):
        with suppress(FileNotFoundError, ProcessLookupError):
            pages += int((PROC / str(member) / "statm").read_text().split()[1])
    return pages * getpagesize() / MEBIBYTE
