"""Work that goes on beside the calls of a service.

    async with running(consumer.run(), repeat("refunds", refunder.work, POLL_SECONDS)):
        yield definitions

The work ends with the block. Work of `repeat` never ends before: it logs and counts what fails.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import grpc
import structlog

from zikao_kit.error_table import problem_of
from zikao_kit.errors import NOT_NOW, DomainError
from zikao_kit.metrics import BACKGROUND_FAILURES

FAILURE_PAUSE_SECONDS = 0.5
FAILURE_PAUSE_LIMIT_SECONDS = 30.0

log = structlog.get_logger()


@asynccontextmanager
async def running(*work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run `work` while the block runs, then cancel it; an error of it ends the block.

    Raises an ExceptionGroup with the errors of the work and of the block.
    """
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(each) for each in work]
        yield
        # After an error the group cancels by itself; a second time would cut short what cleans up.
        for task in tasks:
            task.cancel()


async def repeat(name: str, work: Callable[[], Awaitable[bool]], pause_seconds: float) -> None:
    """Do `work` for ever; at once again when it says there is more, else after a pause.

    No error of it ends the process: one row that cannot be worked on would take the service
    from everybody. What passes by itself (a service or the database away) is tried again after
    the pause. Anything else is logged as an error, counted (`zikao_background_failures_total`),
    and tried again after pauses that grow to FAILURE_PAUSE_LIMIT_SECONDS while it fails.
    """
    failures = BACKGROUND_FAILURES.labels(name)
    failure_pause = FAILURE_PAUSE_SECONDS
    while True:
        more, pause = False, pause_seconds
        try:
            more = await work()
            failure_pause = FAILURE_PAUSE_SECONDS
        except Exception as error:
            if (reason := passing_reason(error)) is not None:
                log.warning("background work delayed", work=name, reason=reason)
            else:
                log.exception("background work failed", work=name)
                failures.inc()
                pause = max(pause, failure_pause)
                failure_pause = min(failure_pause * 2, FAILURE_PAUSE_LIMIT_SECONDS)
        if not more:
            await asyncio.sleep(pause)


def passing_reason(error: Exception) -> str | None:
    """Return the reason of what passes by itself, None for what does not."""
    if isinstance(error, grpc.aio.AioRpcError):
        error = problem_of(error)
    if isinstance(error, DomainError) and error.reason in NOT_NOW:
        return error.reason
    return None
