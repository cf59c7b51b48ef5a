"""Who runs on which core while an opening is rehearsed.

A pod of enrollment has processors that nobody else takes from it. So it has here: one core is its
own, and what a province has elsewhere (the database, who calls, all other services) shares the
others. On a machine with a single core nothing is shared out.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

from zikao_ctl.beside import beside
from zikao_ctl.processes import pin

OWNER = "enrollment"
LOOK_SECONDS = 0.5


@asynccontextmanager
async def own_core(process_ids: Callable[[], Mapping[str, int]]) -> AsyncIterator[None]:
    """Inside the block; `process_ids` tells who runs now, by name: what is started anew moves."""
    before = os.sched_getaffinity(0)
    own, *others = sorted(before)
    if not others:
        yield
        return
    pin([os.getpid()], others)
    try:
        async with beside(_keep(process_ids, own)):
            yield
    finally:
        pin([os.getpid()], before)


async def _keep(process_ids: Callable[[], Mapping[str, int]], core: int) -> None:
    pinned: int | None = None
    while True:
        process_id = process_ids().get(OWNER)
        if process_id is not None and process_id != pinned:
            pin([process_id], [core])
            pinned = process_id
        await asyncio.sleep(LOOK_SECONDS)
