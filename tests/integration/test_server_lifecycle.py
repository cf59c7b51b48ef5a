"""A real server from start to stop, and when more comes than it can serve."""

import asyncio
import json
import resource
import signal
import sys
from collections import Counter as Tally
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from support.certificates import channel_credentials
from support.exposition import scraped_text
from support.probe import (
    SERVICE,
    Probe,
    ProbeRpc,
    health_of,
    make_probe,
    probe_definition,
    refusal,
    running_probe,
    stream_refusal,
)
from support.service import free_port, until
from zikao.test.v1 import probe_pb2, probe_pb2_grpc
from zikao_kit.channel import ServiceConfig, open_channel
from zikao_kit.config import MAX_CONNECTIONS, CertFiles
from zikao_kit.error_table import problem_of, reason_of, status_of
from zikao_kit.server import definition
from zikao_kit.tls import DevelopmentCa

Code = grpc.StatusCode
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
FEW_FILES = 256
# Fewer than wait for each other.
CALLING = 16
OPEN, WAIT = probe_pb2.OpenRequest(), probe_pb2.OpenRequest(deed="wait", seconds=0.3)


async def drained(stream: Any) -> None:
    """Read a stream to its end."""
    while await stream.read() is not grpc.aio.EOF:  # type: ignore[attr-defined]
        pass


async def test_server_answers_when_its_services_are_there(tmp_path: Path) -> None:
    """NOT_SERVING and UNAVAILABLE until the services are published, SERVING only when told."""
    probe = make_probe(tmp_path)
    await probe.server.start()
    try:
        assert await health_of(probe) == NOT_SERVING
        async with probe.stub() as stub:
            assert (await refusal(stub.Open(OPEN, timeout=5))).code() == Code.UNAVAILABLE
            probe.server.publish([probe_definition(probe.servicer)])
            assert (await stub.Open(OPEN, timeout=5)).role == "anonymous"
        assert await health_of(probe) == NOT_SERVING
        await probe.server.set_serving(True)
        assert await health_of(probe) == SERVING
        async with probe.channel() as channel:
            health = health_pb2_grpc.HealthStub(channel)
            listed = await health.List(health_pb2.HealthListRequest(), timeout=5)
            assert {name: each.status for name, each in listed.statuses.items()} == {"": SERVING}
            by_name = health_pb2.HealthCheckRequest(service="no.such.Service")
            error = await refusal(health.Check(by_name, timeout=5))
            assert error.code() == Code.NOT_FOUND
    finally:
        await probe.server.stop()


async def test_stop_lets_calls_in_progress_end(tmp_path: Path) -> None:
    """A call that has begun is answered; a subscription is sent elsewhere at once."""
    async with running_probe(tmp_path, drain_grace_seconds=5.0) as probe, probe.stub() as stub:
        subscription = stub.Subscribe(probe_pb2.SubscribeRequest())
        assert (await subscription.read()).number == 0
        call = asyncio.ensure_future(stub.Open(WAIT, timeout=5))
        await until(lambda: "Open" in probe.servicer.entered)
        async with asyncio.timeout(2):
            await probe.server.stop()
        assert (await call).role == "anonymous"
        error = await refusal(drained(subscription))
    assert (error.code(), reason_of(error)) == (Code.UNAVAILABLE, "UNAVAILABLE")
    assert "Subscribe ended" in probe.servicer.entered


async def test_watchers_see_the_stop_and_do_not_delay_it(tmp_path: Path) -> None:
    """A health watcher is told NOT_SERVING and then let go, long before the grace ends."""
    async with (
        running_probe(tmp_path, drain_grace_seconds=30.0) as probe,
        probe.channel() as channel,
    ):
        watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
        assert (await watch.read()).status == SERVING
        async with asyncio.timeout(10):
            await probe.server.stop()
        assert (await watch.read()).status == NOT_SERVING
        assert (await refusal(drained(watch))).code() == Code.UNAVAILABLE


async def test_subscriptions_are_bounded_apart(tmp_path: Path) -> None:
    """Subscriptions hold no slot of the others, and are not without number either."""
    async with (
        running_probe(tmp_path, max_public_subscriptions=1, max_concurrent_calls=1) as probe,
        probe.stub() as stub,
    ):
        first = stub.Subscribe(probe_pb2.SubscribeRequest())
        await first.read()
        await stub.Open(OPEN, timeout=5)
        second = stub.Subscribe(probe_pb2.SubscribeRequest())
        assert reason_of(await refusal(drained(second))) == "OVERLOADED"
        first.cancel()
        await until(lambda: "Subscribe ended" in probe.servicer.entered)
        assert (await stub.Subscribe(probe_pb2.SubscribeRequest()).read()).number == 0


