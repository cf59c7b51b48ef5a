"""Work beside the calls: it ends with the service, and no fault of it ends the service."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import grpc
import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs
from zikao_kit.background import repeat, running
from zikao_kit.db import DatabaseUnavailable
from zikao_kit.errors import OVERLOADED, DomainError

NO_METADATA = grpc.aio.Metadata()


def not_found() -> grpc.aio.AioRpcError:
    """What another service answers about something that is not there."""
    return grpc.aio.AioRpcError(grpc.StatusCode.NOT_FOUND, NO_METADATA, NO_METADATA, "", "")


def failures_of(work: str) -> float | None:
    """How often a piece of work has failed, as Prometheus reads it."""
    return REGISTRY.get_sample_value("zikao_background_failures_total", {"work": work})


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
        DomainError(OVERLOADED),
        grpc.aio.AioRpcError(grpc.StatusCode.UNAVAILABLE, NO_METADATA, NO_METADATA, "", ""),
    ],
)
async def test_what_passes_by_itself_is_tried_again(error: Exception) -> None:
    """A database or a service that is away delays the work and does not end it."""
    enough = asyncio.Event()
    async with running(repeat("delayed", counting(enough, error, error), 0.01)), asyncio.timeout(5):
        await enough.wait()
    assert failures_of("delayed") == 0


async def test_a_fault_is_logged_and_counted_and_the_work_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One row that cannot be worked on neither ends the service nor stays unseen."""
    monkeypatch.setattr("zikao_kit.background.FAILURE_PAUSE_SECONDS", 0.01)
    enough = asyncio.Event()
    poisoned = counting(enough, ZeroDivisionError(), True, DomainError("ANY_REASON"), not_found())
    with capture_logs() as lines:
        async with running(repeat("poisoned", poisoned, 0.01)), asyncio.timeout(5):
            await enough.wait()
    assert [(line["event"], line["log_level"], line["work"]) for line in lines] == [
        ("background work failed", "error", "poisoned")
    ] * 3
    assert all(line["exc_info"] for line in lines)
    assert failures_of("poisoned") == 3


async def test_the_pauses_grow_while_it_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """Work that fails and fails is tried less and less often, and as before once it succeeds."""
    pauses: list[float] = []

    async def note(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == len(results):
            raise asyncio.CancelledError

    monkeypatch.setattr("zikao_kit.background.asyncio.sleep", note)
    results: list[bool | Exception] = [
        *[ValueError()] * 8,
        False,
        ValueError(),
        DatabaseUnavailable(),
    ]
    with pytest.raises(asyncio.CancelledError):
        await repeat("failing", counting(asyncio.Event(), *results), 0.2)
    assert pauses == [0.5, 1, 2, 4, 8, 16, 30, 30, 0.2, 0.5, 0.2]


async def test_a_long_pause_is_never_cut_short_by_a_failure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Work of every hour is not tried every second because it fails."""
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            monkeypatch.setattr("zikao_kit.background.FAILURE_PAUSE_SECONDS", 0.01)
            await repeat("hourly", counting(asyncio.Event(), *[ValueError()] * 99), 3600)
    assert failures_of("hourly") == 1


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
