"""The streams of bench_availability, a process of its own.

Says on stdout, once all streams have begun and for each line on stdin, how many messages have come,
and how old the oldest of a sample was on arrival since it said so last, in milliseconds: since the
database was asked for what it shows.
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

import grpc
from bench.enrollment_seeding import SESSION_CODE
from support.bench import CHANNEL
from support.certificates import channel_credentials
from support.service import Caller
from zikao.enrollment.v1 import availability_service_pb2 as availability
from zikao_kit.tls import DevelopmentCa

# Reading the time of each message would cost more than reading the message.
AGED_ONE_IN = 20
# A process turns away what comes by the thousand in one moment.
OPENED_AT_ONCE = 50


class Watchers:
    """Streams of the whole province."""

    def __init__(self) -> None:
        self.messages = 0
        self.oldest_ms = 0.0
        self.begun = asyncio.Semaphore(0)
        self.opening = asyncio.Semaphore(OPENED_AT_ONCE)

    async def watch(self, portal: Caller) -> None:
        """Keep looking."""
        async with self.opening:
            call = portal.start(availability.WatchAvailabilityRequest(session_code=SESSION_CODE))
            await call.read()
        self.begun.release()
        while (change := await call.read()) is not grpc.aio.EOF:  # type: ignore[attr-defined]
            self.messages += 1
            if self.messages % AGED_ONE_IN == 0:
                age_ms = time.time() * 1000 - change.as_of.ToMilliseconds()
                self.oldest_ms = max(self.oldest_ms, age_ms)


async def main(certs: Path, port: int, streams: int, a_connection: int) -> None:
    """Look until killed."""
    credentials = channel_credentials(DevelopmentCa(certs).issue("portal"))
    watchers = Watchers()
    async with asyncio.TaskGroup() as group:
        for number in range(streams):
            if number % a_connection == 0:
                channel = grpc.aio.secure_channel(f"localhost:{port}", credentials, CHANNEL)
            group.create_task(watchers.watch(Caller(channel)))
        for _ in range(streams):
            await watchers.begun.acquire()
        while True:
            sys.stdout.write(f"{watchers.messages} {watchers.oldest_ms:.1f}\n")
            watchers.oldest_ms = 0.0
            sys.stdout.flush()
            await asyncio.to_thread(sys.stdin.readline)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), *map(int, sys.argv[2:5])))
