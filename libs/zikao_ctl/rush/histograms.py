"""Latencies as HDR histograms: 1 µs to a minute, three digits, mergeable."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from hdrh.histogram import HdrHistogram

from zikao_ctl.rush.records import Latency

LOWEST_US, HIGHEST_US, DIGITS = 1, 60_000_000, 3
_US_PER_MS = 1000.0


class Histograms:
    """One per kind, made when it is first recorded in."""

    def __init__(self) -> None:
        self._by_kind: dict[str, HdrHistogram] = {}

    def record(self, kind: str, seconds: float, count: int = 1) -> None:
        """Count a latency, so many times; what is out of range counts as its nearest end."""
        micros = min(max(int(seconds * 1e6), LOWEST_US), HIGHEST_US)
        self._of(kind).record_value(micros, count)

    def add(self, blobs: Mapping[str, str]) -> None:
        """Add others' histograms, as `blobs` wrote them."""
        for kind, blob in blobs.items():
            self._of(kind).decode_and_add(blob)

    def take(self) -> dict[str, str]:
        """All that have something as base64 text, and begin anew."""
        taken = {
            kind: each.encode().decode()
            for kind, each in self._by_kind.items()
            if each.get_total_count()
        }
        self._by_kind.clear()
        return taken

    def latencies(self) -> list[Latency]:
        """What they say, by kind."""
        return [_latency(kind, each) for kind, each in sorted(self._by_kind.items())]

    def percentile_ms(self, kind: str, percent: float) -> float:
        """E.g. 99; 0 where nothing was recorded."""
        each = self._by_kind.get(kind)
        return _ms(each, percent) if each else 0.0

    def count(self, kind: str) -> int:
        """How many were recorded."""
        each = self._by_kind.get(kind)
        return int(each.get_total_count()) if each else 0

    def _of(self, kind: str) -> HdrHistogram:
        if kind not in self._by_kind:
            self._by_kind[kind] = HdrHistogram(LOWEST_US, HIGHEST_US, DIGITS)
        return self._by_kind[kind]


def merged(all_blobs: Iterable[Mapping[str, str]]) -> Histograms:
    """The sum of many."""
    total = Histograms()
    for blobs in all_blobs:
        total.add(blobs)
    return total


def _latency(kind: str, histogram: HdrHistogram) -> Latency:
    return Latency(
        kind=kind,
        count=int(histogram.get_total_count()),
        p50_ms=_ms(histogram, 50),
        p90_ms=_ms(histogram, 90),
        p99_ms=_ms(histogram, 99),
        p999_ms=_ms(histogram, 99.9),
        max_ms=_ms(histogram, 100),
        hist=histogram.encode().decode(),
    )


def _ms(histogram: HdrHistogram, percent: float) -> float:
    return float(histogram.get_value_at_percentile(percent)) / _US_PER_MS
