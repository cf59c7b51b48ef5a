"""Spans of calls: whose they go on, what they say, and what a collector that is away costs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import SpanKind, get_tracer
from prometheus_client import REGISTRY
from support.probe import Probe, ProbeRpc, running_probe
from support.service import free_port
from zikao.test.v1 import probe_pb2
from zikao.test.v1.probe_pb2_grpc import ProbeServiceStub
from zikao_kit import tracing
from zikao_kit.channel import ServiceConfig, open_channel
from zikao_kit.config import TracingConfig
from zikao_kit.telemetry import OtelSpans, traced

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
KEPT, LEFT = f"00-{TRACE}-{SPAN}-01", f"00-{TRACE}-{SPAN}-00"
OPEN = "zikao.test.v1.ProbeService/Open"


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    """What becomes of calls while one trace in none is kept, unless its caller keeps it."""
    with kept(0.0) as exporter:
        yield exporter


class _Kept:
    def __init__(self, ratio: float, trusted: Sequence[str]) -> None:
        self._exporter = InMemorySpanExporter()
        provider = TracerProvider(sampler=ALWAYS_ON)  # as services have it
        provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self._spans = OtelSpans(provider.get_tracer("test"), ratio, trusted)

    def __enter__(self) -> InMemorySpanExporter:
        tracing.use(self._spans)
        return self._exporter

    def __exit__(self, *_: object) -> None:
        tracing.use(None)


def kept(ratio: float, trusted: Sequence[str] = ("portal",)) -> _Kept:
    """Trace in this process, and keep what is traced here; `trusted` callers decide themselves."""
    return _Kept(ratio, trusted)


@asynccontextmanager
async def calling(probe: Probe, place: str) -> AsyncIterator[Any]:
    """Call the probe through a channel of ours from a place in a trace."""
    files = probe.ca.issue("portal")
    async with open_channel(f"127.0.0.1:{probe.server.port}", files, ServiceConfig()) as channel:
        method = channel.unary_unary(
            f"/{OPEN}",
            probe_pb2.OpenRequest.SerializeToString,
            probe_pb2.OpenResponse.FromString,
        )

        def call(deed: str = "") -> Any:
            request = probe_pb2.OpenRequest(deed=deed)
            return method(request, timeout=5, metadata=((tracing.TRACEPARENT_KEY, place),))

        yield call


def served(found: Sequence[ReadableSpan]) -> list[ReadableSpan]:
    """The spans of what was answered."""
    return [span for span in found if span.kind is SpanKind.SERVER]


async def test_a_call_goes_on_with_its_callers_trace(
    tmp_path: Path, spans: InMemorySpanExporter
) -> None:
    """The span is a child of the caller's, has the method's full name, and says how it ended."""
    async with running_probe(tmp_path) as probe, calling(probe, KEPT) as call:
        await call()
        for deed in ("refuse", "crash"):
            with pytest.raises(grpc.aio.AioRpcError):
                await call(deed)
    found = served(spans.get_finished_spans())
    assert {span.name for span in found} == {OPEN}
    for span in found:
        assert span.parent is not None
        assert (f"{span.parent.trace_id:032x}", f"{span.parent.span_id:016x}") == (TRACE, SPAN)
    ended = [dict(span.attributes or {}) for span in found]
    assert [each["rpc.grpc.status_code"] for each in ended] == [0, 9, 13]
    assert [each.get("zikao.reason") for each in ended] == [None, "PROBE_REFUSED", "INTERNAL"]
    assert [each.get("error.type") for each in ended] == [None, None, "INTERNAL"]
    assert [span.status.is_ok for span in found] == [True, True, False]
    assert "hunter2" not in "".join(span.to_json() for span in found)


@pytest.mark.parametrize("place", [LEFT, "", "00-zz-01", KEPT.upper(), f"{KEPT}-more"])
async def test_what_nobody_keeps_has_no_span(
    tmp_path: Path, spans: InMemorySpanExporter, place: str
) -> None:
    """Neither a trace that its caller leaves, nor a call without one, nor what is no place."""
    async with running_probe(tmp_path) as probe, calling(probe, place) as call:
        await call()
    assert spans.get_finished_spans() == ()


async def test_what_is_left_here_is_left_downstream(
    tmp_path: Path, spans: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who works for a call that is not kept is told so, and keeps nothing of it either."""
    told: list[str] = []

    async def remember(rpc: ProbeRpc, *_: object) -> probe_pb2.OpenResponse:
        told.append(tracing.current_traceparent())
        return probe_pb2.OpenResponse()

    monkeypatch.setattr(ProbeRpc, "Open", remember)
    async with running_probe(tmp_path) as probe:
        for place in ("", LEFT):
            async with calling(probe, place) as call:
                await call()
    new, same = told
    assert tracing.read_traceparent(new) == new != ""
    assert not tracing.is_sampled(new)
    assert same == LEFT


async def test_a_share_of_other_traces_is_kept(tmp_path: Path) -> None:
    """Where the ratio is 1 each call begins a trace, and what its caller leaves is left."""
    with kept(1.0) as exporter:
        async with running_probe(tmp_path) as probe:
            for place in ("", LEFT):
                async with calling(probe, place) as call:
                    await call()
        (span,) = served(exporter.get_finished_spans())
        assert span.parent is None


