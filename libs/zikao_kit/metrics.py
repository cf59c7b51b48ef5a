"""What operators see of every service, under the names that gRPC dashboards expect.

All metrics of an installation are in docs/observability.md.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter as Tally
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from itertools import accumulate
from operator import add

import grpc
from prometheus_client import (
    REGISTRY,
    Counter,
    Gauge,
    Histogram,
    Info,
    disable_created_metrics,
)
from prometheus_client.metrics_core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

# When each counter began would be as many series again, which Prometheus does not ask for.
disable_created_metrics()  # type: ignore[no-untyped-call]

# Every process shows the number of all, so the sum over processes says nothing.
ALIKE = "All replicas show the same, or NaN while they do not know: use max()."
_LABELS = ("grpc_type", "grpc_service", "grpc_method")
SECONDS_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

QUEUE_DEPTH = Gauge("zikao_admission_queue_depth", "Calls that wait to be let in.")
QUEUE_SECONDS = Histogram(
    "zikao_admission_queue_seconds", "Time spent waiting to be let in.", buckets=SECONDS_BUCKETS
)
SHED = Counter(
    "zikao_calls_shed_total",
    "Calls that were sent away: waited in vain (queue), no place (full), or to let callers know"
    " that most wait (standing).",
    ["priority", "cause"],
)
CONCURRENCY_LIMIT = Gauge("zikao_concurrency_limit", "Calls that may run at once.")
RETRY_PAUSE = Gauge("zikao_retry_pause_seconds", "After what pause who is sent away is to return.")
BACKGROUND_FAILURES = Counter(
    "zikao_background_failures_total", "Background work that failed by a fault.", ["work"]
)
BUILD = Info("zikao_build", "The release that runs.")
BUILD.info({"version": version("zikao")})


class PlainHistogram:
    """Counts of durations as plain numbers, which a scrape reads.

    For what the event loop alone counts: a lock each would cost a small call a twentieth of its
    time.
    """

    __slots__ = ("_bounds", "_counts", "_sum")

    def __init__(self, bounds: Sequence[float] = SECONDS_BUCKETS) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    @classmethod
    def sum_of(cls, parts: Sequence[PlainHistogram]) -> PlainHistogram:
        """All of several, which have the same bounds."""
        whole = cls()
        for part in parts:
            whole._counts = list(map(add, whole._counts, part._counts))
            whole._sum += part._sum
        return whole

    def observe(self, value: float) -> None:
        """Count a value."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def add_to(self, family: HistogramMetricFamily, labels: Sequence[str] = ()) -> None:
        """Give a scrape what was counted."""
        names = (*(str(float(bound)) for bound in self._bounds), "+Inf")
        filled = list(zip(names, accumulate(self._counts), strict=True))
        family.add_metric(labels, filled, self._sum)


class MethodMetrics:
    """What is counted of one method: plain numbers, as in `PlainHistogram`."""

    def __init__(self, full_name: str, grpc_type: str) -> None:
        _, service, method = full_name.split("/")
        self.labels = (grpc_type, service, method)
        self.started = 0
        self.received = 0
        self.sent = 0
        # Rates begin with the first call that fails, not with the second.
        self.handled: Tally[grpc.StatusCode] = Tally({grpc.StatusCode.OK: 0})
        self.seconds = PlainHistogram()

    def begin(self) -> None:
        """Count a call that began."""
        self.started += 1

    def end(self, code: grpc.StatusCode, seconds: float) -> None:
        """Count a call that ended with `code` after `seconds`."""
        self.handled[code] += 1
        self.seconds.observe(seconds)


class CallMetrics(Collector):
    """The metrics of all methods of a process, under the names of the gRPC ecosystem."""

    def __init__(self, side: str, *, counts_messages: bool) -> None:
        """`side`: calls that come in ("server") or go out ("client")."""
        self._prefix = f"grpc_{side}_"
        self._counts_messages = counts_messages
        self._methods: dict[str, MethodMetrics] = {}

    def of(self, full_name: str, grpc_type: str) -> MethodMetrics:
        """The metrics of a method: the same ones for whoever asks."""
        found = self._methods.get(full_name)
        if found is None:
            found = self._methods[full_name] = MethodMetrics(full_name, grpc_type)
        return found

    def collect(self) -> Iterator[Metric]:
        """What a scrape reads."""
        started = self._counter("started", "Calls that began.")
        received = self._counter("msg_received", "Messages that calls have read.")
        sent = self._counter("msg_sent", "Messages that calls have written.")
        handled = self._counter("handled", "Calls that ended, by how.", "grpc_code")
        seconds = HistogramMetricFamily(
            f"{self._prefix}handling_seconds", "Time from begin to end.", labels=_LABELS
        )
        for method in list(self._methods.values()):
            started.add_metric(method.labels, method.started)
            received.add_metric(method.labels, method.received)
            sent.add_metric(method.labels, method.sent)
            for code, count in list(method.handled.items()):
                handled.add_metric((*method.labels, code.name), count)
            method.seconds.add_to(seconds, method.labels)
        yield from (started, handled, seconds)
        if self._counts_messages:
            yield from (received, sent)

    def _counter(self, name: str, text: str, *more: str) -> CounterMetricFamily:
        return CounterMetricFamily(f"{self._prefix}{name}", text, labels=(*_LABELS, *more))


SERVED = CallMetrics("server", counts_messages=True)
CALLED = CallMetrics("client", counts_messages=False)
REGISTRY.register(SERVED)
REGISTRY.register(CALLED)
