"""Work that is done again and again until the service stops."""

import asyncio
from collections.abc import Awaitable, Callable

import grpc
import structlog
from zikao_kit.errors import DomainError

log = structlog.get_logger(__name__)


async def repeat(name: str, work: Callable[[], Awaitable[bool]], pause_seconds: float) -> None:
    """Do `work` for ever; at once again when it says there is more, else after a pause.

    What passes by itself (a service or the database away) is logged and tried again; anything
    else ends the loop, and with it the process, visibly.
    """
    while True:
        more = False
        try:
            more = await work()
        except (grpc.aio.AioRpcError, DomainError) as error:
            log.warning("background_work_delayed", work=name, error=type(error).__name__)
        if not more:
            await asyncio.sleep(pause_seconds)
