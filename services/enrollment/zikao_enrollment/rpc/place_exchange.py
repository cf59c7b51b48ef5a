"""One stream of a portal on which many candidates watch their places."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import TypeVar
from uuid import UUID

import structlog
from zikao.enrollment.v1 import place_stream_service_pb2 as pb
from zikao.enrollment.v1.portal_service_pb2 import SubmissionError
from zikao_kit.context import current_actor, current_request_id
from zikao_kit.error_table import ErrorTable
from zikao_kit.errors import INTERNAL, NOT_FOUND, UNAVAILABLE, DomainError
from zikao_kit.policy import MethodPolicy
from zikao_kit.validation import require_valid

from zikao_enrollment.converts.portals import MAX_ID_CHARACTERS, error_to_pb
from zikao_enrollment.converts.waiting import place_to_pb, tick_to_pb
from zikao_enrollment.domain.waiting import LAST_STATES, Place, RoomKey
from zikao_enrollment.parts import Parts
from zikao_enrollment.waiting.live_room import LiveRoom
from zikao_enrollment.waiting.onlookers import MAX_SILENCE_SECONDS

# The contract's.
MAX_WATCHED = 20_000
# Some milliseconds of work each: a new token costs 150 µs, and a board that is read meanwhile needs
# several turns of the event loop.
PLACES_A_MESSAGE = 500
TOKENS_AT_ONCE = 20
LOOK_SECONDS = 0.1
TICK_SECONDS = 0.5
# A candidate is let in to a stream as to the unary call, whose contract says who may.
_UNARY = MethodPolicy.of(
    pb.DESCRIPTOR.services_by_name["PlaceStreamService"].methods_by_name["WatchPlace"]
)
T = TypeVar("T")

log = structlog.get_logger()


@dataclass(slots=True, eq=False)
class _Watched:
    """A candidate of the stream, and the place that it was told last."""

    watch_id: str
    candidate_id: UUID
    # None for who has not joined.
    live: LiveRoom | None
    told: Place | None = None

    def is_as_told(self, place: Place) -> bool:
        """Whether the place is not another one, but only nearer to its turn."""
        told = self.told
        return told is not None and (place.state, place.number) == (told.state, told.number)


class _Line:
    """Those of a stream who wait in one room, who is next first."""

    def __init__(self, live: LiveRoom) -> None:
        self.live = live
        self._looks = live.looks
        self._waiting: list[tuple[int, int, _Watched]] = []
        self._entered = 0

    def __len__(self) -> int:
        """How many there are."""
        return len(self._waiting)

    def enter(self, watched: _Watched, number: int) -> None:
        """Wait from now on; number 0 before the draw."""
        self._entered += 1
        heappush(self._waiting, (number, self._entered, watched))

    def leave(self) -> list[_Watched]:
        """Those whose places may have become others."""
        if self._looks != self.live.looks:
            self._looks = self.live.looks
            return self.leave_all()
        left = []
        until = self.live.admitted_until
        while self._waiting and 0 < self._waiting[0][0] <= until:
            left.append(heappop(self._waiting))
        return [watched for _, _, watched in left]

    def leave_all(self) -> list[_Watched]:
        """All of them."""
        left, self._waiting = self._waiting, []
        return [watched for _, _, watched in left]


class PlaceExchange:
    """Reads whom the portal names, and tells the places that have become others."""

    def __init__(self, parts: Parts, errors: ErrorTable) -> None:
        self._rooms = parts.rooms
        self._joining = parts.joining
        self._clock = parts.clock
        self._verifier = parts.verifier
        self._errors = errors
        self._portal = current_actor().caller
        self._call_id = current_request_id()
        self._new: list[_Watched] = []
        self._refused: list[pb.WatchedPlace] = []
        self._lines: dict[RoomKey, _Line] = {}
        self._room = asyncio.Event()
        self._revision = -1
        self._read_at = self._ticked_at = time.monotonic()

    async def answers_to(
        self, requests: AsyncIterator[pb.WatchPlacesRequest]
    ) -> AsyncGenerator[pb.WatchPlacesResponse, None]:
        """Yield what is new until all have been told the last; raises what ended the reading."""
        reading = asyncio.create_task(self._read(requests))
        try:
            while True:
                is_last = reading.done()
                for answer in self._news():
                    yield answer
                if is_last and not self._watched:
                    await reading
                    return
                await asyncio.wait([reading], timeout=LOOK_SECONDS)
                if reading.done():
                    await asyncio.sleep(0 if self._new else LOOK_SECONDS)
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    async def _read(self, requests: AsyncIterator[pb.WatchPlacesRequest]) -> None:
        async for request in requests:
            while self._watched + len(self._new) >= MAX_WATCHED:
                self._room.clear()
                await self._room.wait()
            for some in _parts(request.candidates, TOKENS_AT_ONCE):
                named = (self._begin(request.session_code, candidate) for candidate in some)
                await asyncio.gather(*named)

    async def _begin(self, session_code: str, candidate: pb.WatchedCandidate) -> None:
        watch_id = candidate.watch_id[:MAX_ID_CHARACTERS]
        try:
            require_valid(candidate)
            actor = self._verifier.verify(candidate.access_token, self._portal)
            candidate_id = UUID(_UNARY.admit(self._portal, actor).subject)
            # The place may be one that another process has just given.
            await self._joining.place(session_code, candidate_id)
            live = self._rooms.with_place_of(session_code, candidate_id)
            self._new.append(_Watched(watch_id, candidate_id, live))
        except Exception as refusal:  # also a fault of ours: it is one candidate's alone
            self._refused.append(pb.WatchedPlace(watch_id=watch_id, error=self._error(refusal)))

    def _news(self) -> Iterator[pb.WatchPlacesResponse]:
        """What has changed since the last time, some at a time."""
        self._require_fresh()
        refused, self._refused = [*self._refused, *self._left_behind()], []
        for places in _parts(refused):
            yield pb.WatchPlacesResponse(places=places)
        looked_at, self._new = self._new, []
        is_newer = self._revision != self._rooms.revision
        if is_newer:
            self._revision, self._read_at = self._rooms.revision, time.monotonic()
            looked_at += [each for line in self._lines.values() for each in line.leave()]
        for some in _parts(looked_at):
            if changed := [*self._changed(some)]:
                yield pb.WatchPlacesResponse(places=changed)
        self._room.set()
        if is_newer and (ticks := self._ticks()):
            yield pb.WatchPlacesResponse(ticks=ticks)

    def _changed(self, candidates: Iterable[_Watched]) -> Iterator[pb.WatchedPlace]:
        now = self._clock.now()
        for each in candidates:
            place = each.live.place(each.candidate_id, now) if each.live else None
            if each.live is None or place is None:
                error = self._error(DomainError(NOT_FOUND))
                yield pb.WatchedPlace(watch_id=each.watch_id, error=error)
                continue
            if place.state not in LAST_STATES:
                self._line(each.live).enter(each, place.number)
            if not each.is_as_told(place):
                each.told = place
                shown = place_to_pb(place, each.live.pass_of(each.candidate_id, place))
                yield pb.WatchedPlace(watch_id=each.watch_id, place=shown)

    def _left_behind(self) -> Iterator[pb.WatchedPlace]:
        """Those whose room may not be entered any more, or is read anew: they subscribe again."""
        for key, line in [*self._lines.items()]:
            if self._rooms.live(key) is not line.live:
                del self._lines[key]
                for each in line.leave_all():
                    error = self._error(DomainError(UNAVAILABLE))
                    yield pb.WatchedPlace(watch_id=each.watch_id, error=error)

    def _ticks(self) -> list[pb.QueueTick]:
        now = time.monotonic()
        if now - self._ticked_at < TICK_SECONDS:
            return []
        self._ticked_at = now
        rooms = [line.live.room for line in self._lines.values() if line]
        return [tick_to_pb(room) for room in rooms if room]

    def _line(self, live: LiveRoom) -> _Line:
        if live.key not in self._lines:
            self._lines[live.key] = _Line(live)
        return self._lines[live.key]

    @property
    def _watched(self) -> int:
        return sum(map(len, self._lines.values()))

    def _require_fresh(self) -> None:
        unread = time.monotonic() - self._read_at
        if self._revision == self._rooms.revision and unread > MAX_SILENCE_SECONDS:
            raise DomainError(UNAVAILABLE)

    def _error(self, error: Exception) -> SubmissionError:
        if not isinstance(error, DomainError) or error.reason not in self._errors:
            log.error("a place could not be watched", exc_info=error)
            error = DomainError(INTERNAL)
        return error_to_pb(error, self._errors, self._call_id)


def _parts(items: Sequence[T], size: int = PLACES_A_MESSAGE) -> Iterator[Sequence[T]]:
    """Some at a time."""
    for begin in range(0, len(items), size):
        yield items[begin : begin + size]
