"""Subscriptions over servers that end them, refuse them, and fall silent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from zikao_client import CallFailed, bearer, following
from zikao_kit.context import ADMISSION_PASS_KEY
from zikao_kit.error_table import ErrorTable
from zikao_kit.errors import OVERLOADED, PERMISSION_DENIED, DomainError

METHOD = "/numbers.v1.NumberService/Watch"
ERRORS = ErrorTable.from_enums()
Play = Callable[[int, Any], AsyncIterator[bytes]]


@asynccontextmanager
async def numbers(play: Play) -> AsyncIterator[Callable[[int], Any]]:
    """A server whose streams `play` what they do after a cursor; gives the subscribing."""

    async def watch(request: bytes, context: Any) -> AsyncIterator[bytes]:
        async for number in play(int(request), context):
            yield number

    server = grpc.aio.server()
    handler = grpc.unary_stream_rpc_method_handler(watch)
    service, method = METHOD.strip("/").split("/")
    server.add_generic_rpc_handlers(
        [grpc.method_handlers_generic_handler(service, {method: handler})]
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        watch_from = channel.unary_stream(METHOD, bytes, bytes)
        yield lambda cursor: watch_from(str(cursor).encode())
    await server.stop(0)


async def refuse(context: Any, reason: str) -> None:
    """End the stream as a service does."""
    text, trailing = ERRORS.trailing(DomainError(reason), "", "numbers")
    context.set_trailing_metadata(trailing)
    await context.abort(ERRORS.code(reason), text)


async def read(subscribe: Callable[[int], Any], until: int, silence_seconds: float) -> list[int]:
    """Follow from the number reached each time, up to one."""
    got: list[int] = []
    following_it = following(lambda: subscribe(got[-1] if got else 0), silence_seconds)
    async for message in following_it:
        got.append(int(message))
        if got[-1] >= until:
            break
    return got


async def test_it_goes_on_over_streams_that_end_and_fail() -> None:
    """A stream that ends, and one that is refused for now, are opened again from the cursor."""
    refusals = iter([OVERLOADED])

    async def play(cursor: int, context: Any) -> AsyncIterator[bytes]:
        yield str(cursor + 1).encode()
        for reason in refusals:
            await refuse(context, reason)

    async with numbers(play) as subscribe:
        assert await asyncio.wait_for(read(subscribe, 4, 5.0), 10) == [1, 2, 3, 4]


async def test_a_silent_stream_is_opened_again() -> None:
    """Of a server that says nothing any more nobody waits for ever."""
    silent = iter([True])

    async def play(cursor: int, context: Any) -> AsyncIterator[bytes]:
        yield str(cursor + 1).encode()
        for _ in silent:
            await asyncio.sleep(3600)

    async with numbers(play) as subscribe:
        assert await asyncio.wait_for(read(subscribe, 3, 0.2), 10) == [1, 2, 3]


async def test_a_refusal_that_stays_is_told() -> None:
    """Who may not subscribe hears of it, once."""

    async def play(cursor: int, context: Any) -> AsyncIterator[bytes]:
        await refuse(context, PERMISSION_DENIED)
        yield b""

    async with numbers(play) as subscribe:
        with pytest.raises(CallFailed, match=PERMISSION_DENIED):
            await asyncio.wait_for(read(subscribe, 1, 5.0), 10)


def test_a_pass_is_shown_beside_the_token() -> None:
    """Only who has a pass shows one."""
    token = ("authorization", "Bearer abc")
    assert bearer("abc") == (token,)
    assert bearer("abc", "pass") == (token, (ADMISSION_PASS_KEY, "pass"))
