"""A server that listens several times on one port: what is bounded, and who else may have it."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2
from support.certificates import channel_credentials
from support.probe import (
    Probe,
    health_of,
    make_probe,
    probe_config,
    probe_definition,
    refusal,
    running_probe,
)
from support.service import free_port, until
from zikao.test.v1 import probe_pb2, probe_pb2_grpc
from zikao_kit import server as kit_server
from zikao_kit import transport_limits
from zikao_kit.error_table import reason_of
from zikao_kit.listeners import ListenError
from zikao_kit.server import serve
from zikao_kit.tokens import TokenVerifier, TrustedKeys

Code = grpc.StatusCode
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
OPEN, WAIT = probe_pb2.OpenRequest(), probe_pb2.OpenRequest(deed="wait", seconds=0.3)


async def apart(probe: Probe, stack: AsyncExitStack, count: int) -> list[Any]:
    """Stubs of as many channels that share no connection: the kernel spreads them."""
    credentials = channel_credentials(probe.ca.issue("portal"))
    options = [("grpc.use_local_subchannel_pool", 1)]
    target = f"127.0.0.1:{probe.server.port}"
    channels = [grpc.aio.secure_channel(target, credentials, options) for _ in range(count)]
    return [
        probe_pb2_grpc.ProbeServiceStub(await stack.enter_async_context(channel))
        for channel in channels
    ]


async def test_stop_lets_calls_of_every_connection_end(tmp_path: Path) -> None:
    """Connections are spread over listeners: each of these answers, and each waits at a stop."""
    async with (
        running_probe(tmp_path, drain_grace_seconds=5.0, listeners=4) as probe,
        AsyncExitStack() as stack,
    ):
        # Each of the four has some but for four runs in a thousand.
        stubs = await apart(probe, stack, 24)
        calls = [asyncio.ensure_future(stub.Open(WAIT, timeout=5)) for stub in stubs]
        await until(lambda: probe.servicer.entered.count("Open") == len(calls))
        await probe.server.stop()
        assert {answer.role for answer in await asyncio.gather(*calls)} == {"anonymous"}


async def test_a_callers_subscriptions_are_bounded_over_all_listeners(tmp_path: Path) -> None:
    """More connections are no way to more subscriptions."""
    async with (
        running_probe(tmp_path, max_public_subscriptions_per_caller=2, listeners=4) as probe,
        AsyncExitStack() as stack,
    ):
        stubs = await apart(probe, stack, 8)
        streams = [stub.Subscribe(probe_pb2.SubscribeRequest()) for stub in stubs]
        firsts = await asyncio.gather(*(each.read() for each in streams), return_exceptions=True)
    refused = [each for each in firsts if isinstance(each, grpc.aio.AioRpcError)]
    assert [reason_of(each) for each in refused] == ["OVERLOADED"] * 6


async def test_connections_are_bounded(tmp_path: Path) -> None:
    """One too many is turned away, and let in when another has gone."""
    async with (
        running_probe(tmp_path, max_connections=2, listeners=1) as probe,
        AsyncExitStack() as stack,
        AsyncExitStack() as first_stack,
    ):
        (first,) = await apart(probe, first_stack, 1)
        second, third = await apart(probe, stack, 2)
        for stub in (first, second):
            await stub.Open(OPEN, timeout=5)
        assert (await refusal(third.Open(OPEN, timeout=5))).code() == Code.UNAVAILABLE
        await first_stack.aclose()
        await third.Open(OPEN, timeout=5, wait_for_ready=True)


async def test_who_connects_and_says_nothing_is_let_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Strangers hold no connection beyond the time of a handshake."""
    monkeypatch.setattr(transport_limits, "HANDSHAKE_MS", 200)
    async with running_probe(tmp_path) as probe:
        reader, writer = await asyncio.open_connection("127.0.0.1", probe.server.port)
        async with asyncio.timeout(5):
            assert await reader.read() == b""
        writer.close()


