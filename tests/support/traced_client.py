"""A calling program that traces with OpenTelemetry, as a portal would: each call a trace."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from support.collector import Collector
from zikao_kit import tracing
from zikao_kit.telemetry import OtelSpans


@dataclass(frozen=True)
class Traces:
    """What services have told a collector, and this process's own spans."""

    collector: Collector
    calls: InMemorySpanExporter


class OfEachCall(OtelSpans):
    """Goes on from a span of its own for each call."""

    def outside(self) -> str:
        """A place in a new trace."""
        return f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"


@contextmanager
def tracing_client() -> Iterator[InMemorySpanExporter]:
    """Make spans of this process's own calls while the block runs."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracing.use(OfEachCall(provider.get_tracer("portal")))
    try:
        yield exporter
    finally:
        tracing.use(None)


def calls_of(spans: Sequence[ReadableSpan], method: str) -> dict[str, str]:
    """Span ids of finished calls of a method, by trace id; both in hex."""
    found = {}
    for span in spans:
        if span.name.endswith(f"/{method}") and span.context is not None:
            found[f"{span.context.trace_id:032x}"] = f"{span.context.span_id:016x}"
    return found
