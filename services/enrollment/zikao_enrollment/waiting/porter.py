"""Opens waiting rooms, and draws the order of those who are there, when it is time."""

import asyncio
from datetime import datetime

from zikao_kit.clock import Clock
from zikao_kit.db import Database

from zikao_enrollment.commands.draw_waiting_room import draw_room, open_room
from zikao_enrollment.domain.timetable import Window
from zikao_enrollment.domain.waiting import RoomKey
from zikao_enrollment.stores.waiting import WaitingStore
from zikao_enrollment.waiting.rooms import Rooms, raise_all


class Porter:
    """Of one process. A draw that has to wait keeps neither another room nor any reader."""

    def __init__(self, db: Database, rooms: Rooms, clock: Clock) -> None:
        self._db = db
        self._rooms = rooms
        self._clock = clock

    async def work(self) -> bool:
        """Open and draw what is due, and know of it at once; raises what failed for a room."""
        now = self._clock.now()
        due = {key: w for key, w in self._rooms.windows().items() if self._is_due(key, w, now)}
        if not due:
            return False
        doing = (self._open_or_draw(key, window, now) for key, window in due.items())
        done = await asyncio.gather(*doing, return_exceptions=True)
        await self._rooms.refresh()
        raise_all([each for each in done if isinstance(each, Exception)])
        return False

    def _is_due(self, key: RoomKey, window: Window, now: datetime) -> bool:
        if window.waiting_room is None:
            return False
        is_drawn = self._rooms.is_drawn(key)
        return key not in self._rooms.rows or (now >= window.opens_at and not is_drawn)

    async def _open_or_draw(self, key: RoomKey, window: Window, now: datetime) -> None:
        if key not in self._rooms.rows:
            async with self._db.transaction() as tx:
                await open_room(WaitingStore(tx), key, now)
        if now >= window.opens_at:
            async with self._db.transaction() as tx:
                await draw_room(WaitingStore(tx), key, now)
