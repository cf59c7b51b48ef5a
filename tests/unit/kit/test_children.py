"""Processes that are started beside gRPC."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import grpc
import uvloop

CHILDREN = 150
PAUSE_SECONDS = 0.001


async def echo(request: bytes, _: Any) -> bytes:
    """Say the same."""
    return request


async def endings() -> Counter[int]:
    """With what children end while the process serves and calls itself."""
    server = grpc.aio.server()
    methods = {"Echo": grpc.unary_unary_rpc_method_handler(echo)}
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("test", methods)])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        calling = [asyncio.create_task(call_on(channel)) for _ in range(4)]
        found = Counter([await ending() for _ in range(CHILDREN)])
        for each in calling:
            each.cancel()
        await asyncio.gather(*calling, return_exceptions=True)
    await server.stop(0)
    return found


async def call_on(channel: grpc.aio.Channel) -> None:
    """Call without end."""
    method = channel.unary_unary("/test/Echo", bytes, bytes)
    while True:
        await method(b"")
        await asyncio.sleep(PAUSE_SECONDS)


async def ending() -> int:
    """With what a child has ended."""
    child = await asyncio.create_subprocess_exec("true")
    return await child.wait()


def test_children_do_not_crash_for_grpcs_threads() -> None:
    """Uvloop forks, and nothing of gRPC may run in the child before it is another program."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(endings()) == {0: CHILDREN}
