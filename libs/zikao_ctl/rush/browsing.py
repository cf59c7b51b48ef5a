"""Candidates who look where seats are before they submit."""

from __future__ import annotations

import asyncio
import heapq
import random
import time
from collections.abc import Sequence
from typing import Any

import grpc
from zikao.enrollment.v1 import enrollment_service_pb2 as enrollment

from zikao_ctl.rush import records
from zikao_ctl.rush.people import Candidate
from zikao_ctl.rush.ticking import Ticker

METHOD = "/zikao.enrollment.v1.EnrollmentService/GetAvailability"
CALL_SECONDS = 5.0
# They look so long before they submit, and at a city.
LONGEST_BEFORE_SECONDS = 10.0
_CITY_DIGITS = 4


class Browser:
    """Each looks once; who is not answered submits all the same."""

    def __init__(
        self, channels: Sequence[grpc.aio.Channel], ticker: Ticker, session_code: str
    ) -> None:
        self._calls: list[Any] = [each.unary_unary(METHOD, None, None) for each in channels]
        self._ticker = ticker
        self._session_code = session_code
        self._due: list[tuple[float, int, str]] = []
        self._tasks: set[asyncio.Task[None]] = set()

    def add(self, candidate: Candidate, submits_at: float, not_before: float) -> None:
        """Have somebody look before a monotonic time."""
        before = random.uniform(0, LONGEST_BEFORE_SECONDS)  # noqa: S311 - spreads load
        prefix = candidate.county_codes[0][:_CITY_DIGITS]
        at = max(not_before, submits_at - before)
        heapq.heappush(self._due, (at, candidate.number, prefix))

    def step(self, now: float) -> None:
        """Begin what is due."""
        while self._due and self._due[0][0] <= now:
            at, number, prefix = heapq.heappop(self._due)
            request = enrollment.GetAvailabilityRequest(
                session_code=self._session_code, county_prefix=prefix
            ).SerializeToString()
            call = self._calls[number % len(self._calls)]
            task = asyncio.get_running_loop().create_task(self._look(at, call, request))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _look(self, at: float, call: Any, request: bytes) -> None:
        if await call(request, timeout=CALL_SECONDS).code() is grpc.StatusCode.OK:
            self._ticker.counts["browsed"] += 1
            self._ticker.latencies.record(records.BROWSE, time.monotonic() - at)
