"""Blocks that end at multiples of a quantum."""

import asyncio
import time

import pytest
from zikao_kit.even_time import even_time

QUANTUM_SECONDS = 0.05


def now() -> float:
    """The machine's time."""
    return time.monotonic()


async def test_a_block_ends_no_sooner_than_its_quantum() -> None:
    """A quick one waits for the first multiple, one that needs longer for the next."""
    for work_seconds, quanta in ((0.0, 1), (QUANTUM_SECONDS * 1.2, 2)):
        begun = now()
        async with even_time(QUANTUM_SECONDS):
            await asyncio.sleep(work_seconds)
        assert now() - begun >= QUANTUM_SECONDS * quanta - 0.001


async def test_an_error_is_as_late_as_an_answer() -> None:
    """What is raised comes out, and not before the quantum has passed."""
    begun = now()
    with pytest.raises(LookupError):
        async with even_time(QUANTUM_SECONDS):
            raise LookupError
    assert now() - begun >= QUANTUM_SECONDS - 0.001


async def test_who_goes_away_is_not_held_back() -> None:
    """A cancelled block ends without its quantum, whether it works or waits."""

    async def work(seconds: float) -> None:
        async with even_time(3600):
            await asyncio.sleep(seconds)

    for seconds in (0, 3600):
        task = asyncio.create_task(work(seconds))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            async with asyncio.timeout(10):
                await task


async def test_no_quantum_is_no_mistake_to_make() -> None:
    """A quantum of nothing is refused: it would hide nothing."""
    with pytest.raises(ValueError, match="longer than 0"):
        async with even_time(0):
            pass
