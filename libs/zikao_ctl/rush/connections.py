"""Some connections to one service, which are made anew when it lets go of them or dies."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from typing import Any

from zikao_ctl.rush.http2 import UNAVAILABLE, Address, Connection, Ended, connect

EXPIRE_SECONDS = 0.1
CONNECT_SECONDS = 5.0
FIRST_RECONNECT_SECONDS, LONGEST_RECONNECT_SECONDS = 0.1, 1.0


class Connections:
    """Calls go on the one with the fewest under way; none before `open`."""

    def __init__(self, address: Address, timeout_seconds: float) -> None:
        """All calls have the same timeout."""
        self.authority = address.server_name
        self._address = address
        self._timeout = timeout_seconds
        self._is_closed = False
        self._usable: list[Connection] = []
        # Asked to go, with calls that are still to be answered.
        self._leavers: set[Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self, count: int) -> None:
        """Open so many; raises OSError."""
        for _ in range(count):
            self._usable.append(await connect(self._address, self._leaving))
        self._start(self._expire())

    async def close(self) -> None:
        """Let go of all."""
        self._is_closed = True
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for connection in (*self._usable, *self._leavers):
            connection.close()
        self._usable.clear()

    def send(self, head: bytes, body: bytes, ended: Ended) -> None:
        """Begin a call, which `ended` hears of once, later; it goes out with `flush`."""
        if not self._usable:
            loop = asyncio.get_running_loop()
            loop.call_soon(ended, UNAVAILABLE, b"no connection", 0.0)
            return
        idlest = min(self._usable, key=_unanswered)
        idlest.send(head, body, ended, self._timeout)

    def flush(self) -> None:
        """Write what was begun."""
        for connection in self._usable:
            connection.flush()

    def _leaving(self, connection: Connection) -> None:
        if connection.is_lost:
            self._remove(connection)
        else:
            # It keeps what comes meanwhile for its successor.
            self._leavers.add(connection)
        if not self._is_closed:
            self._start(self._renew(connection))

    async def _renew(self, old: Connection) -> None:
        pause = FIRST_RECONNECT_SECONDS
        while True:
            try:
                async with asyncio.timeout(CONNECT_SECONDS):
                    new = await connect(self._address, self._leaving)
                break
            except OSError:
                self._remove(old)
                old.give_up()
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_RECONNECT_SECONDS)
        self._remove(old)
        self._usable.append(new)
        old.hand_over(new)

    def _remove(self, connection: Connection) -> None:
        if connection in self._usable:
            self._usable.remove(connection)

    async def _expire(self) -> None:
        while True:
            await asyncio.sleep(EXPIRE_SECONDS)
            now = time.monotonic()
            for connection in {*self._usable, *self._leavers}:
                connection.expire(now)
            self._leavers = {each for each in self._leavers if not each.is_lost}

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _unanswered(connection: Connection) -> int:
    return connection.unanswered