async def test_a_crowd_is_answered_and_not_cancelled(tmp_path: Path) -> None:
    """However many come at once, who is too many is told so, or that it may come again."""
    async with running_probe(tmp_path, max_queue_depth=10) as probe, AsyncExitStack() as stack:
        stubs = [await stack.enter_async_context(probe.stub()) for _ in range(4)]
        calls = [stub.Open(OPEN, timeout=30) for stub in stubs for _ in range(500)]
        answers = await asyncio.gather(*calls, return_exceptions=True)
    errors = [each for each in answers if isinstance(each, grpc.aio.AioRpcError)]
    # What is too much for a connection is refused before it is seen, and tried again by gRPC.
    kinds = {(error.code(), reason_of(error)) for error in errors}
    assert kinds <= {(Code.RESOURCE_EXHAUSTED, "OVERLOADED"), (Code.UNAVAILABLE, None)}
    assert len(errors) < len(answers)


async def test_too_many_calls_are_told_when_to_come_again(tmp_path: Path) -> None:
    """A full queue answers RESOURCE_EXHAUSTED with RetryInfo and the same pushback for gRPC."""
    async with (
        running_probe(tmp_path, max_concurrent_calls=1, max_queue_depth=0) as probe,
        probe.stub() as stub,
    ):
        running = asyncio.ensure_future(stub.Open(WAIT, timeout=5))
        await until(lambda: probe.servicer.entered)
        error = await refusal(stub.Open(OPEN, timeout=5))
        await running
    assert (error.code(), reason_of(error)) == (Code.RESOURCE_EXHAUSTED, "OVERLOADED")
    retry = error_details_pb2.RetryInfo()
    assert any(detail.Unpack(retry) for detail in status_of(error).details)
    trailing: Any = error.trailing_metadata()
    pushback_ms = int(dict(trailing)["grpc-retry-pushback-ms"])
    assert pushback_ms == round(retry.retry_delay.ToTimedelta().total_seconds() * 1000)
    assert 250 <= pushback_ms <= 750
    assert problem_of(error).retry_after == retry.retry_delay.ToTimedelta()


@asynccontextmanager
async def many_calling(
    target: str, files: CertFiles, config: ServiceConfig
) -> AsyncIterator[Tally[Code]]:
    """Some who call without a pause; how their calls ended."""
    codes, ending = Tally[Code](), asyncio.Event()
    async with open_channel(target, files, config, server_name="probe") as channel:
        stub = probe_pb2_grpc.ProbeServiceStub(channel)

        async def call() -> None:
            while not ending.is_set():
                codes[await stub.Open(OPEN, timeout=10).code()] += 1

        calling = [asyncio.create_task(call()) for _ in range(CALLING)]
        try:
            await until(lambda: codes[Code.OK] > len(calling))
            yield codes
        finally:
            ending.set()
            await asyncio.gather(*calling)


async def reached(probe: Probe) -> None:
    """Wait until calls come to a server."""
    await until(lambda: probe.servicer.entered)


async def more_answered(codes: Tally[Code]) -> None:
    """Wait until everybody has been answered some times more."""
    wanted = codes[Code.OK] + 5 * CALLING
    await until(lambda: codes[Code.OK] > wanted)


@pytest.mark.parametrize("is_repeated", [True, False])
async def test_a_server_that_ends_costs_no_call(tmp_path: Path, *, is_repeated: bool) -> None:
    """Who has not heard yet that it ends calls another one; without retries calls are lost."""
    config = ServiceConfig(frozenset({f"{SERVICE}Open"}) if is_repeated else frozenset())
    async with running_probe(tmp_path) as staying:
        codes = Tally[Code]()
        for _ in range(5):
            async with running_probe(tmp_path) as leaving:
                ports = (leaving.server.port, staying.server.port)
                target = "ipv4:" + ",".join(f"127.0.0.1:{port}" for port in ports)
                async with many_calling(target, leaving.ca.issue("portal"), config) as ended:
                    await reached(leaving)
                    await leaving.server.stop()
                    await more_answered(ended)
            codes += ended
    if is_repeated:
        assert codes.keys() == {Code.OK}
    else:
        assert codes[Code.CANCELLED] > 0


async def test_payment_displaces_a_waiting_read(tmp_path: Path) -> None:
    """With a full queue the less important call is sent away, not the payment."""
    async with (
        running_probe(
            tmp_path, max_concurrent_calls=1, max_queue_depth=1, payment_slots=0
        ) as probe,
        probe.stub("enrollment") as stub,
    ):
        running = asyncio.ensure_future(stub.Open(WAIT, timeout=5))
        await until(lambda: probe.servicer.entered)
        reading = asyncio.ensure_future(stub.Open(OPEN, timeout=5))
        await until(lambda: probe.server.admission.queue_depth)
        paying = asyncio.ensure_future(stub.Service(probe_pb2.ServiceRequest(), timeout=5))
        assert reason_of(await refusal(reading)) == "OVERLOADED"
        assert (await paying).subject == "enrollment"
        await running


