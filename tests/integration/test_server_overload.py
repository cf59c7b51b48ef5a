"""More than a server can take: who is sent away, what they are told, and what callers keep back."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import grpc
import pytest
from support.probe import Probe, refusal, running_probe
from support.service import until
from zikao.test.v1 import probe_pb2, probe_pb2_grpc
from zikao_client import CallFailed, patiently
from zikao_client.throttle import Throttle
from zikao_client.throttling import Throttling
from zikao_kit.channel import ServiceConfig, open_channel
from zikao_kit.context import PRIORITY_KEY, REQUEST_ID_KEY, TIMEOUT_KEY, Call
from zikao_kit.error_table import ErrorTable, problem_of, reason_of
from zikao_kit.errors import DomainError
from zikao_kit.interceptors.guard import read_metadata
from zikao_kit.policy import Priority
from zikao_kit.queueing import FEWEST_TOLD

CONTRACT = probe_pb2.DESCRIPTOR.services_by_name["ProbeService"]
CANDIDATE = probe_pb2.CandidateRequest()
OPEN, SERVICE = probe_pb2.OpenRequest(), probe_pb2.ServiceRequest()
WAIT = probe_pb2.OpenRequest(deed="wait", seconds=30)
# As if the caller had waited for a second, in its own channel and in front of the server.
LATE = ((TIMEOUT_KEY, "6000"),)
ID, AGAIN = (REQUEST_ID_KEY, "overload"), ("grpc-previous-rpc-attempts", "2")
TIMEOUT_SECONDS = 5.0
AT_ONCE = FEWEST_TOLD + 8
PAUSE_SECONDS = 0.06


async def first_refusal(call: Any, request: Any, metadata: Any, calls: int) -> str | None:
    """The reason of the first refusal of so many calls, None when there was none.

    They come as many at once as make a line, however slow the machine is.
    """
    for _ in range(0, calls, AT_ONCE):
        answers = (_reason(call, request, metadata) for _ in range(AT_ONCE))
        for reason in await asyncio.gather(*answers):
            if reason is not None:
                return reason
        await asyncio.sleep(PAUSE_SECONDS)
    return None


async def _reason(call: Any, request: Any, metadata: Any) -> str | None:
    try:
        await call(request, timeout=TIMEOUT_SECONDS, metadata=metadata)
    except grpc.aio.AioRpcError as error:
        problem = problem_of(error)
        assert problem.retry_after is not None
        assert 0.25 <= problem.retry_after.total_seconds() <= 15
        return problem.reason
    return None


async def test_callers_are_told_when_most_calls_were_late_before_they_came(tmp_path: Path) -> None:
    """What nobody here could see counts; not for callers that do not say it, nor for payments."""
    async with running_probe(tmp_path) as probe, probe.stub("enrollment") as stub:
        assert await first_refusal(stub.Open, OPEN, (), 120) is None
        assert await first_refusal(stub.Service, SERVICE, LATE, 120) is None
        assert await first_refusal(stub.Open, OPEN, ((TIMEOUT_KEY, "soon"),), 120) is None
        assert await first_refusal(stub.Open, OPEN, LATE, 2000) == "OVERLOADED"


async def test_what_is_refused_for_what_it_is_says_nothing_of_the_load(tmp_path: Path) -> None:
    """A stranger's calls are neither work nor old, however many; none is older than any may be."""
    async with running_probe(tmp_path) as probe, probe.stub("enrollment") as stub:
        strangers = [
            refusal(stub.Candidate(CANDIDATE, timeout=TIMEOUT_SECONDS, metadata=LATE))
            for _ in range(60)
        ]
        reasons = {reason_of(each) for each in await asyncio.gather(*strangers)}
        load = probe.server.admission.snapshot()
        assert reasons == {"TOKEN_INVALID"}
        assert (load.finished, load.shed, load.wait_seconds, load.standing) == (0, 0, 0.0, False)
        days = ((TIMEOUT_KEY, "99999999"),)
        assert await first_refusal(stub.Open, OPEN, days, 200) is None


def test_what_grpc_has_tried_before_does_not_count_as_waiting() -> None:
    """After a restart calls are old, and no queue stands. gRPC says so, and lets nobody else."""

    def timeout_of(*metadata: tuple[str, str]) -> int:
        call = Call("/a/B", "")
        context: Any = SimpleNamespace(invocation_metadata=lambda: (ID, *metadata))
        read_metadata(call, context)
        return call.timeout_ms

    assert timeout_of(*LATE) == 6000
    assert timeout_of(*LATE, AGAIN) == timeout_of(AGAIN, *LATE) == 0


async def test_a_caller_may_put_its_own_call_behind_others(tmp_path: Path) -> None:
    """A job that can wait gives way to a read; nothing can be put in front."""
    async with (
        running_probe(tmp_path, max_concurrent_calls=1, max_queue_depth=1) as probe,
        probe.stub() as stub,
    ):
        running = await _begun(probe, stub)
        lowered = stub.Open(OPEN, timeout=TIMEOUT_SECONDS, metadata=((PRIORITY_KEY, "print"),))
        await until(lambda: probe.server.admission.queue_depth == 1)
        raised = stub.Open(OPEN, timeout=TIMEOUT_SECONDS, metadata=((PRIORITY_KEY, "payment"),))
        assert reason_of(await refusal(lowered)) == "OVERLOADED"
        last = stub.Open(OPEN, timeout=TIMEOUT_SECONDS)
        assert reason_of(await refusal(last)) == "OVERLOADED"
        running.cancel()
        await raised


