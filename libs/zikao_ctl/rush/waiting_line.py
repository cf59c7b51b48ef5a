"""Candidates in the waiting room: several tabs each, one place, and a pass when it is their turn.

Places are watched as portals do it: thousands on a stream. What breaks is opened again, and
whoever was not told the last is named again.
"""

from __future__ import annotations

import asyncio
import heapq
import random
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from itertools import count
from typing import Any

import grpc
from zikao.enrollment.v1 import place_stream_service_pb2 as stream
from zikao.enrollment.v1 import place_stream_service_pb2_grpc as stream_grpc
from zikao.enrollment.v1 import waiting_room_service_pb2 as room
from zikao.enrollment.v1 import waiting_room_service_pb2_grpc as room_grpc
from zikao_client.calls import FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS
from zikao_kit.errors import NOT_NOW

from zikao_ctl.rush import records
from zikao_ctl.rush.sending import asked_seconds, reason_in
from zikao_ctl.rush.submissions import Submission
from zikao_ctl.rush.ticking import Ticker

CALL_SECONDS = 5.0
# One tab after the other, as people open them.
BETWEEN_TABS_SECONDS = 0.2
MOST_NAMED = 200
MOST_ON_A_STREAM = 15_000
COLLECT_SECONDS = 0.1
REOPEN_SECONDS = 0.5
_BEARER = len("Bearer ")

# Told the pass; "" where none is needed.
OnTurn = Callable[[Submission, str], None]


class WaitingLine:
    """The part of one generator; `on_turn` is called when somebody may submit."""

    def __init__(
        self,
        channels: Sequence[grpc.aio.Channel],
        ticker: Ticker,
        session_code: str,
        on_turn: OnTurn,
    ) -> None:
        self._joins = [room_grpc.WaitingRoomServiceStub(channel) for channel in channels]
        self._places = [stream_grpc.PlaceStreamServiceStub(channel) for channel in channels]
        self._ticker = ticker
        self._session_code = session_code
        self._on_turn = on_turn
        self._due: list[tuple[float, int, Submission, float]] = []
        self._order = count()
        self._tasks: set[asyncio.Task[None]] = set()
        self._streams: list[_Stream] = []
        self.joins = 0
        # Numbers in the line by candidate, in the order in which they were told.
        self.told: dict[int, list[int]] = {}

    def add(self, at: float, submission: Submission, tabs: int) -> None:
        """Have somebody come in at a monotonic time."""
        for tab in range(tabs):
            self._push(at + tab * BETWEEN_TABS_SECONDS, submission, FIRST_PAUSE_SECONDS)

    def step(self, now: float) -> None:
        """Begin the joins that are due."""
        while self._due and self._due[0][0] <= now:
            at, number, submission, pause = heapq.heappop(self._due)
            stub = self._joins[number % len(self._joins)]
            self._start(self._join(stub, at, submission, pause))

    async def end(self) -> None:
        """Ask no more."""
        under_way = [*self._tasks, *(each.task for each in self._streams)]
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)

    def _push(self, at: float, submission: Submission, pause: float) -> None:
        heapq.heappush(self._due, (at, next(self._order), submission, pause))

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _join(
        self,
        stub: room_grpc.WaitingRoomServiceAsyncStub,
        at: float,
        submission: Submission,
        pause: float,
    ) -> None:
        request = room.JoinWaitingRoomRequest(session_code=self._session_code)
        call = stub.JoinWaitingRoom(request, timeout=CALL_SECONDS, metadata=submission.metadata)
        code, now = await call.code(), time.monotonic()
        if code is grpc.StatusCode.OK:
            self._ticker.latencies.record(records.JOIN, now - at)
            self.joins += 1
            self._take(submission, (await call).place)
            return
        reason = reason_in(code, await call.details())
        if reason in NOT_NOW:
            asked = asked_seconds(await call.trailing_metadata())
            again = max(asked, pause * random.uniform(0.5, 1))  # noqa: S311 - spreads load
            self._push(now + again, submission, min(2 * pause, LONGEST_PAUSE_SECONDS))
        else:
            submission.reason = reason

    def _take(self, submission: Submission, place: room.Place) -> None:
        """Go on as the place says; each of several tabs is told."""
        if place.number:
            told = self.told.setdefault(submission.candidate.number, [])
            if place.number not in told:
                told.append(place.number)
        match place.state:
            case room.PLACE_STATE_ADMITTED | room.PLACE_STATE_OPEN:
                submission.in_line = False
                self._on_turn(submission, place.admission_pass)
            case room.PLACE_STATE_LAPSED:
                submission.in_line = False
                self._push(time.monotonic(), submission, FIRST_PAUSE_SECONDS)
            case _ if not submission.in_line:
                submission.in_line = True
                self._stream().watch(submission)

    def _stream(self) -> _Stream:
        if not self._streams or self._streams[-1].is_full:
            stub = self._places[len(self._streams) % len(self._places)]
            self._streams.append(_Stream(stub, self._session_code, self._take, self._lost))
        return self._streams[-1]

    def _lost(self, submission: Submission) -> None:
        """The service knows nothing of somebody's place: they come in again."""
        submission.in_line = False
        self._push(time.monotonic() + REOPEN_SECONDS, submission, FIRST_PAUSE_SECONDS)


class _Stream:
    """Places of many, by one stream that is opened again when it breaks."""

    def __init__(
        self,
        stub: stream_grpc.PlaceStreamServiceAsyncStub,
        session_code: str,
        take: Callable[[Submission, room.Place], None],
        lost: Callable[[Submission], None],
    ) -> None:
        self._stub = stub
        self._session_code = session_code
        self._take, self._lost = take, lost
        self._watched: dict[str, Submission] = {}
        self._to_name: list[Submission] = []
        self._named = 0
        self.task = asyncio.get_running_loop().create_task(self._run())

    @property
    def is_full(self) -> bool:
        """Others have to go elsewhere."""
        return self._named >= MOST_ON_A_STREAM

    def watch(self, submission: Submission) -> None:
        """Name somebody with the next message."""
        self._named += 1
        self._to_name.append(submission)

    async def _run(self) -> None:
        while True:
            try:
                async for answer in self._stub.WatchPlaces(self._messages()):
                    for place in answer.places:
                        self._told(place)
            except grpc.aio.AioRpcError:
                # Also of a service that dies: the places are the same afterwards.
                await asyncio.sleep(REOPEN_SECONDS)
            self._to_name = [*self._watched.values(), *self._to_name]
            self._watched.clear()

    async def _messages(self) -> AsyncIterator[stream.WatchPlacesRequest]:
        while True:
            some, self._to_name = self._to_name[:MOST_NAMED], self._to_name[MOST_NAMED:]
            if not some:
                await asyncio.sleep(COLLECT_SECONDS)
                continue
            self._watched.update((str(each.candidate.number), each) for each in some)
            yield stream.WatchPlacesRequest(
                session_code=self._session_code, candidates=[_watched(each) for each in some]
            )

    def _told(self, place: stream.WatchedPlace) -> None:
        submission = self._watched.get(place.watch_id)
        if submission is None:
            return
        if place.WhichOneof("outcome") == "error":
            del self._watched[place.watch_id]
            self._lost(submission)
            return
        if place.place.state not in (room.PLACE_STATE_WAITING, room.PLACE_STATE_QUEUED):
            del self._watched[place.watch_id]
        self._take(submission, place.place)


def _watched(submission: Submission) -> stream.WatchedCandidate:
    return stream.WatchedCandidate(
        watch_id=str(submission.candidate.number),
        access_token=submission.metadata[0][1][_BEARER:],
    )
