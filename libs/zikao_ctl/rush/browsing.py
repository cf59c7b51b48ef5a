"""Candidates who look where seats are before they submit."""

from __future__ import annotations

import heapq
import random
import time
from functools import partial

from zikao.enrollment.v1 import enrollment_service_pb2 as enrollment

from zikao_ctl.rush import records
from zikao_ctl.rush.connections import Connections
from zikao_ctl.rush.http2 import headers
from zikao_ctl.rush.people import Candidate
from zikao_ctl.rush.ticking import Ticker

METHOD = "/zikao.enrollment.v1.EnrollmentService/GetAvailability"
# They look so long before they submit, and at a city.
LONGEST_BEFORE_SECONDS = 10.0
_CITY_DIGITS = 4


class Browser:
    """Each looks once; who is not answered submits all the same."""

    def __init__(self, connections: Connections, ticker: Ticker, session_code: str) -> None:
        self._connections = connections
        self._head = headers(METHOD, connections.authority, ())
        self._ticker = ticker
        self._session_code = session_code
        self._due: list[tuple[float, int, str]] = []

    def add(self, candidate: Candidate, submits_at: float, not_before: float) -> None:
        """Have somebody look before a monotonic time."""
        before = random.uniform(0, LONGEST_BEFORE_SECONDS)  # noqa: S311 - spreads load
        self.look(candidate, max(not_before, submits_at - before))

    def look(self, candidate: Candidate, at: float) -> None:
        """Have somebody look at a monotonic time."""
        prefix = candidate.county_codes[0][:_CITY_DIGITS]
        heapq.heappush(self._due, (at, candidate.number, prefix))

    def step(self, now: float) -> None:
        """Begin what is due."""
        while self._due and self._due[0][0] <= now:
            at, _, prefix = heapq.heappop(self._due)
            request = enrollment.GetAvailabilityRequest(
                session_code=self._session_code, county_prefix=prefix
            ).SerializeToString()
            self._connections.send(self._head, request, partial(self._seen, at))
        self._connections.flush()

    def _seen(self, at: float, code: int, _: bytes, __: float) -> None:
        if not code:
            self._ticker.counts["browsed"] += 1
            self._ticker.latencies.record(records.BROWSE, time.monotonic() - at)