async def test_what_grpc_bounds_of_a_listener_is_bounded_of_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Calls and connections that gRPC keeps in memory are no more with more listeners."""
    real, options = grpc.aio.server, []

    def noting(**arguments: Any) -> Any:
        options.append(dict(arguments["options"]))
        return real(**arguments)

    monkeypatch.setattr(grpc.aio, "server", noting)
    async with running_probe(tmp_path, listeners=8, max_connections=800):
        pass
    assert sum(each["grpc.server.max_pending_requests_hard_limit"] for each in options) == 20_000
    assert sum(each["grpc.max_allowed_incoming_connections"] for each in options) == 800


async def test_two_that_start_at_once_do_not_share_a_port(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second one that starts between the first one's look at the port and its listening fails."""
    listen = f"127.0.0.1:{free_port()}"
    first = make_probe(tmp_path, listen=listen)
    second = make_probe(tmp_path, listen=listen)
    real = grpc.aio.server

    def meanwhile(**arguments: Any) -> Any:
        monkeypatch.setattr(grpc.aio, "server", real)
        with pytest.raises(ListenError):
            second.server.start().send(None)  # as far as it goes without waiting
        return real(**arguments)

    monkeypatch.setattr(grpc.aio, "server", meanwhile)
    await first.server.start()
    assert await health_of(first) == NOT_SERVING
    await first.server.stop()


async def test_taken_port_stops_the_start(tmp_path: Path) -> None:
    """Two servers never share a port by accident."""
    async with running_probe(tmp_path) as probe:
        other = make_probe(tmp_path, listen=f"127.0.0.1:{probe.server.port}")
        with pytest.raises(OSError, match="cannot listen"):
            await other.server.start()


async def test_addresses_that_this_machine_has_not_are_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of those of a name: one of another machine, and one of a family that the kernel has not."""
    real = socket.getaddrinfo
    elsewhere = (socket.AF_INET, socket.SOCK_STREAM, 0, "", ("192.0.2.1", 1))
    strange = (socket.AF_APPLETALK, socket.SOCK_STREAM, 0, "", ("::1", 1))
    monkeypatch.setattr(
        "socket.getaddrinfo", lambda *name, **how: [strange, elsewhere, *real(*name, **how)]
    )
    async with running_probe(tmp_path, listen=f"127.0.0.1:{free_port()}") as probe:
        assert await health_of(probe) == SERVING
        other = make_probe(tmp_path, listen=f"127.0.0.1:{probe.server.port}")
        with pytest.raises(ListenError, match="cannot listen"):
            await other.server.start()


async def test_taken_port_of_metrics_is_named(tmp_path: Path) -> None:
    """Who reads that an address is in use reads which, and the service's own port is free again."""
    listen = f"127.0.0.1:{free_port()}"
    async with running_probe(tmp_path, metrics_port=(metrics := free_port())):
        other = make_probe(tmp_path, listen=listen, metrics_port=metrics)
        with pytest.raises(ListenError, match=f"metrics: cannot listen on 127.0.0.1:{metrics}"):
            await other.server.start()
    async with running_probe(tmp_path, listen=listen, metrics_port=metrics):
        pass


async def test_who_shares_a_port_comes_when_it_can_answer(tmp_path: Path) -> None:
    """While one waits for its database, the others get all connections."""
    async with running_probe(tmp_path, reuse_port=True) as probe, AsyncExitStack() as stack:
        opened, ready = asyncio.Event(), asyncio.Event()

        @asynccontextmanager
        async def open_services() -> AsyncIterator[list[kit_server.ServiceDefinition]]:
            opened.set()
            await ready.wait()
            yield [probe_definition(other.servicer)]

        other = make_probe(tmp_path)
        listen = f"127.0.0.1:{probe.server.port}"
        config = probe_config(other.ca, listen=listen, reuse_port=True, batch_scheduling=False)
        errors = probe_pb2.ErrorReason.DESCRIPTOR
        verifier = TokenVerifier(TrustedKeys().get, other.clock)
        serving = asyncio.ensure_future(
            serve(
                open_services,
                config=config,
                domain="p",
                error_enum=errors,
                verifier=verifier,
                contracts=[],
            )
        )
        await opened.wait()
        for stub in await apart(probe, stack, 12):
            await stub.Open(OPEN, timeout=5)
        ready.set()

        async def both_answer() -> bool:
            (stub,) = await apart(probe, stack, 1)
            await stub.Open(OPEN, timeout=5)
            return "Open" in other.servicer.entered

        await until(both_answer)
        serving.cancel()
        await asyncio.wait([serving])


async def test_port_is_shared_when_told(tmp_path: Path) -> None:
    """Processes that are set to share a port do, and the others answer when one has stopped."""
    async with running_probe(tmp_path, reuse_port=True) as probe:
        listen = f"127.0.0.1:{probe.server.port}"
        async with running_probe(tmp_path, listen=listen, reuse_port=True) as other:
            assert other.server.port == probe.server.port
            await probe.server.stop()
            assert await health_of(other) == SERVING
