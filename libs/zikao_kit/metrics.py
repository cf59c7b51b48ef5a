"""What operators see of every service, under the names that gRPC dashboards expect."""

from __future__ import annotations

import grpc
from prometheus_client import Counter, Gauge, Histogram

_LABELS = ("grpc_service", "grpc_method")
_SECONDS_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

STARTED = Counter("grpc_server_started_total", "Calls that began.", _LABELS)
HANDLED = Counter("grpc_server_handled_total", "Calls that ended.", (*_LABELS, "grpc_code"))
HANDLING_SECONDS = Histogram(
    "grpc_server_handling_seconds", "Time from begin to end.", _LABELS, buckets=_SECONDS_BUCKETS
)
QUEUE_DEPTH = Gauge("zikao_admission_queue_depth", "Calls that wait to be let in.")
QUEUE_SECONDS = Histogram(
    "zikao_admission_queue_seconds", "Time spent waiting to be let in.", buckets=_SECONDS_BUCKETS
)
BACKGROUND_FAILURES = Counter(
    "zikao_background_failures_total", "Background work that failed by a fault.", ["work"]
)


class MethodMetrics:
    """The metrics of one method, with their labels resolved once."""

    def __init__(self, full_name: str) -> None:
        _, service, method = full_name.split("/")
        self._labels = {"grpc_service": service, "grpc_method": method}
        self._started = STARTED.labels(**self._labels)
        self._seconds = HANDLING_SECONDS.labels(**self._labels)
        self._handled: dict[grpc.StatusCode, Counter] = {}

    def begin(self) -> None:
        """Count a call that began."""
        self._started.inc()

    def end(self, code: grpc.StatusCode, seconds: float) -> None:
        """Count a call that ended with `code` after `seconds`."""
        self._seconds.observe(seconds)
        counter = self._handled.get(code)
        if counter is None:
            counter = HANDLED.labels(**self._labels, grpc_code=code.name)
            self._handled[code] = counter
        counter.inc()
