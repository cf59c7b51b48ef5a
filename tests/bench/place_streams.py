"""People who watch their places in a waiting room, a process of its own, for bench_capacity.

python place_streams.py CERTS PORT SESSION TOKENS alone|portal

TOKENS has a line for each: a stream each, or all of them on a portal's one stream. Says on stdout
how many messages have come: once everybody has a place, then for each line on stdin.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import grpc
from support.bench import CHANNEL
from support.certificates import channel_credentials
from support.service import Caller
from zikao.enrollment.v1 import place_stream_service_pb2 as places
from zikao.enrollment.v1 import place_stream_service_pb2_grpc as places_grpc
from zikao_kit.tls import DevelopmentCa

STREAMS_A_CONNECTION = 90  # of 100 that a connection carries
A_MESSAGE = 200
# A process turns away what comes by the thousand in one moment.
OPENED_AT_ONCE = 50
COME_AGAIN_SECONDS = 1.0


class Watchers:
    """What has come."""

    def __init__(self, session_code: str, tokens: Sequence[str]) -> None:
        self.session_code = session_code
        self.tokens = tokens
        self.messages = 0
        self.known: set[str] = set()
        self.placed = asyncio.Semaphore(0)
        self.opening = asyncio.Semaphore(OPENED_AT_ONCE)

    async def alone(self, portal: Caller) -> None:
        """One candidate's stream, opened again when it breaks; ends with the pass."""
        while True:
            try:
                return await self._watch(portal)
            except grpc.aio.AioRpcError as error:
                if error.code() is not grpc.StatusCode.UNAVAILABLE:
                    raise
                await asyncio.sleep(COME_AGAIN_SECONDS)

    async def _watch(self, portal: Caller) -> None:
        async with self.opening:
            call = portal.start(places.WatchPlaceRequest(session_code=self.session_code))
            await call.read()
        if portal.token not in self.known:
            self.known.add(portal.token)
            self.placed.release()
        while await call.read() is not grpc.aio.EOF:  # type: ignore[attr-defined]
            self.messages += 1

    async def together(self, channel: grpc.aio.Channel) -> None:
        """A portal's stream with everybody on it."""
        stub = places_grpc.PlaceStreamServiceStub(channel)
        async for answer in stub.WatchPlaces(self._named()):
            self.messages += 1
            for _ in answer.places:
                self.placed.release()

    async def _named(self) -> AsyncIterator[places.WatchPlacesRequest]:
        for begin in range(0, len(self.tokens), A_MESSAGE):
            candidates = [
                places.WatchedCandidate(watch_id=str(number), access_token=token)
                for number, token in enumerate(self.tokens[begin : begin + A_MESSAGE], begin)
            ]
            yield places.WatchPlacesRequest(session_code=self.session_code, candidates=candidates)
        await asyncio.Event().wait()


async def main(certs: Path, port: int, watchers: Watchers, *, alone: bool) -> None:
    """Look until killed."""
    credentials = channel_credentials(DevelopmentCa(certs).issue("portal"))
    async with asyncio.TaskGroup() as group:
        for number, token in enumerate(watchers.tokens):
            if number % (STREAMS_A_CONNECTION if alone else len(watchers.tokens)) == 0:
                channel = grpc.aio.secure_channel(f"localhost:{port}", credentials, CHANNEL)
                if not alone:
                    group.create_task(watchers.together(channel))
            if alone:
                group.create_task(watchers.alone(Caller(channel, token)))
        for _ in watchers.tokens:
            await watchers.placed.acquire()
        while True:
            sys.stdout.write(f"{watchers.messages}\n")
            sys.stdout.flush()
            await asyncio.to_thread(sys.stdin.readline)


if __name__ == "__main__":
    folder, port_given, code, file, how = sys.argv[1:6]
    people = Watchers(code, Path(file).read_text(encoding="utf-8").split())
    asyncio.run(main(Path(folder), int(port_given), people, alone=how == "alone"))
