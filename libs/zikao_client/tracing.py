"""Traces of a program that calls zikao: its spans, made with OpenTelemetry, go on in the services.

trace_calls()                                   # once, after the program's own setup
with tracer.start_as_current_span("enroll"):
    await zikao.enrollment.SubmitPlan(request)  # a client span below it, told to the service
"""

from __future__ import annotations

from opentelemetry import trace
from zikao_kit import tracing
from zikao_kit.telemetry import OtelSpans


def trace_calls() -> None:
    """Make a span of each call below the span that is current; needs `zikao[tracing]`.

    Calls outside of a span, and below one that is not kept, have none.
    """
    tracing.use(OtelSpans(trace.get_tracer("zikao_client")))
