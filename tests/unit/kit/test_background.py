"""Work beside the calls: it ends with the service, and the service with it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import grpc
import pytest
from zikao_kit.background import repeat, running
from zikao_kit.db import DatabaseUnavailable
from zikao_kit.errors import DomainError

NO_METADATA = grpc.aio.Metadata()


class Diary:
    """Work that goes on until cancelled, and notes it."""

    def __init__(self) -> None:
        self.entries: list[str] = []

    async def work(self) -> None:
        """Begin, and clean up when cancelled, which takes a moment."""
        self.entries.append("began")
        try:
            await asyncio.Future()
        finally:
            await asyncio.sleep(0.01)
            self.entries.append("cleaned up")


async def failing() -> None:
    """Fail for good, a little later."""
    await asyncio.sleep(0.01)
    raise LookupError("for good")


async def test_work_is_cancelled_with_the_block_and_cleans_up() -> None:
    """The block ends only after all work has ended."""
    diary = Diary()
    async with running(diary.work(), diary.work()):
        await asyncio.sleep(0.01)
        assert diary.entries == ["began"] * 2
    assert diary.entries == ["began"] * 2 + ["cleaned up"] * 2


async def test_an_error_of_the_work_ends_the_block() -> None:
    """The block is cancelled, the other work too, and the error comes out."""
    diary = Diary()
    with pytest.raises(ExceptionGroup) as caught:
        async with running(diary.work(), failing()):
            await asyncio.sleep(60)
            diary.entries.append("the block went on")
    assert caught.group_contains(LookupError, match="for good")
    assert diary.entries == ["began", "cleaned up"]


async def test_an_error_of_the_block_ends_the_work() -> None:
    """The work is cancelled and the error comes out."""
    diary = Diary()
    with pytest.raises(ExceptionGroup) as caught:
        async with running(diary.work()):
            await asyncio.sleep(0.01)
            raise KeyError
    assert caught.group_contains(KeyError)
    assert diary.entries == ["began", "cleaned up"]


async def test_cancelling_the_block_cancels_the_work() -> None:
    """A service that is told to stop ends as cancelled, not with an error."""
    diary = Diary()

    async def serve() -> None:
        async with running(diary.work()):
            await asyncio.Future()

    task = asyncio.create_task(serve())
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert diary.entries == ["began", "cleaned up"]


def counting(enough: asyncio.Event, *results: bool | Exception) -> Callable[[], Awaitable[bool]]:
    """Work that gives these results in turn, and then says that it was enough."""
    left = list(results)

    async def work() -> bool:
        if not left:
            enough.set()
            return False
        result = left.pop(0)
        if isinstance(result, Exception):
            raise result
        return result

    return work


@pytest.mark.parametrize(
    "error",
    [
        DatabaseUnavailable(),
        DomainError("ANY_REASON"),
        grpc.aio.AioRpcError(grpc.StatusCode.UNAVAILABLE, NO_METADATA, NO_METADATA, "", ""),
    ],
)
async def test_what_passes_by_itself_is_tried_again(error: Exception) -> None:
    """A database or a service that is away delays the work and does not end it."""
    enough = asyncio.Event()
    async with running(repeat("test", counting(enough, error, error), 0.01)), asyncio.timeout(5):
        await enough.wait()


async def test_any_other_error_ends_the_repetition() -> None:
    """A fault of the code is not repeated for ever in silence."""
    with pytest.raises(ZeroDivisionError):
        await repeat("test", counting(asyncio.Event(), ZeroDivisionError()), 0.01)


async def test_more_work_is_done_without_a_pause() -> None:
    """The pause is for when there is nothing to do, and after trouble."""
    enough = asyncio.Event()
    work = counting(enough, *[True] * 100)
    async with running(repeat("test", work, 60)), asyncio.timeout(5):
        await enough.wait()
    pausing = counting(asyncio.Event(), True, DatabaseUnavailable(), True)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await repeat("test", pausing, 60)
    assert await pausing() is True
