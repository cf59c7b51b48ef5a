"""The port for probes: plaintext, health alone, and true from the first moment to the last."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from support.probe import Probe, make_probe, probe_config, refusal, running_probe
from support.service import free_port, until
from zikao.test.v1 import probe_pb2, probe_pb2_grpc
from zikao_kit import admin_health, probe_door
from zikao_kit.admin_health import LIVENESS
from zikao_kit.config import MAX_METADATA_BYTES
from zikao_kit.listeners import ListenError
from zikao_kit.server import ServiceDefinition, serve
from zikao_kit.tokens import TokenVerifier, TrustedKeys

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
ANY_PORT = "127.0.0.1:0"


@asynccontextmanager
async def plain(port: int) -> AsyncIterator[Any]:
    """Connect as a probe does."""
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield channel


async def status(port: int, service: str = "") -> int:
    """What a probe hears on a connection of its own."""
    async with plain(port) as channel:
        request = health_pb2.HealthCheckRequest(service=service)
        answer = await health_pb2_grpc.HealthStub(channel).Check(request, timeout=5)
    return int(answer.status)


async def both(port: int) -> tuple[int, int]:
    """Readiness and liveness."""
    return await status(port), await status(port, LIVENESS)


async def test_liveness_is_not_readiness(tmp_path: Path) -> None:
    """Whoever waits for a database or drains is alive and not ready; who has stopped is gone.

    While it waits, nobody can send a call that would be lost.
    """
    opened, ready, wait_seconds = asyncio.Event(), asyncio.Event(), 30.0
    probe, port, serving_port = make_probe(tmp_path), free_port(), free_port()
    config = probe_config(
        probe.ca,
        listen=f"127.0.0.1:{serving_port}",
        admin_listen=f"127.0.0.1:{port}",
        drain_wait_seconds=wait_seconds,
        batch_scheduling=False,
    )

    @asynccontextmanager
    async def open_services() -> AsyncIterator[list[ServiceDefinition]]:
        opened.set()
        await ready.wait()
        yield []

    serving = asyncio.create_task(
        serve(
            open_services,
            config=config,
            domain="probe",
            error_enum=probe_pb2.ErrorReason.DESCRIPTOR,
            verifier=TokenVerifier(TrustedKeys().get, probe.clock),
            contracts=[],
        )
    )
    await opened.wait()
    assert await both(port) == (NOT_SERVING, SERVING)
    with pytest.raises(OSError, match="Connect call failed"):
        await asyncio.open_connection("127.0.0.1", serving_port)
    ready.set()

    async def is_ready() -> bool:
        return await both(port) == (SERVING, SERVING)

    await until(is_ready)
    serving.cancel()

    async def is_draining() -> bool:
        return await both(port) == (NOT_SERVING, SERVING)

    await until(is_draining)
    serving.cancel()  # as by a second signal: nobody waits for the rest
    await asyncio.wait([serving])
    async with plain(port) as channel:
        call = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=5)
        assert (await refusal(call)).code() is grpc.StatusCode.UNAVAILABLE


@pytest.fixture
async def probe(tmp_path: Path) -> AsyncIterator[Probe]:
    """A running server with a port for probes."""
    async with running_probe(tmp_path / "ca", admin_listen=ANY_PORT, reflection=True) as running:
        yield running


async def test_nothing_but_health_is_answered(probe: Probe) -> None:
    """No method of ours, no reflection and no watching without TLS; only the two names."""
    async with plain(probe.server.admin_port) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        listed = await health.List(health_pb2.HealthListRequest(), timeout=5)
        found = {name: each.status for name, each in listed.statuses.items()}
        assert found == {"": SERVING, LIVENESS: SERVING}
        for name in ("zikao.test.v1.ProbeService", "readiness"):
            request = health_pb2.HealthCheckRequest(service=name)
            error = await refusal(health.Check(request, timeout=5))
            assert error.code() is grpc.StatusCode.NOT_FOUND
        open_ = probe_pb2_grpc.ProbeServiceStub(channel).Open(probe_pb2.OpenRequest(), timeout=5)
        reflection = channel.stream_stream(
            "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
        )(iter([b"\x3a\x00"]), timeout=5)
        watch = health.Watch(health_pb2.HealthCheckRequest(), timeout=5)
        for call in (open_, reflection.read(), watch.read()):
            assert (await refusal(call)).code() is grpc.StatusCode.UNIMPLEMENTED
    assert probe.servicer.entered == []


async def test_what_is_large_is_not_read(probe: Probe) -> None:
    """A question has a few bytes: more, or much metadata, ends the call, and the port goes on."""
    port = probe.server.admin_port
    async with plain(port) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        large = health_pb2.HealthCheckRequest(service="x" * admin_health.MAX_MESSAGE_BYTES)
        padding = (("x-padding", "x" * admin_health.MAX_METADATA_BYTES),)
        small = health_pb2.HealthCheckRequest()
        for call in (
            health.Check(large, timeout=5),
            health.Check(small, timeout=5, metadata=padding),
        ):
            assert (await refusal(call)).code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert admin_health.MAX_METADATA_BYTES < MAX_METADATA_BYTES
    assert await both(port) == (SERVING, SERVING)


async def test_who_hangs_is_not_alive(probe: Probe) -> None:
    """While the event loop answers no calls, no probe is answered either."""
    port = probe.server.admin_port
    asked: list[grpc.StatusCode] = []

    def ask() -> None:
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            request = health_pb2.HealthCheckRequest(service=LIVENESS)
            try:
                stub.Check(request, timeout=0.5)
            except grpc.RpcError as error:
                asked.append(error.code())

    asking = asyncio.create_task(asyncio.to_thread(ask))
    await asyncio.sleep(0)
    while not asking.done() and not asked:
        time.sleep(1.0)
        await asyncio.sleep(0)
    await asking
    assert asked == [grpc.StatusCode.DEADLINE_EXCEEDED]
    assert await status(port, LIVENESS) == SERVING


async def test_who_stays_keeps_no_probe_out(probe: Probe) -> None:
    """Connections that ask nothing, of one address or of many, do not keep probes waiting.

    Of an address as many stay as it may have, the newest, and none for longer than its time.
    """
    port = probe.server.admin_port
    idle = [await knock(port, "127.0.0.1") for _ in range(40)]
    idle += [await knock(port, f"127.0.1.{number}") for number in range(1, 41)]
    for _ in range(5):
        assert await both(port) == (SERVING, SERVING)
    gone = [each for each in idle if await is_over(each)]
    assert len(idle) - len(gone) <= probe_door.MAX_CONNECTIONS
    assert idle[-1] not in gone

    async def all_gone() -> bool:
        return all([await is_over(each) for each in idle])

    await until(all_gone)


async def knock(port: int, address: str) -> socket.socket:
    """A connection from an address of this machine, on which nothing is sent."""
    connection = socket.socket()
    connection.bind((address, 0))
    connection.setblocking(False)
    await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", port))
    return connection


async def is_over(connection: socket.socket) -> bool:
    """Whether the other end has closed it."""
    try:
        while connection.recv(100):
            pass
    except BlockingIOError:
        return False
    except ConnectionError:
        pass  # reset: closed, too
    return True


async def test_a_port_that_is_taken_is_said(probe: Probe, tmp_path: Path) -> None:
    """Two processes cannot answer probes at one address."""
    taken = f"127.0.0.1:{probe.server.admin_port}"
    other = make_probe(tmp_path / "other", admin_listen=taken)
    with pytest.raises(ListenError, match=f"admin: cannot listen on {taken}"):
        await other.server.answer_probes()


def test_where_nobody_can_listen_is_refused(tmp_path: Path) -> None:
    """An address without a port is a slip."""
    with pytest.raises(ValueError, match="host:port"):
        make_probe(tmp_path, admin_listen="7180")
