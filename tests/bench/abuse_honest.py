"""The honest callers of bench_abuse, a process of its own.

Reads, and every tenth call a submission: in a closed loop that keeps the server busy, or so many
a second whatever it answers. Beside it a portal with the typed client reads now and then, and
another one comes anew each time, as after a restart. What it needs comes pickled on stdin, then for
each phase a line with its seconds and its rate, if it has one, answered by a line of figures.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import pickle
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import uvloop
from bench.enrollment_seeding import SESSION_CODE
from bench.overload_load import quantile
from bench.overload_seeding import CALL_SECONDS, Submissions
from support.cpu import cpu_seconds
from zikao.enrollment.v1 import enrollment_service_pb2 as enrollment
from zikao_client import CallFailed, Endpoints, ZikaoClient
from zikao_ctl.rush.connections import Connections
from zikao_ctl.rush.http2 import Address, headers
from zikao_kit.config import CertFiles
from zikao_kit.context import TIMEOUT_KEY
from zikao_kit.error_table import reason_of

AT_ONCE, CONNECTIONS = 64, 12
# Of calls at a rate more would not find a stream; what is not sent then is not answered.
MOST_AT_ONCE = 1_000
PACE_SECONDS = 0.005
PART_SECONDS = 0.5
READS_A_SUBMISSION = 9
PORTAL_PAUSE_SECONDS, NEWCOMER_PAUSE_SECONDS = 0.05, 0.5
READ = "/zikao.enrollment.v1.EnrollmentService/GetAvailability"
COUNTY = "510104"


@dataclass(frozen=True)
class Stage:
    """Where the calls go, and what they are made of."""

    port: int
    portal: dict[str, str]
    submissions: Submissions
    watched: Mapping[str, int]
    cpu: int


@dataclass
class Seen:
    """What became of the calls of a phase; latencies in seconds."""

    begun: float = 0.0
    answered: int = 0
    # By parts of the time: when something was lost, and whether it was for long.
    by_part: Counter[int] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)
    portal: list[float] = field(default_factory=list)
    portal_failures: Counter[str] = field(default_factory=Counter)
    newcomers: list[float] = field(default_factory=list)
    newcomer_failures: Counter[str] = field(default_factory=Counter)

    def described(self, seconds: float) -> dict[str, Any]:
        """As figures."""
        return {
            "per_second": self.answered / seconds,
            "seconds": seconds,
            "per_second_by_part": [
                self.by_part[part] / PART_SECONDS for part in range(int(seconds / PART_SECONDS))
            ],
            "failures": dict(self.failures),
            "p99_ms": quantile(self.latencies, 0.99) * 1000,
            "portal_calls": len(self.portal),
            "portal_p99_ms": quantile(self.portal, 0.99) * 1000,
            "portal_failures": dict(self.portal_failures),
            "newcomers": len(self.newcomers),
            "newcomer_slowest_ms": max(self.newcomers, default=0.0) * 1000,
            "newcomer_failures": dict(self.newcomer_failures),
        }


class Honest:
    """All of them; portals go on between phases."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._files = CertFiles(**{name: Path(path) for name, path in stage.portal.items()})
        address = Address("127.0.0.1", stage.port, "enrollment", self._files)
        self._connections = Connections(address, CALL_SECONDS)
        self._calls = mixed(iter(stage.submissions))
        self._has_run_out = False
        self._is_flushing = False
        self._under_way = 0
        self._is_closed_loop = False
        self._tasks: Sequence[asyncio.Task[None]] = ()
        self.seen = Seen()

    async def start(self) -> None:
        """Connect, and begin."""
        await self._connections.open(CONNECTIONS)
        portal = self._client()
        self._tasks = [
            asyncio.ensure_future(self._keep_asking(portal)),
            asyncio.ensure_future(self._keep_coming()),
        ]

    async def close(self) -> None:
        """Call no more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._connections.close()

    async def run(self, seconds: float, rate: float | None) -> dict[str, Any]:
        """What is seen in so many seconds, of calls at a rate or in a closed loop.

        RuntimeError when there were no calls left: nobody called, and no answers say nothing.
        """
        await self._begin(is_closed_loop=rate is None)
        watched = self._stage.watched
        used = {name: cpu_seconds(pid) for name, pid in watched.items()}
        own, begun = time.process_time(), time.perf_counter()
        self.seen = Seen(begun)
        if rate is None:
            await asyncio.sleep(seconds)
        else:
            await self._keep_pace(rate, begun + seconds)
        passed = time.perf_counter() - begun
        if self._has_run_out:
            raise RuntimeError("no submissions are left: the bench needs more candidates")
        cores = {name: (cpu_seconds(pid) - used[name]) / passed for name, pid in watched.items()}
        cores["honest"] = (time.process_time() - own) / passed
        return self.seen.described(passed) | {"cores": cores}

    async def _begin(self, *, is_closed_loop: bool) -> None:
        was_closed_loop, self._is_closed_loop = self._is_closed_loop, is_closed_loop
        if is_closed_loop and not was_closed_loop:
            for _ in range(AT_ONCE):
                self._send()
            self._connections.flush()
        while not is_closed_loop and self._under_way:
            await asyncio.sleep(PACE_SECONDS)

    async def _keep_pace(self, rate: float, until: float) -> None:
        begun, due = time.perf_counter(), 0
        while (now := time.perf_counter()) < until:
            sent, due = due, round((now - begun) * rate)
            for _ in range(min(due - sent, MOST_AT_ONCE - self._under_way)):
                self._send()
            self._connections.flush()
            await asyncio.sleep(PACE_SECONDS)

    def _client(self) -> ZikaoClient:
        nowhere, target = "127.0.0.1:1", f"localhost:{self._stage.port}"
        return ZikaoClient(Endpoints(nowhere, target, nowhere), self._files)

    def _send(self) -> None:
        call = next(self._calls, None)
        if call is None:
            self._has_run_out = True
            return
        head, body = call
        self._under_way += 1
        self._connections.send(head, body, partial(self._ended, time.perf_counter()))

    def _ended(self, sent_at: float, code: int, message: bytes, _: float) -> None:
        self._under_way -= 1
        if code:
            self.seen.failures[f"{code} {message.decode('utf-8', 'replace')[:60]}"] += 1
        else:
            now = time.perf_counter()
            self.seen.answered += 1
            self.seen.by_part[int((now - self.seen.begun) / PART_SECONDS)] += 1
            self.seen.latencies.append(now - sent_at)
        if not self._is_closed_loop:
            return
        loop = asyncio.get_running_loop()
        if code:
            # As after a refusal: not at once.
            loop.call_later(0.05, self._send_and_flush)
            return
        self._send()
        if not self._is_flushing:
            self._is_flushing = True
            loop.call_soon(self._flush)

    def _send_and_flush(self) -> None:
        if not self._is_closed_loop:
            return
        self._send()
        self._connections.flush()

    def _flush(self) -> None:
        self._is_flushing = False
        self._connections.flush()

    async def _keep_asking(self, portal: ZikaoClient) -> None:
        async with portal:
            while True:
                await self._asked(portal, lambda: (self.seen.portal, self.seen.portal_failures))
                await asyncio.sleep(PORTAL_PAUSE_SECONDS)

    async def _keep_coming(self) -> None:
        while True:
            async with self._client() as portal:
                await self._asked(
                    portal, lambda: (self.seen.newcomers, self.seen.newcomer_failures)
                )
            await asyncio.sleep(NEWCOMER_PAUSE_SECONDS)

    async def _asked(
        self, portal: ZikaoClient, notes: Callable[[], tuple[list[float], Counter[str]]]
    ) -> None:
        begun = time.perf_counter()
        request = enrollment.GetTimetableRequest(session_code=SESSION_CODE)
        try:
            await portal.enrollment.GetTimetable(request)
        except CallFailed as error:
            notes()[1][str(error.reason)] += 1
        except grpc.aio.AioRpcError as error:
            notes()[1][reason_of(error) or error.code().name] += 1
        else:
            notes()[0].append(time.perf_counter() - begun)


def mixed(submissions: Iterator[tuple[bytes, bytes]]) -> Iterator[tuple[bytes, bytes]]:
    """Header blocks and requests: reads, and every tenth a submission, until there are no more."""
    timeout = (TIMEOUT_KEY, str(round(CALL_SECONDS * 1000)))
    head = headers(READ, "enrollment", [("x-request-id", "bench-abuse"), timeout])
    request = enrollment.GetAvailabilityRequest(
        session_code=SESSION_CODE, county_prefix=COUNTY
    ).SerializeToString()
    for submission in submissions:
        for _ in range(READS_A_SUBMISSION):
            yield head, request
        yield submission


async def serve() -> None:
    """Connect, then do what the lines say until there are none."""
    stage: Stage = pickle.load(sys.stdin.buffer)  # from bench_abuse alone
    os.sched_setaffinity(0, {stage.cpu})
    honest = Honest(stage)
    await honest.start()
    gc.collect()
    gc.freeze()
    loop = asyncio.get_running_loop()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    try:
        while line := await loop.run_in_executor(None, sys.stdin.buffer.readline):
            seconds, rate = json.loads(line)
            sys.stdout.write(json.dumps(await honest.run(seconds, rate)) + "\n")
            sys.stdout.flush()
    finally:
        await honest.close()


if __name__ == "__main__":
    uvloop.run(serve())
