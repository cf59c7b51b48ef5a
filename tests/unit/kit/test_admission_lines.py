"""How long the line before the slots may become, in calls and in time, and who makes room."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from zikao_kit.admission import Admission
from zikao_kit.errors import DomainError
from zikao_kit.policy import Priority

LONG_SECONDS = 30.0


@asynccontextmanager
async def waiting(gate: Admission, priority: Priority) -> AsyncIterator[asyncio.Task[None]]:
    """A call that has come, and hangs up in the end."""
    task = asyncio.create_task(gate.enter(priority, LONG_SECONDS))
    await asyncio.sleep(0)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def full(depth: int, seconds: float = LONG_SECONDS) -> Admission:
    """One slot and a line before it."""
    return Admission(max_concurrent=1, max_queue_depth=depth, max_queue_seconds=seconds)


async def test_no_more_wait_than_the_queue_holds() -> None:
    """The others are sent away as soon as they come."""
    gate = full(depth=3)
    await gate.enter(Priority.SUBMIT, 0.0)
    async with AsyncExitStack() as stack:
        come = [await stack.enter_async_context(waiting(gate, Priority.SUBMIT)) for _ in range(8)]
        assert gate.queue_depth == 3
        for refused in come[3:]:
            with pytest.raises(DomainError, match="OVERLOADED"):
                refused.result()


async def test_nobody_waits_longer_than_is_useful() -> None:
    """However long a caller would: its work is for nothing, or another's would be."""
    gate = full(depth=3, seconds=0.01)
    await gate.enter(Priority.SUBMIT, 0.0)
    async with asyncio.timeout(1):
        with pytest.raises(DomainError, match="OVERLOADED"):
            await gate.enter(Priority.SUBMIT, LONG_SECONDS)


async def test_who_pays_takes_the_place_of_who_looks() -> None:
    """And not the other way round."""
    gate = full(depth=1)
    await gate.enter(Priority.SUBMIT, 0.0)
    async with waiting(gate, Priority.READ) as looking, waiting(gate, Priority.PAYMENT) as paying:
        await asyncio.sleep(0)
        assert looking.done()
        with pytest.raises(DomainError, match="OVERLOADED"):
            looking.result()
        with pytest.raises(DomainError, match="OVERLOADED"):
            await gate.enter(Priority.READ, LONG_SECONDS)
        assert not paying.done()


@pytest.mark.parametrize("priority", [Priority.PAYMENT, Priority.JOIN])
async def test_who_waits_in_order_is_not_sent_away_because_all_wait(priority: Priority) -> None:
    """Payments are taken, and who joins would lose the place in the line; others are told."""
    gate = Admission(max_concurrent=100, max_queue_depth=10, max_queue_seconds=1.0)
    told = 0
    for asked in (priority, Priority.SUBMIT):
        for number in range(150):
            await asyncio.sleep(0.01 if number % 5 == 0 else 0)
            try:
                await gate.enter(asked, LONG_SECONDS, 0.5, "portal")
                gate.leave(asked)
            except DomainError:
                assert asked is Priority.SUBMIT
                told += 1
    assert told
