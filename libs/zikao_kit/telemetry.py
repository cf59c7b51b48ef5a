"""Spans by OpenTelemetry, to a collector over OTLP; needs the extra `zikao[tracing]`.

A collector that is away, slow or refuses costs spans, and nothing else: they wait in a bounded
queue of a thread of its own.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any
from uuid import uuid4

import grpc
import structlog
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_ON

from zikao_kit import tracing
from zikao_kit.config import TracingConfig
from zikao_kit.tracing import SPANS, Attributes, Kind

EXPORT_SECONDS = 5.0
EXPORT_PAUSE_MS = 1000
MAX_QUEUE = 4096
MAX_EXPORTED = 512
# A batch is linked to each of its members that is kept.
MAX_LINKS = 1000
CLOSE_SECONDS = 5.0

_KINDS = {
    "server": trace.SpanKind.SERVER,
    "client": trace.SpanKind.CLIENT,
    "internal": trace.SpanKind.INTERNAL,
    "consumer": trace.SpanKind.CONSUMER,
}
log = structlog.get_logger()


class OtelSpan:
    """A span of OpenTelemetry."""

    __slots__ = ("_span", "traceparent")

    def __init__(self, span: trace.Span) -> None:
        self._span = span
        self.traceparent = _traceparent(span.get_span_context())

    def end(self, error: str | None = None, attributes: Attributes | None = None) -> None:
        """End it; an error's reason stands in `error.type`."""
        if attributes:
            self._span.set_attributes(attributes)
        if error is not None:
            self._span.set_attribute("error.type", error)
            self._span.set_status(trace.Status(trace.StatusCode.ERROR, error))
        self._span.end()


class OtelSpans:
    """Makes spans with a tracer of OpenTelemetry."""

    def __init__(
        self, tracer: trace.Tracer, ratio: float = 1.0, trusted_callers: Iterable[str] = ()
    ) -> None:
        """`ratio` is the share kept of the traces that begin here or come from others."""
        self._tracer = tracer
        self._ratio = ratio
        self._trusted = frozenset(trusted_callers)

    def begin(
        self,
        name: str,
        kind: Kind,
        *,
        parent: str = "",
        links: Sequence[str] = (),
        attributes: Attributes | None = None,
    ) -> OtelSpan:
        """Begin a span below `parent`, in nobody's context: whoever has it ends it."""
        span = self._tracer.start_span(
            name,
            context=trace.set_span_in_context(trace.NonRecordingSpan(_context(parent))),
            kind=_KINDS[kind],
            attributes=attributes,
            links=[trace.Link(_context(place)) for place in links],
        )
        return OtelSpan(span)

    def chosen(self) -> bool:
        """Whether a trace that begins here is to be kept; a share of them by chance."""
        return random.random() < self._ratio  # noqa: S311 - no secret

    def trusts(self, caller: str) -> bool:
        """Whether a caller, by its name, decides which of its traces are kept."""
        return caller in self._trusted

    def outside(self) -> str:
        """The place of the span that is current for OpenTelemetry; '' for none."""
        context = trace.get_current_span().get_span_context()
        return _traceparent(context) if context.is_valid else ""


class CountingExporter(SpanExporter):
    """Hands spans on, and counts those that are lost; raises nothing."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Hand spans on."""
        try:
            result = self._exporter.export(spans)
        except Exception as error:  # whatever it is, the service goes on
            log.warning("spans are lost", cause=type(error).__name__)
            result = SpanExportResult.FAILURE
        outcome = "exported" if result is SpanExportResult.SUCCESS else "lost"
        SPANS.labels(outcome).inc(len(spans))
        return result

    def shutdown(self) -> None:
        """Hand on no more."""
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Wait until what was handed on has arrived."""
        return self._exporter.force_flush(timeout_millis)


@asynccontextmanager
async def traced(config: TracingConfig, service: str) -> AsyncIterator[None]:
    """Make spans of a service while the block runs, and hand over what is left at its end."""
    provider = provider_of(config, service)
    tracer = provider.get_tracer("zikao")
    tracing.use(OtelSpans(tracer, config.sample_ratio, config.trusted_callers))
    log.info("tracing", endpoint=config.endpoint, sample_ratio=config.sample_ratio)
    try:
        yield
    finally:
        tracing.use(None)
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await asyncio.to_thread(provider.shutdown)
        except TimeoutError:
            log.warning("the last spans are lost: the collector does not answer")


def provider_of(config: TracingConfig, service: str) -> TracerProvider:
    """OpenTelemetry as the configuration says."""
    assert config.endpoint is not None
    exporter = OTLPSpanExporter(
        endpoint=config.endpoint,
        insecure=config.insecure,
        credentials=None if config.insecure else _credentials(config),
        timeout=EXPORT_SECONDS,
    )
    resource = Resource.create(
        {
            "service.namespace": "zikao",
            "service.name": service,
            "service.version": version("zikao"),
            "service.instance.id": str(uuid4()),
        }
    )
    provider = TracerProvider(
        # What is not to be kept is not begun at all: to ask OpenTelemetry costs a tenth of a call.
        sampler=ALWAYS_ON,
        resource=resource,
        shutdown_on_exit=False,
        span_limits=SpanLimits(max_links=MAX_LINKS),
    )
    for outcome in ("exported", "lost"):
        SPANS.labels(outcome)
    provider.add_span_processor(
        BatchSpanProcessor(
            CountingExporter(exporter),
            max_queue_size=MAX_QUEUE,
            schedule_delay_millis=EXPORT_PAUSE_MS,
            max_export_batch_size=MAX_EXPORTED,
        )
    )
    return provider


def _credentials(config: TracingConfig) -> grpc.ChannelCredentials:
    def content(path: Any) -> bytes | None:
        return path.read_bytes() if path else None

    return grpc.ssl_channel_credentials(
        content(config.ca_file), content(config.key_file), content(config.cert_file)
    )


def _context(traceparent: str) -> trace.SpanContext:
    if not traceparent:
        return trace.INVALID_SPAN_CONTEXT
    _, trace_id, span_id, flags = traceparent.split("-")
    kept = trace.TraceFlags(int(flags, 16))
    return trace.SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=kept)


def _traceparent(context: trace.SpanContext) -> str:
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"
