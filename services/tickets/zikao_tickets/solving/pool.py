"""Plans made in processes of their own: a solver holds a core for as long as it works.

Neither the event loop nor a thread of this process may wait for it: the solver and numpy are
loaded in the pool's processes only. Whoever gives up a plan (cancels the task) ends the process
that is at it; the next plan starts another one.
"""

import asyncio
import importlib
import multiprocessing
import os
import traceback
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Any

import structlog

from zikao_tickets.domain.cannot_arrange import CannotArrange
from zikao_tickets.domain.plan import Plan
from zikao_tickets.domain.rooms import Room
from zikao_tickets.domain.roster import Roster
from zikao_tickets.domain.seat import Seat
from zikao_tickets.domain.seat_rows import DrawnSeats, SeatDraw

# What kills a process once (for its memory, say) may not kill it again.
ATTEMPTS = 2
STDOUT = 1

Progress = Callable[[str, int, int], None]
"""Called with the stage ("rooms", "sites", "late"), steps done and steps in all."""

log = structlog.get_logger()


class SolvingFailed(Exception):  # noqa: N818 - says what happened
    """A process died over a plan, twice, or met a fault of the program."""


class SolvePool:
    """Makes plans in `processes` processes, started on first use; more wait in line."""

    def __init__(self, processes: int) -> None:
        self._free = asyncio.Semaphore(processes)
        self._idle: list[_Worker] = []

    async def plan(
        self,
        roster: Roster,
        rooms: Sequence[Room],
        published: Sequence[Seat] | None = None,
        *,
        anew: bool = False,
        progress: Progress | None = None,
    ) -> Plan:
        """The plan of a county; `published` seats are kept as far as can be, unless `anew`.

        `rooms` in the order in which they are filled. Raises RoomsInsufficient and
        AccessibleSeatsMissing, SolvingFailed; cancelling the task ends the work at once.
        """
        plan: Plan = await self._done(
            "plan", (roster, rooms, None if anew else published), progress
        )
        return plan

    async def draw(self, wanted: SeatDraw) -> DrawnSeats:
        """Who sits where by a plan; of a big county that takes seconds.

        Raises SolvingFailed.
        """
        drawn: DrawnSeats = await self._done("draw", (wanted,), None)
        return drawn

    def close(self) -> None:
        """End the processes that wait for work; those at work end with their callers."""
        while self._idle:
            self._idle.pop().end()

    async def _done(self, job: str, task: tuple[Any, ...], progress: Progress | None) -> Any:
        async with self._free:
            for attempt in range(1, ATTEMPTS + 1):
                try:
                    return await self._work((job, task), progress)
                except EOFError:
                    log.warning("a solving process died", attempt=attempt)
        raise SolvingFailed("the process died")

    async def _work(self, task: tuple[Any, ...], progress: Progress | None) -> Any:
        worker = self._idle.pop() if self._idle else _Worker()
        try:
            answer = await worker.work(task, progress)
        except (CannotArrange, SolvingFailed):
            self._idle.append(worker)
            raise
        except BaseException:
            worker.end()
            raise
        self._idle.append(worker)
        return answer


class _Worker:
    """A process and the pipe to it."""

    def __init__(self) -> None:
        # Spawned, not forked: the parent has gRPC's threads, which do not survive a fork.
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process: SpawnProcess = context.Process(target=_serve, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()

    async def work(self, task: tuple[Any, ...], progress: Progress | None) -> Any:
        """Send the task and hear of it until its end. Raises EOFError when the process dies."""
        try:
            await asyncio.to_thread(self._pipe.send, task)
            while isinstance(heard := await asyncio.to_thread(self._pipe.recv), tuple):
                if progress is not None:
                    progress(*heard)
        except OSError as error:
            raise EOFError from error
        if isinstance(heard, BaseException):
            raise heard
        plan: Plan = heard
        return plan

    def end(self) -> None:
        """Kill the process; whoever waits for it hears of its end."""
        self._process.kill()
        self._process.join()


def _serve(pipe: Connection) -> None:
    """Make plans and draw until the service hangs up, or is gone."""
    # HiGHS says its version on standard output, which is the service's log.
    os.dup2(os.open(os.devnull, os.O_WRONLY), STDOUT)
    # Only here: this module is the service's, too, which loads no solver.
    make_plan = importlib.import_module("zikao_tickets.solving.planner").make_plan
    jobs: dict[str, Callable[..., Any]] = {
        "plan": lambda *task: make_plan(*task, lambda *step: pipe.send(step)),
        "draw": SeatDraw.drawn,
    }
    while True:
        try:
            job, task = pipe.recv()
        except EOFError:
            return
        try:
            answer = jobs[job](*task)
        except CannotArrange as cannot:
            answer = cannot
        except Exception as error:
            answer = SolvingFailed("".join(traceback.format_exception(error)))
        pipe.send(answer)
