"""A process that arranges, to be killed: the service's worker and solving processes, and no more.

    python -m support.halting_arranger DSN KEY_RING_FILE ["rooms 2"]

The solving processes halt for good at the stage named (stage and steps done), as a county does
that is too hard: so it is known where they are when they are killed.
"""

import asyncio
import os
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from zikao_kit.background import repeat, running
from zikao_kit.clock import SystemClock
from zikao_kit.config import DatabaseConfig
from zikao_kit.crypto import KeyRing
from zikao_kit.migrate import open_database
from zikao_tickets.domain.seat_rows import SeatDraw
from zikao_tickets.names import PACKAGE
from zikao_tickets.solving import pool as solving
from zikao_tickets.workers.arranging import ArrangementWorker

LEASE = timedelta(seconds=0.6)
POLL_SECONDS = 0.05
DRAWING = "draw"
_Progress = Callable[[str, int, int], None]


async def arrange(dsn: str, key_ring_file: Path) -> None:
    """Work until the end of the process."""
    pool = solving.SolvePool(1)
    async with open_database(DatabaseConfig(dsn=dsn), PACKAGE) as db:
        worker = ArrangementWorker(db, KeyRing.from_file(key_ring_file), SystemClock(), pool, LEASE)
        async with running(repeat("arrangement", worker.work, POLL_SECONDS)):
            await asyncio.Event().wait()


def halt() -> None:
    """Go no further; end with the process that this one works for."""
    parent = os.getppid()
    while os.getppid() == parent:
        time.sleep(POLL_SECONDS)
    os._exit(1)


def halt_at(place: str) -> None:
    """Let this process, one that solves, halt there."""
    from zikao_tickets.solving import planner  # noqa: PLC0415 - the service itself loads no solver

    make_plan, drawn = planner.make_plan, SeatDraw.drawn

    def halting_plan(roster: Any, rooms: Any, published: Any, progress: _Progress) -> Any:
        def told(stage: str, done: int, total: int) -> None:
            progress(stage, done, total)
            if place == f"{stage} {done}":
                halt()

        return make_plan(roster, rooms, published, told)

    def halting_draw(self: SeatDraw) -> Any:
        if place == DRAWING:
            halt()
        return drawn(self)

    planner.make_plan = halting_plan
    SeatDraw.drawn = halting_draw  # type: ignore[method-assign]


if __name__ == "__main__":
    asyncio.run(arrange(sys.argv[1], Path(sys.argv[2])))
elif __name__ == "__mp_main__" and len(sys.argv) > 3:
    halt_at(sys.argv[3])
