"""What operators see of every service, under the names that gRPC dashboards expect."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter as Tally
from collections.abc import Iterator
from itertools import accumulate

import grpc
from prometheus_client import REGISTRY, Counter, Gauge, Histogram
from prometheus_client.metrics_core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

_LABELS = ("grpc_service", "grpc_method")
_SECONDS_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_BOUNDS = (*(str(float(bound)) for bound in _SECONDS_BUCKETS), "+Inf")

QUEUE_DEPTH = Gauge("zikao_admission_queue_depth", "Calls that wait to be let in.")
QUEUE_SECONDS = Histogram(
    "zikao_admission_queue_seconds", "Time spent waiting to be let in.", buckets=_SECONDS_BUCKETS
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


class MethodMetrics:
    """What is counted of one method: plain numbers, which a scrape reads.

    A call is counted by the event loop alone. Metrics with a lock each would cost a small call a
    twentieth of its time.
    """

    def __init__(self, full_name: str) -> None:
        _, service, method = full_name.split("/")
        self.labels = (service, method)
        self.started = 0
        self.handled: Tally[grpc.StatusCode] = Tally()
        self.seconds = 0.0
        self.buckets = [0] * (len(_SECONDS_BUCKETS) + 1)

    def begin(self) -> None:
        """Count a call that began."""
        self.started += 1

    def end(self, code: grpc.StatusCode, seconds: float) -> None:
        """Count a call that ended with `code` after `seconds`."""
        self.handled[code] += 1
        self.seconds += seconds
        self.buckets[bisect_left(_SECONDS_BUCKETS, seconds)] += 1


class CallMetrics(Collector):
    """The metrics of all methods of a process, under the names of the gRPC ecosystem."""

    def __init__(self) -> None:
        self._methods: dict[str, MethodMetrics] = {}

    def of(self, full_name: str) -> MethodMetrics:
        """The metrics of a method: the same ones for whoever asks."""
        return self._methods.setdefault(full_name, MethodMetrics(full_name))

    def collect(self) -> Iterator[Metric]:
        """What a scrape reads."""
        started = CounterMetricFamily("grpc_server_started", "Calls that began.", labels=_LABELS)
        handled = CounterMetricFamily(
            "grpc_server_handled", "Calls that ended.", labels=(*_LABELS, "grpc_code")
        )
        seconds = HistogramMetricFamily(
            "grpc_server_handling_seconds", "Time from begin to end.", labels=_LABELS
        )
        for method in list(self._methods.values()):
            started.add_metric(method.labels, method.started)
            for code, count in list(method.handled.items()):
                handled.add_metric((*method.labels, code.name), count)
            filled = list(zip(_BOUNDS, accumulate(method.buckets), strict=True))
            seconds.add_metric(method.labels, filled, method.seconds)
        yield from (started, handled, seconds)


CALLS = CallMetrics()
REGISTRY.register(CALLS)