async def test_slots_come_back_however_calls_end(tmp_path: Path) -> None:
    """Refused, crashed, timed out and abandoned calls all give their slot back."""
    async with running_probe(tmp_path, max_concurrent_calls=2) as probe, probe.stub() as stub:
        await refusal(stub.Candidate(probe_pb2.CandidateRequest(), timeout=5))
        await refusal(stub.Open(probe_pb2.OpenRequest(deed="crash"), timeout=5))
        assert (await refusal(stub.Open(WAIT, timeout=0.1))).code() == Code.DEADLINE_EXCEEDED
        abandoned = stub.Exchange(timeout=5)
        await abandoned.write(probe_pb2.ExchangeRequest(text="a"))
        await abandoned.read()
        waiting = asyncio.ensure_future(stub.Open(WAIT, timeout=5))
        await until(lambda: probe.server.admission.free_slots < 2)
        waiting.cancel()
        abandoned.cancel()
        await until(lambda: probe.server.admission.free_slots == 2)


async def test_metrics_are_served(tmp_path: Path) -> None:
    """Calls are counted under the names that gRPC dashboards expect."""
    port = free_port()
    async with running_probe(tmp_path, metrics_port=port) as probe, probe.stub() as stub:
        await stub.Officer(
            probe_pb2.OfficerRequest(county_code="510104"),
            timeout=5,
            metadata=probe.bearer("county_officer", "510104"),
        )
        body = await asyncio.to_thread(scraped_text, port)
    labels = 'grpc_method="Officer",grpc_service="zikao.test.v1.ProbeService",grpc_type="unary"'
    assert f"grpc_server_started_total{{{labels}}}" in body
    assert f'grpc_code="OK",{labels}' in body
    assert f'grpc_server_handling_seconds_bucket{{{labels},le="0.001"}}' in body
    assert f"grpc_server_msg_received_total{{{labels}}}" in body
    assert f"grpc_server_msg_sent_total{{{labels}}}" in body
    assert "_created" not in body


async def test_reflection_only_when_configured(tmp_path: Path) -> None:
    """Tools may list the contracts where the operator allows it."""
    path = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
    for allowed in (True, False):
        async with running_probe(tmp_path, reflection=allowed) as probe, probe.channel() as channel:
            info = partial(channel.stream_stream(path), iter([b"\x3a\x00"]), timeout=5)
            if allowed:
                assert b"zikao.test.v1.ProbeService" in await info().read()
            else:
                assert (await stream_refusal(info)).code() == Code.UNIMPLEMENTED


class HalfARpc(probe_pb2_grpc.ProbeServiceServicer):
    """Implements one method of its contract."""

    Open = ProbeRpc.Open


async def test_contract_is_implemented_in_whole(tmp_path: Path) -> None:
    """A method without an implementation stops the start, not the first caller."""
    probe = make_probe(tmp_path)
    half = definition(
        probe_pb2_grpc,
        probe_pb2,
        "ProbeService",
        HalfARpc(),  # type: ignore[abstract]
    )
    with pytest.raises(TypeError, match="Candidate is not implemented as a coroutine"):
        probe.server.publish([half])


@asynccontextmanager
async def probe_process(directory: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run the probe as a process of its own."""
    with_few_files = ("sh", "-c", f'ulimit -Sn {FEW_FILES} && exec "$@"', "sh")
    program = (sys.executable, "-m", "support.probe_main", str(directory))
    process = await asyncio.create_subprocess_exec(*with_few_files, *program, stdout=-1, stderr=-2)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_process_waits_serves_and_stops_on_sigterm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NOT_SERVING while the database is away; SIGTERM closes in order; the process ends with 0.

    Meanwhile it may have as many files open as connections, whatever it was started with.
    """
    monkeypatch.setenv("PYTHONPATH", ":".join(sys.path))
    port = free_port()
    (tmp_path / "port").write_text(str(port))
    credentials = channel_credentials(DevelopmentCa(tmp_path).issue("portal"))
    async with (
        probe_process(tmp_path) as process,
        grpc.aio.secure_channel(f"127.0.0.1:{port}", credentials) as channel,
    ):
        watch = health_pb2_grpc.HealthStub(channel).Watch(
            health_pb2.HealthCheckRequest(), wait_for_ready=True, timeout=20
        )
        assert (await watch.read()).status == NOT_SERVING
        (tmp_path / "database").touch()
        assert (await watch.read()).status == SERVING
        assert resource.prlimit(process.pid, resource.RLIMIT_NOFILE)[0] > MAX_CONNECTIONS
        process.send_signal(signal.SIGTERM)
        output, _ = await process.communicate()
    assert process.returncode == 0
    assert (tmp_path / "closed").exists()
    events = [json.loads(line)["event"] for line in output.decode().splitlines()]
    assert events[-2:] == ["draining", "stopped"]