@pytest.mark.parametrize(("ratio", "place"), [(0.0, KEPT), (1.0, LEFT)])
async def test_who_is_not_trusted_does_not_choose_what_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ratio: float, place: str
) -> None:
    """The service draws whether such a trace is kept, tells others downstream, and keeps its id."""
    told: list[str] = []

    async def remember(rpc: ProbeRpc, *_: object) -> probe_pb2.OpenResponse:
        told.append(tracing.current_traceparent())
        return probe_pb2.OpenResponse()

    monkeypatch.setattr(ProbeRpc, "Open", remember)
    with kept(ratio, trusted=["tickets"]) as exporter:
        async with running_probe(tmp_path) as probe, calling(probe, place) as call:
            await call()
        found = served(exporter.get_finished_spans())
    assert len(found) == ratio
    assert [TRACE in each for each in told] == [True]
    assert [tracing.is_sampled(each) for each in told] == [ratio == 1.0]
    for span in found:
        assert span.parent is not None
        assert f"{span.parent.trace_id:032x}" == TRACE


async def test_who_is_not_on_the_list_has_no_span(
    tmp_path: Path, spans: InMemorySpanExporter
) -> None:
    """A system that may not call at all leaves nothing at the collector."""
    lists = {"*": ["scanner"]}
    async with running_probe(tmp_path, callers=lists) as probe, calling(probe, KEPT) as call:
        with pytest.raises(grpc.aio.AioRpcError):
            await call()
    assert served(spans.get_finished_spans()) == []


async def test_calls_of_a_program_that_traces_are_in_its_trace(tmp_path: Path) -> None:
    """Where OpenTelemetry has a current span our channels go on from it, and tell the server."""
    with kept(0.0) as exporter:
        provider = TracerProvider()
        async with running_probe(tmp_path) as probe:
            files, target = probe.ca.issue("portal"), f"127.0.0.1:{probe.server.port}"
            with provider.get_tracer("portal").start_as_current_span("page") as page:
                async with open_channel(target, files, ServiceConfig()) as channel:
                    await ProbeServiceStub(channel).Open(probe_pb2.OpenRequest(), timeout=5)
        (server,) = served(exporter.get_finished_spans())
        (client,) = [span for span in exporter.get_finished_spans() if span.kind is SpanKind.CLIENT]
        assert server.context is not None
        assert client.context is not None
        assert server.parent is not None
        assert client.parent is not None
        assert server.parent.span_id == client.context.span_id
        assert client.parent.span_id == page.get_span_context().span_id
    assert not get_tracer("nothing is left").start_span("x").is_recording()


async def test_a_batch_is_linked_to_those_it_decides(spans: InMemorySpanExporter) -> None:
    """Kept when one of them is, though it begins a trace; without one it has no span."""
    other = f"00-{'a' * 32}-{'b' * 16}-01"
    with tracing.batch("probe entries", {1: KEPT, 2: LEFT, 3: "", 4: other}):
        assert [tracing.member_trace(key) for key in range(1, 6)] == [KEPT, "", "", other, ""]
    with tracing.batch("probe entries", {1: LEFT}):
        assert tracing.member_trace(1) == ""
    with pytest.raises(ZeroDivisionError), tracing.batch("broken", {1: KEPT}):
        raise ZeroDivisionError
    good, bad = spans.get_finished_spans()
    assert good.parent is None
    assert {f"{link.context.trace_id:032x}" for link in good.links} == {TRACE, "a" * 32}
    assert dict(good.attributes or {}) == {"zikao.batch.size": 4}
    assert (bad.attributes or {})["error.type"] == "ZeroDivisionError"


async def test_a_collector_that_is_away_disturbs_nobody(tmp_path: Path) -> None:
    """Calls are answered, what is lost is counted, and the process ends all the same."""
    lost = {"outcome": "lost"}
    before = REGISTRY.get_sample_value("zikao_tracing_spans_total", lost) or 0
    config = TracingConfig(endpoint=f"127.0.0.1:{free_port()}", insecure=True, sample_ratio=1.0)
    async with running_probe(tmp_path) as probe:
        async with traced(config, "probe"), calling(probe, "") as call:
            assert len(await asyncio.gather(*(call() for _ in range(20)))) == 20
        assert tracing.spans() is None
        async with calling(probe, KEPT) as call:
            await call()
    after = REGISTRY.get_sample_value("zikao_tracing_spans_total", lost) or 0
    assert after - before == 20


def test_a_half_configuration_is_refused() -> None:
    """A collector needs a way to be reached, a certificate its key, a ratio its bounds."""
    here = Path("x")
    for wrong, said in (
        ({"endpoint": "collector:4317"}, "either ca_file or insecure"),
        ({"endpoint": "collector:4317", "insecure": True, "ca_file": here}, "either ca_file"),
        ({"endpoint": "collector", "insecure": True}, "host:port"),
        ({"cert_file": here}, "belong together"),
        ({"sample_ratio": 1.5}, "sample_ratio"),
    ):
        with pytest.raises(ValueError, match=said):
            TracingConfig(**wrong)
