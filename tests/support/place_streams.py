"""Streams of places, as candidates and portals have them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
from support.enrollment_people import candidate_id
from support.enrollment_service import Installation
from support.refusals import note
from support.service import TIMEOUT_SECONDS, Caller, method_of
from zikao.enrollment.v1 import place_stream_service_pb2 as pb
from zikao.enrollment.v1 import place_stream_service_pb2_grpc as stubs
from zikao.enrollment.v1 import waiting_room_service_pb2 as rooms
from zikao_kit.error_table import reason_of

WATCH_PLACES = method_of(pb.WatchPlacesRequest.DESCRIPTOR)
_END: Any = grpc.aio.EOF  # type: ignore[attr-defined]


def watch(person: Caller) -> Any:
    """A stream of a candidate's own place."""
    return person.start(pb.WatchPlaceRequest(session_code="22.1"))


async def next_place(stream: Any) -> rooms.Place | None:
    """The next place; None at the end. Ticks between are passed over."""
    async with asyncio.timeout(TIMEOUT_SECONDS):
        while (message := await stream.read()) is not _END:
            if message.HasField("place"):
                place: rooms.Place = message.place
                return place
    return None


async def next_tick(stream: Any) -> pb.QueueTick:
    """The next tick; a place must not come before."""
    async with asyncio.timeout(TIMEOUT_SECONDS):
        message = await stream.read()
    assert message.HasField("tick")
    tick: pb.QueueTick = message.tick
    return tick


class PlacesStream:
    """One stream of a portal; what it is told is kept by watch id, the last of each."""

    def __init__(self, call: Any) -> None:
        self.call = call
        self.places: dict[str, pb.WatchedPlace] = {}
        self.ticks: list[pb.QueueTick] = []

    async def send(self, *candidates: pb.WatchedCandidate, session_code: str = "22.1") -> None:
        """Name candidates."""
        request = pb.WatchPlacesRequest(session_code=session_code, candidates=candidates)
        await self.call.write(request)

    async def read(self) -> bool:
        """Take the next message; False at the end."""
        async with asyncio.timeout(TIMEOUT_SECONDS):
            message = await self.call.read()
        if message is _END:
            return False
        for each in message.places:
            self.places[each.watch_id] = each
            note(WATCH_PLACES, each.error.reason)
        self.ticks += message.ticks
        return True

    async def until(self, state: Any, *watch_ids: str) -> None:
        """Read on until the places of these stand so."""
        while any(self.state(each) != state for each in watch_ids):
            assert await self.read()

    def state(self, watch_id: str) -> Any:
        """How a place stands; None where nothing has been told."""
        return self.places[watch_id].place.state if watch_id in self.places else None

    async def reason(self) -> str:
        """The reason for which the stream ends, of the whole."""
        try:
            while await self.read():
                pass
        except grpc.aio.AioRpcError as error:
            reason = str(reason_of(error))
            note(WATCH_PLACES, reason)
            return reason
        return "OK"


@asynccontextmanager
async def places_stream(running: Installation, port: int = 0) -> AsyncIterator[PlacesStream]:
    """A portal's stream at a process, ended with the block."""
    portal = await running.caller("portal", port)
    call = stubs.PlaceStreamServiceStub(portal.channel).WatchPlaces(None)
    try:
        yield PlacesStream(call)
    finally:
        call.cancel()


def watched(
    running: Installation, number: int, watch_id: str = "", token: str = ""
) -> pb.WatchedCandidate:
    """Candidate `number`, under its number, with the own token."""
    shown = token or running.token(candidate_id(number))
    return pb.WatchedCandidate(watch_id=watch_id or str(number), access_token=shown)
