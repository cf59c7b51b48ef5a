"""Subscriptions that go on: opened again, from where they were, whenever they end."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
from zikao_kit.errors import NOT_NOW

from zikao_client.calls import FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, CallFailed

# Feeds and streams of seats say something every second, those of places every five.
SILENCE_SECONDS = 15.0


async def following(
    subscribe: Callable[[], Any], silence_seconds: float = SILENCE_SECONDS
) -> AsyncIterator[Any]:
    """Messages of a subscription without an end, over as many streams as it takes.

        async for message in following(lambda: feed.WatchEnrollments(request_from(cursor))):
            ...

    `subscribe` opens a stream from where the reader is by then. Connections end after minutes and
    servers restart: a stream that ends, fails with "not now", or says nothing for
    `silence_seconds` is opened again, after a pause that grows while nothing comes. A message may
    come twice. Raises CallFailed for a refusal that stays.
    """
    pause = FIRST_PAUSE_SECONDS
    while True:
        call = subscribe()
        asked = 0.0
        try:
            async for message in _in_time(call, silence_seconds):
                pause = FIRST_PAUSE_SECONDS
                yield message
        except TimeoutError:
            pass  # silence: opened again like a stream that has ended
        except grpc.aio.AioRpcError as error:
            failed = CallFailed(error)
            if failed.reason not in NOT_NOW:
                raise failed from error
            asked = failed.retry_after.total_seconds() if failed.retry_after else 0.0
        finally:
            # gRPC goes on with a call that nobody reads any more.
            call.cancel()
        await asyncio.sleep(max(asked, pause * random.uniform(0.5, 1)))  # noqa: S311 - spreads load
        pause = min(pause * 2, LONGEST_PAUSE_SECONDS)


async def _in_time(call: Any, silence_seconds: float) -> AsyncIterator[Any]:
    messages = aiter(call)
    while True:
        try:
            message = await asyncio.wait_for(anext(messages), silence_seconds)
        except StopAsyncIteration:
            return
        yield message
