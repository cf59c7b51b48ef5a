"""Calls over HTTP/2 as the load generator makes them, against gRPC's own server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest_asyncio
from hpack import Encoder
from support.secure_server import SecureServer
from zikao_ctl.rush.connections import Connections
from zikao_ctl.rush.http2 import (
    DEADLINE_EXCEEDED,
    UNAVAILABLE,
    Address,
    connect,
    headers,
    status_of,
)

METHOD = "/test.Echo/Say"
TIMEOUT_SECONDS = 1.0
Said = tuple[int, bytes, float]


class Echo(grpc.GenericRpcHandler):  # type: ignore[type-arg]
    """Says what it was told, or what was asked for by name."""

    def __init__(self) -> None:
        self.let_go = asyncio.Event()
        self.at_once = self.most_at_once = 0

    def service(self, _: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[Any, Any]:
        """The same for every method."""
        return grpc.unary_unary_rpc_method_handler(self._answer)

    async def _answer(self, request: bytes, context: Any) -> bytes:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            if request == b"later":
                await self.let_go.wait()
            if request == b"refuse":
                pause = (("grpc-retry-pushback-ms", "300"),)
                await context.abort(
                    grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED: 请稍后再来", pause
                )
            return request * (10_000 if request == b"large" else 1)
        finally:
            self.at_once -= 1


class Caller:
    """Calls, and what became of them."""

    def __init__(self, address: Address, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self.connections = Connections(address, timeout_seconds)
        self._head = headers(
            METHOD, address.server_name, [("authorization", "Bearer " + 200 * "x")]
        )

    def begin(self, request: bytes) -> asyncio.Future[Said]:
        """Call; the future has what was said."""
        told: asyncio.Future[Said] = asyncio.get_running_loop().create_future()
        self.connections.send(
            self._head, request, lambda code, said, asked: told.set_result((code, said, asked))
        )
        self.connections.flush()
        return told

    async def say(self, request: bytes) -> Said:
        """Call and wait."""
        async with asyncio.timeout(10):
            return await self.begin(request)


@pytest_asyncio.fixture
async def echo(tmp_path: Path) -> AsyncIterator[tuple[Echo, SecureServer]]:
    """A server that lets ten calls at once through on a connection."""
    handler = Echo()
    options = [("grpc.max_concurrent_streams", 10)]
    async with SecureServer(tmp_path, handler, options) as server:
        yield handler, server
        handler.let_go.set()


@pytest_asyncio.fixture
async def caller(echo: tuple[Echo, SecureServer]) -> AsyncIterator[Caller]:
    """Two connections to it."""
    made = Caller(echo[1].address)
    await made.connections.open(2)
    yield made
    await made.connections.close()


async def test_a_call_brings_back_the_answer_or_the_status(caller: Caller) -> None:
    """The message of OK, also of several frames; else code, text in any script, and pause."""
    assert await caller.say(b"hello") == (0, b"hello", 0.0)
    assert await caller.say(b"large") == (0, b"large" * 10_000, 0.0)
    assert await caller.say(b"") == (0, b"", 0.0)
    refused = (grpc.StatusCode.RESOURCE_EXHAUSTED.value[0], "OVERLOADED: 请稍后再来".encode(), 0.3)
    assert await caller.say(b"refuse") == refused


async def test_what_is_too_much_for_a_connection_waits(
    caller: Caller, echo: tuple[Echo, SecureServer]
) -> None:
    """No more are under way than the server takes, and all are answered in the end."""
    told = [caller.begin(b"later") for _ in range(50)]
    await asyncio.sleep(0.1)
    echo[0].let_go.set()
    async with asyncio.timeout(10):
        assert {code for code, _, _ in await asyncio.gather(*told)} == {0}
    assert echo[0].most_at_once == 20


async def test_who_is_not_answered_is_told_so_in_time(caller: Caller) -> None:
    """Those under way and those that wait, and the connections can be used afterwards."""
    told = [caller.begin(b"later") for _ in range(30)]
    async with asyncio.timeout(10):
        codes = [code for code, _, _ in await asyncio.gather(*told)]
    assert codes == 30 * [DEADLINE_EXCEEDED]
    assert await caller.say(b"again") == (0, b"again", 0.0)


async def test_a_server_that_goes_answers_what_was_begun(tmp_path: Path) -> None:
    """By GOAWAY nothing is lost; and the next server is found without being told."""
    handler = Echo()
    async with SecureServer(tmp_path, handler, ()) as first:
        caller = Caller(first.address, 10.0)
        await caller.connections.open(2)
        told = [caller.begin(b"later") for _ in range(4)]
        assert await caller.say(b"x") == (0, b"x", 0.0)
        going = asyncio.create_task(first.stop(10.0))
        await asyncio.sleep(0.1)
        handler.let_go.set()
        assert [await each for each in told] == 4 * [(0, b"later", 0.0)]
        await going
    assert (await caller.say(b"nobody is there"))[0] == UNAVAILABLE
    async with SecureServer(tmp_path, Echo(), (), port=first.address.port):
        async with asyncio.timeout(10):
            while (await caller.say(b"back"))[0]:
                await asyncio.sleep(0.05)
    await caller.connections.close()


async def test_who_calls_while_a_connection_is_renewed_waits_for_it(tmp_path: Path) -> None:
    """Servers let go of connections from time to time: nobody is to notice."""
    options = [("grpc.max_connection_age_ms", 100), ("grpc.max_connection_age_grace_ms", 5000)]
    async with SecureServer(tmp_path, Echo(), options) as server:
        caller = Caller(server.address)
        await caller.connections.open(1)
        begun = asyncio.get_running_loop().time()
        calls = 0
        while asyncio.get_running_loop().time() < begun + 1.0:
            assert await caller.say(b"x") == (0, b"x", 0.0)
            calls += 1
        assert calls > 50
        await caller.connections.close()


async def test_a_connection_that_is_closed_asks_for_no_other(tmp_path: Path) -> None:
    """Whoever lets go of one, or gives up waiting for it, does not want it back."""
    left: list[object] = []
    async with SecureServer(tmp_path, Echo()) as server:
        connection = await connect(server.address, left.append)
        connection.close()
        await asyncio.sleep(0.1)
    assert connection.is_lost
    assert left == []


async def test_a_server_that_dies_leaves_nobody_waiting(
    caller: Caller, echo: tuple[Echo, SecureServer]
) -> None:
    """Calls under way end as UNAVAILABLE at once."""
    told = [caller.begin(b"later") for _ in range(4)]
    await caller.say(b"x")
    await echo[1].stop(None)
    async with asyncio.timeout(10):
        assert {code for code, _, _ in await asyncio.gather(*told)} <= {UNAVAILABLE, 1}


def test_headers_of_proxies_are_read_too() -> None:
    """Static names and Huffman codes are for servers to choose."""
    encoder = Encoder()
    encoder.header_table_size = 0
    coded = encoder.encode(
        [(":status", "200"), ("grpc-status", "8"), ("grpc-message", "%E6%BB%A1")], huffman=True
    )
    assert status_of(coded) == (8, "满".encode(), 0.0)


def test_what_proxies_answer_themselves_is_told_apart() -> None:
    """Without a status of gRPC that of HTTP counts: whoever is away may come back."""
    encoder = Encoder()
    encoder.header_table_size = 0
    away = encoder.encode([(":status", "503"), ("content-type", "text/html")])
    refused = encoder.encode([(":status", "403")])
    assert status_of(away) == (UNAVAILABLE, b"HTTP status 503", 0.0)
    assert status_of(refused)[0] == grpc.StatusCode.PERMISSION_DENIED.value[0]


async def test_a_server_that_hangs_up_at_once_is_tried_at_a_pace(tmp_path: Path) -> None:
    """As proxies do whose service is away: one attempt after the other, and not twice as many."""
    met = 0

    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal met
        met += 1
        writer.close()

    async with SecureServer(tmp_path, Echo(), ()) as first:
        caller = Caller(first.address)
        await caller.connections.open(2)
    port = first.address.port
    async with await asyncio.start_server(hang_up, "127.0.0.1", port):
        await asyncio.sleep(1.0)
    await caller.connections.close()
    assert 2 <= met <= 2 * 5
