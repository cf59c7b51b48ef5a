"""The waiting rooms of a process, read again and again."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

import structlog
from zikao_kit.clock import Clock
from zikao_kit.db import Database

from zikao_enrollment.domain.timetable import Session, Track, Window
from zikao_enrollment.domain.waiting import Room, RoomKey, RoomState, is_live
from zikao_enrollment.stores.waiting import WaitingStore
from zikao_enrollment.views.boards import Boards
from zikao_enrollment.waiting.live_room import LiveRoom

# Also how long those who are admitted wait to hear of it, and how many hear of it together.
ROOM_PAUSE_SECONDS = 0.1
# While nobody is admitted: before the draw, and when a room is open.
STILL_SECONDS = 0.5

log = structlog.get_logger()


class Rooms:
    """`rows` are all rooms that were ever opened; `revision` grows with each reading."""

    def __init__(self, db: Database, boards: Boards, clock: Clock) -> None:
        self._db = db
        self._boards = boards
        self._clock = clock
        self._reading = asyncio.Lock()
        self._renewed = asyncio.Event()
        self._live: dict[RoomKey, LiveRoom] = {}
        self.rows: Mapping[RoomKey, Room] = {}
        self.revision = 0
        self._looked_at = -math.inf

    def live(self, key: RoomKey) -> LiveRoom | None:
        """A room that may be entered now, or was taken away from its window."""
        return self._live.get(key)

    def all_live(self) -> list[LiveRoom]:
        """All rooms that may be entered now, or were taken away from their windows."""
        return [*self._live.values()]

    def with_place_of(self, session_code: str, candidate_id: UUID) -> LiveRoom | None:
        """The room of the session in which a candidate is known to have a place."""
        for track in Track:
            found = self._live.get(RoomKey(session_code, track))
            if found is not None and found.has(candidate_id):
                return found
        return None

    def is_open(self, key: RoomKey) -> bool:
        """Whether nobody needs a pass of the room any more."""
        room = self.rows.get(key)
        return room is not None and not room.is_gating

    def is_drawn(self, key: RoomKey) -> bool:
        """Whether the order is known to be drawn, as it will stay."""
        room = self.rows.get(key)
        return room is not None and room.drawn_count is not None

    def gated(self, session: Session, now: datetime) -> frozenset[Track]:
        """The tracks that may enroll at `now`, and need an admission pass for it.

        A room that is not known here is one that has just been opened, or is late in being so.
        """
        return frozenset(
            window.track
            for window in session.windows
            if window.waiting_room is not None
            and window.is_open(now)
            and not self.is_open(RoomKey(session.code, window.track))
        )

    async def newer(self, than: int) -> int:
        """Wait for another revision."""
        while self.revision == than:
            await self._renewed.wait()
        return self.revision

    async def refresh(self) -> None:
        """Read all that has changed."""
        while await self.work():
            pass

    @property
    def is_admitting(self) -> bool:
        """Whether some room has numbers, and submitting needs a pass."""
        rooms = (live.room for live in self._live.values())
        return any(room is not None and room.state is RoomState.ADMITTING for room in rooms)

    async def look(self) -> bool:
        """`work`, less often while nobody is admitted."""
        still = time.monotonic() - self._looked_at < STILL_SECONDS
        return False if still and not self.is_admitting else await self.work()

    async def work(self) -> bool:
        """The same, a part of what has changed; whether there is more. One reading at a time."""
        async with self._reading:
            windows = self.windows()
            if not windows and not self._live and self.revision:
                return False
            more = await self._read(windows)
            # Only now it is known which rooms were taken away from their windows.
            more |= not self.revision
            for live in self._live.values() if not more else ():
                await live.find_numbers()
        self.revision += 1
        self._looked_at = time.monotonic()
        self._renewed.set()
        self._renewed = asyncio.Event()
        return more

    def windows(self) -> dict[RoomKey, Window]:
        """The windows whose rooms may be entered now, or were taken away since they opened.

        Who waits in one of these is told that it is open.
        """
        now = self._clock.now()
        windows = {
            RoomKey(code, window.track): window
            for code, applied in self._boards.current.sessions.items()
            for window in applied.session.windows
        }
        return {
            key: window
            for key, window in windows.items()
            if is_live(window, now) or (key in self.rows and _has_lost_its_room(window, now))
        }

    async def _read(self, windows: Mapping[RoomKey, Window]) -> bool:
        more = False
        live = {
            key: self._live.get(key) or LiveRoom(key, window) for key, window in windows.items()
        }
        async with self._db.transaction(isolation="REPEATABLE READ", read_only=True) as tx:
            store = WaitingStore(tx)
            self.rows = await store.rooms()
            for key, each in live.items():
                each.window, each.room = windows[key], self.rows.get(key)
                more |= await each.read(store)
        self._live = live
        return more


def raise_all(failures: Sequence[Exception]) -> None:
    """Raise the first of what has failed for several rooms; the others are logged."""
    for failure in failures[1:]:
        log.warning("another room failed, too", exc_info=failure)
    if failures:
        raise failures[0]


def _has_lost_its_room(window: Window, now: datetime) -> bool:
    return window.waiting_room is None and now < window.closes_at
