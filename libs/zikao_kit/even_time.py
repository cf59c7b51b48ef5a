"""Answers whose time says as little as their text.

async with even_time(0.05):
    ...  # one path for people who are registered, another for those who are not

Who is told "no" after 2 ms for one person and after 9 ms for another has been told more. A block
ends at a multiple of a quantum since it began, so that what is left to see is which multiple. That
holds on asyncio's own event loop: uvloop's sleeps in whole milliseconds, and would let the
fractions of one be seen.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


@asynccontextmanager
async def even_time(quantum_seconds: float) -> AsyncIterator[None]:
    """End the block, also with an error, at the next multiple of the quantum since its start.

    Choose a quantum that all paths need less than, whatever the machine has to do beside.
    A cancelled block ends at once: nobody hears of it.
    """
    if quantum_seconds <= 0:
        raise ValueError("a quantum is longer than 0 seconds")
    begun = time.monotonic()  # a loop's own time may stand still while it works
    try:
        yield
    except Exception:
        await _fill(begun, quantum_seconds)
        raise
    await _fill(begun, quantum_seconds)


async def _fill(begun: float, quantum_seconds: float) -> None:
    spent = time.monotonic() - begun
    await asyncio.sleep(math.ceil(spent / quantum_seconds) * quantum_seconds - spent)
