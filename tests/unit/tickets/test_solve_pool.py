"""Plans made in processes of their own."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support.tickets_arranging import planned
from zikao_tickets.domain.cannot_arrange import RoomsInsufficient
from zikao_tickets.domain.rooms import Room
from zikao_tickets.domain.roster import Roster, Sitting
from zikao_tickets.solving.pool import SolvePool, SolvingFailed

ROOMS = [Room(site, f"{number:03}", 30) for site in "ABC" for number in range(1, 4)]
# Three sites, and remainders that best fit packs badly: every model is needed.
ROSTER = Roster.of(
    Sitting(f"{number:05}", slot, f"{slot}{number * (slot + 3) % 17 % 11:04}")
    for number in range(200)
    for slot in (1, 2, 3, 4)
    if number * slot % 7
)
# Planned in a moment.
QUICK = Roster.of(Sitting(f"{number:05}", 1, "00001") for number in range(100))


def children() -> set[int]:
    """Processes of this one."""
    listed = Path(f"/proc/{os.getpid()}/task").glob("*/children")
    return {int(each) for file in listed for each in file.read_text(encoding="ascii").split()}


async def test_every_process_makes_the_same_plan() -> None:
    """Two processes and this one agree byte for byte, and say how far they are."""
    steps: list[tuple[str, int, int]] = []
    pool = SolvePool(2)
    try:
        first, second = await asyncio.gather(
            pool.plan(ROSTER, ROOMS, progress=lambda *step: steps.append(step)),
            pool.plan(ROSTER, ROOMS),
        )
    finally:
        pool.close()
    assert first.to_bytes() == second.to_bytes() == planned(ROSTER, ROOMS).to_bytes()
    assert steps[0] == ("rooms", 0, 4)
    assert steps[-1] == ("sites", 3, 3)


async def test_a_refusal_comes_back_and_the_pool_goes_on() -> None:
    """What a county lacks is raised here; the same process makes the next plan."""
    pool = SolvePool(1)
    try:
        with pytest.raises(RoomsInsufficient) as caught:
            await pool.plan(ROSTER, ROOMS[:3])
        assert caught.value.available == 3
        before = children()
        assert (await pool.plan(QUICK, ROOMS)).figures.rooms
        assert children() == before
    finally:
        pool.close()


async def test_a_plan_that_is_given_up_ends_at_once() -> None:
    """Cancelling kills the process that is at it; the next plan has another one."""
    pool = SolvePool(1)
    try:
        before, started = children(), asyncio.Event()
        asked = asyncio.create_task(
            pool.plan(ROSTER, ROOMS, progress=lambda *_: started.set()),
        )
        await started.wait()
        (at_work,) = children() - before
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        assert at_work not in children()
        assert (await pool.plan(QUICK, ROOMS)).figures.rooms
    finally:
        pool.close()


async def test_a_process_that_dies_is_replaced_once() -> None:
    """Killed once, the plan is made all the same; killed twice, its caller hears of it."""
    pool = SolvePool(1)
    known = children()

    def kill(*_: object) -> None:
        for process in children() - known:
            os.kill(process, signal.SIGKILL)

    def kill_first(*_: object) -> None:
        if not killed:
            killed.append(True)
            kill()

    killed: list[bool] = []
    try:
        assert (await pool.plan(ROSTER, ROOMS, progress=kill_first)).figures.rooms
        with pytest.raises(SolvingFailed):
            await pool.plan(ROSTER, ROOMS, progress=kill)
    finally:
        pool.close()


def test_the_service_loads_no_solver() -> None:
    """Only the pool's processes have HiGHS and numpy, which take 60 MiB."""
    code = (
        "import sys, zikao_tickets.main\n"
        "sys.exit(', '.join({'highspy', 'numpy'} & sys.modules.keys()) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