async def _begun(probe: Probe, stub: Any) -> Any:
    """A call that runs."""
    entered = len(probe.servicer.entered)
    running = asyncio.ensure_future(stub.Open(WAIT, timeout=60))
    await until(lambda: len(probe.servicer.entered) > entered)
    return running


@asynccontextmanager
async def throttled(probe: Probe, throttles: list[Throttle]) -> AsyncIterator[Any]:
    """A stub as the typed client's, with throttles that let one call through."""

    def throttle() -> Throttle:
        throttles.append(Throttle(first_bound=1))
        return throttles[-1]

    async with open_channel(
        f"127.0.0.1:{probe.server.port}",
        probe.ca.issue("enrollment"),
        ServiceConfig.from_contract(CONTRACT),
        interceptors=[Throttling(CONTRACT, throttle=throttle)],
    ) as channel:
        yield probe_pb2_grpc.ProbeServiceStub(channel)


async def test_a_client_keeps_back_what_is_too_much_but_no_payment(tmp_path: Path) -> None:
    """It fails as the server would refuse it, without having been sent; then it goes through."""
    async with running_probe(tmp_path) as probe, throttled(probe, []) as stub:
        running = await _begun(probe, stub)
        with pytest.raises(CallFailed) as caught:
            await patiently(lambda: stub.Open(OPEN, timeout=TIMEOUT_SECONDS), seconds=0)
        failed = caught.value
        assert (failed.reason, failed.local, failed.sentence) == (
            "OVERLOADED",
            True,
            failed.sentence,
        )
        assert failed.sentence.strip()
        assert probe.servicer.entered == ["Open"]
        told = await asyncio.gather(*(stub.Service(SERVICE) for _ in range(3)))
        assert told == [probe_pb2.ServiceResponse(subject="enrollment", role="service")] * 3
        running.cancel()
        await patiently(lambda: stub.Open(OPEN, timeout=TIMEOUT_SECONDS))


async def test_a_client_learns_from_how_calls_end(tmp_path: Path) -> None:
    """Refused ones count as refused, answers of any kind as answered, given up ones as neither."""
    throttles: list[Throttle] = []
    async with (
        running_probe(tmp_path, max_concurrent_calls=1, max_queue_depth=0) as probe,
        throttled(probe, throttles) as stub,
        probe.stub() as other,
    ):
        reads = throttles[list(Priority).index(Priority.READ) - 1]  # payments have none
        with pytest.raises(grpc.aio.AioRpcError):
            await stub.Open(probe_pb2.OpenRequest(deed="refuse"), timeout=TIMEOUT_SECONDS)
        running = await _begun(probe, stub)
        assert reads.under_way == 1
        running.cancel()
        await until(lambda: reads.under_way == 0)
        await until(lambda: probe.server.admission.free_slots == 1)
        in_the_way = await _begun(probe, other)
        with pytest.raises(CallFailed) as caught:
            await patiently(lambda: stub.Open(OPEN, timeout=TIMEOUT_SECONDS), seconds=0)
        assert (caught.value.reason, caught.value.local) == ("OVERLOADED", False)
        # It was told so, and probes now and then only.
        with pytest.raises(CallFailed) as caught:
            await patiently(lambda: stub.Open(OPEN, timeout=TIMEOUT_SECONDS), seconds=0)
        assert caught.value.local
        in_the_way.cancel()


async def test_a_connection_full_of_subscriptions_stands_in_no_call_s_way(tmp_path: Path) -> None:
    """The typed client's calls have a connection of their own: none waits for a stream to end."""
    async with (
        running_probe(tmp_path, max_calls_per_connection=2) as probe,
        open_channel(
            f"127.0.0.1:{probe.server.port}",
            probe.ca.issue("enrollment"),
            ServiceConfig.from_contract(CONTRACT),
            subscriptions_apart=True,
        ) as channel,
    ):
        stub = probe_pb2_grpc.ProbeServiceStub(channel)
        streams = [stub.Subscribe(probe_pb2.SubscribeRequest()) for _ in range(3)]
        await until(lambda: probe.servicer.entered.count("Subscribe") == 2)
        await stub.Open(OPEN, timeout=TIMEOUT_SECONDS)
        for stream in streams:
            stream.cancel()


async def test_a_client_does_not_wait_longer_than_it_was_told_to() -> None:
    """Where the service names a later time the refusal is the answer, at once."""

    async def refused() -> None:
        table = ErrorTable.from_enums()
        error = DomainError("OVERLOADED", retry_after=timedelta(seconds=120))
        text, trailing = table.trailing(error, "overload", "probe")
        raise grpc.aio.AioRpcError(
            table.code(error.reason), grpc.aio.Metadata(), grpc.aio.Metadata(*trailing), text, None
        )

    async with asyncio.timeout(TIMEOUT_SECONDS):
        with pytest.raises(CallFailed, match="OVERLOADED"):
            await patiently(refused, seconds=60)
