"""Work that goes on beside the calls of a service.

    async with running(consumer.run(), repeat("refunds", refunder.work, POLL_SECONDS)):
        yield definitions

Work that fails for good ends the process visibly: whoever runs it starts it again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import grpc
import structlog

from zikao_kit.errors import DomainError

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

    What passes by itself (a service or the database away) is logged and tried again.
    """
    while True:
        more = False
        try:
            more = await work()
        except grpc.aio.AioRpcError as error:
            log.warning("background work delayed", work=name, grpc_code=error.code().name)
        except DomainError as error:
            log.warning("background work delayed", work=name, reason=error.reason)
        if not more:
            await asyncio.sleep(pause_seconds)
