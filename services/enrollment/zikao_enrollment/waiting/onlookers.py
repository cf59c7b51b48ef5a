"""Candidates who watch their places: what is the same for all is put into bytes once.

Nobody has a queue: who is not ready for a tick gets the next one. All are told in small parts,
between which other calls have their turn; whose turn has come is told at once.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from uuid import UUID

from zikao.enrollment.v1 import place_stream_service_pb2 as pb
from zikao_kit.clock import Clock
from zikao_kit.errors import NOT_FOUND, UNAVAILABLE, DomainError
from zikao_kit.serialized import serialized

from zikao_enrollment.converts.waiting import place_to_pb, tick_to_pb
from zikao_enrollment.domain.waiting import LAST_STATES, Place, RoomKey
from zikao_enrollment.waiting.live_room import LiveRoom
from zikao_enrollment.waiting.rooms import Rooms

# The contract's: then readers look for another process.
MAX_SILENCE_SECONDS = 5.0
# A tick costs some 50 µs: a tenth of a core at the most, however many watch.
TICK_SECONDS = 1.0
TICKS_A_SECOND = 2000
LONGEST_TICK_SECONDS = 4.0
# Some milliseconds of work.
TOLD_AT_ONCE = 50


class Onlookers:
    """Those of a process. `work` is to be repeated without a pause."""

    def __init__(
        self, rooms: Rooms, clock: Clock, max_silence_seconds: float = MAX_SILENCE_SECONDS
    ) -> None:
        self._rooms = rooms
        self._clock = clock
        self._max_silence_seconds = max_silence_seconds
        self._revision = rooms.revision
        self._lines: dict[RoomKey, _Line] = {}

    async def watch(
        self, session_code: str, candidate_id: UUID
    ) -> AsyncGenerator[pb.WatchPlaceResponse, None]:
        """Yield a candidate's place, ticks, and what the place becomes; ends with its last state.

        Raises NOT_FOUND for who has no place, UNAVAILABLE when what is known is too old.
        """
        live = self._rooms.with_place_of(session_code, candidate_id)
        if live is None:
            raise DomainError(NOT_FOUND)
        line = self._lines.setdefault(live.key, _Line(live))
        line.watching += 1
        told: Place | None = None
        try:
            while True:
                seen, place = line.count, self._place(live, candidate_id)
                if told is None or _differ(place, told):
                    told = place
                    yield pb.WatchPlaceResponse(
                        place=place_to_pb(place, live.pass_of(candidate_id, place))
                    )
                else:
                    yield line.tick
                if place.state in LAST_STATES:
                    return
                await line.next(seen, place.number)
        finally:
            line.watching -= 1
            if not line.watching:
                self._lines.pop(live.key, None)

    async def work(self) -> bool:
        """Tell of what was read last, or end all streams when nothing is; never done."""
        try:
            async with asyncio.timeout(self._max_silence_seconds):
                self._revision = await self._rooms.newer(self._revision)
        except TimeoutError:
            for line in [*self._lines.values()]:
                await line.end()
        else:
            for key, line in [*self._lines.items()]:
                # A room that may not be entered any more has nothing to tell, and one that was
                # left out for a while (a clock that jumps) is read by another object.
                is_there = self._rooms.live(key) is line.live
                await (line.tell(time.monotonic()) if is_there else line.end())
        return True

    def _place(self, live: LiveRoom, candidate_id: UUID) -> Place:
        place = live.place(candidate_id, self._clock.now())
        if place is None:
            raise DomainError(NOT_FOUND)
        return place


class _Line:
    """Those who watch the same room; ticks are numbered by `count`."""

    def __init__(self, live: LiveRoom) -> None:
        self.count = 0
        self.watching = 0
        self.live = live
        self._told_at = time.monotonic()
        self._seen = self.live.looks
        self._tick: pb.WatchPlaceResponse | None = None
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []

    @property
    def tick(self) -> pb.WatchPlaceResponse:
        """How far the room is."""
        if self._tick is None:
            room = self.live.room
            tick = tick_to_pb(room) if room else None
            self._tick = serialized(pb.WatchPlaceResponse(tick=tick))
        return self._tick

    async def next(self, seen: int, number: int) -> None:
        """Wait for another tick, or for the turn of a number; raises UNAVAILABLE at the end."""
        if self.count != seen or 0 < number <= self.live.admitted_until:
            return
        waiting = asyncio.get_running_loop().create_future()
        self._waiting.append((number, waiting))
        await waiting

    async def tell(self, now: float) -> None:
        """Wake whose turn has come, and all when there is a tick."""
        looks, pause = self.live.looks, max(TICK_SECONDS, self.watching / TICKS_A_SECOND)
        if looks == self._seen and now - self._told_at < min(pause, LONGEST_TICK_SECONDS):
            until = self.live.admitted_until
            due = [each for each in self._waiting if 0 < each[0] <= until]
            if due:
                self._waiting = [each for each in self._waiting if not 0 < each[0] <= until]
                await _wake(due, None)
            return
        self.count += 1
        self._seen, self._told_at, self._tick = looks, now, None
        await self._wake_all(None)

    async def end(self) -> None:
        """End all streams."""
        await self._wake_all(DomainError(UNAVAILABLE))

    async def _wake_all(self, error: DomainError | None) -> None:
        waiting, self._waiting = self._waiting, []
        await _wake(waiting, error)


async def _wake(waiting: list[tuple[int, asyncio.Future[None]]], error: DomainError | None) -> None:
    for begin in range(0, len(waiting), TOLD_AT_ONCE):
        for _, each in waiting[begin : begin + TOLD_AT_ONCE]:
            if each.done():  # its caller has gone
                continue
            if error is not None:
                each.set_exception(error)
            else:
                each.set_result(None)
        await asyncio.sleep(0)


def _differ(place: Place, told: Place) -> bool:
    """Whether it is another place, and not only nearer to its turn."""
    return (place.state, place.number) != (told.state, told.number)
