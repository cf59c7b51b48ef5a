"""How a process gets on with its connections to the database: plain numbers, read at a scrape."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any
from weakref import WeakSet

from prometheus_client import REGISTRY
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from zikao_kit.metrics import PlainHistogram


class PoolMetrics:
    """What is counted of one pool; by the event loop alone."""

    def __init__(self, pool: Any) -> None:
        self.pool = pool
        self.waiting = 0
        self.failed = 0
        self.repeated = 0
        self.waits = PlainHistogram()

    def begin(self) -> float:
        """Count somebody who wants a connection; return when that was."""
        self.waiting += 1
        return time.perf_counter()

    def end(self, begun: float) -> None:
        """Count that they have one, or have given up."""
        self.waiting -= 1
        self.waits.observe(time.perf_counter() - begun)


class PoolCollector(Collector):
    """The pools of a process as metrics; a service has one."""

    def __init__(self) -> None:
        self._counted: WeakSet[PoolMetrics] = WeakSet()

    def of(self, pool: Any) -> PoolMetrics:
        """What is counted of a pool from now on; shown for as long as somebody has it."""
        counted = PoolMetrics(pool)
        self._counted.add(counted)
        return counted

    def collect(self) -> Iterator[Metric]:
        """What a scrape reads."""
        counted = list(self._counted)
        pools = [each.pool for each in counted]
        idle = sum(pool.get_idle_size() for pool in pools)
        in_use = sum(pool.get_size() for pool in pools) - idle
        connections = GaugeMetricFamily(
            "zikao_database_connections", "Connections of the pool.", labels=["state"]
        )
        connections.add_metric(["in_use"], in_use)
        connections.add_metric(["idle"], idle)
        yield connections
        yield GaugeMetricFamily(
            "zikao_database_connections_limit",
            "Connections that the pool may have (database.pool_max).",
            value=sum(pool.get_max_size() for pool in pools),
        )
        yield GaugeMetricFamily(
            "zikao_database_waiting",
            "Those who wait for a connection now.",
            value=sum(each.waiting for each in counted),
        )
        waits = HistogramMetricFamily(
            "zikao_database_wait_seconds", "Time until there was a connection, or none.", labels=[]
        )
        waits_of_all = PlainHistogram.sum_of([each.waits for each in counted])
        waits_of_all.add_to(waits)
        yield waits
        yield CounterMetricFamily(
            "zikao_database_unavailable",
            "Times that no connection could be had.",
            value=sum(each.failed for each in counted),
        )
        yield CounterMetricFamily(
            "zikao_database_repeated",
            "Transactions that were run again after a deadlock or a conflict.",
            value=sum(each.repeated for each in counted),
        )


POOLS = PoolCollector()
REGISTRY.register(POOLS)
