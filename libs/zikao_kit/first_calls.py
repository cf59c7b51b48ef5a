"""Calls of connections that have taken no answer so far: few at once.

Who takes no answers has each call worked on until that is noticed. So a connection begins with few
calls, as TCP begins with few packets: the others wait here until an answer has gone out, which is
at once for whoever reads. What was refused has no answer that could wait, and makes room for one
more.
"""

from __future__ import annotations

import asyncio
from collections import deque

FIRST_CALLS = 8
# Nobody waits here for longer: there may be callers who read in their own way.
MOST_SECONDS = 1.0


class FirstCalls:
    """Room for calls, by connections as `ServicerContext.peer()` names them."""

    def __init__(self) -> None:
        self._room: dict[str, int] = {}
        self._lines: dict[str, deque[asyncio.Future[None]]] = {}

    def waiting(self, peer: str) -> int:
        """How many calls of it wait here."""
        return len(self._lines.get(peer, ()))

    async def enter(self, peer: str) -> None:
        """Begin a call as soon as there is room for it."""
        room = self._room.get(peer, FIRST_CALLS)
        if room > 0:
            self._room[peer] = room - 1
            return
        line, place = self._line(peer), asyncio.get_running_loop().create_future()
        line.append(place)
        try:
            await place
        except asyncio.CancelledError:
            if place in line:
                line.remove(place)
            elif not place.cancelled():
                self.leave(peer)  # it had just been let in
            raise

    def leave(self, peer: str, room: int = 1) -> None:
        """A call has ended whose answer nobody took: there is room for another one, or more."""
        self._room[peer] = self._room.get(peer, FIRST_CALLS - 1) + room
        line = self._lines.get(peer)
        while line and self._room[peer] > 0:
            self._room[peer] -= _let_in(line)

    def lift(self, peer: str) -> None:
        """It takes answers: all that wait begin."""
        self._room.pop(peer, None)
        if (line := self._lines.pop(peer, None)) is not None:
            while line:
                _let_in(line)

    def forget_all_but(self, connected: set[str]) -> None:
        """Others' calls have gone with their connections."""
        for gone in self._room.keys() - connected:
            del self._room[gone]
        for gone in self._lines.keys() - connected:
            del self._lines[gone]

    def _line(self, peer: str) -> deque[asyncio.Future[None]]:
        line = self._lines.get(peer)
        if line is None:
            line = self._lines[peer] = deque()
            asyncio.get_running_loop().call_later(MOST_SECONDS, self._let_all_in, peer, line)
        return line

    def _let_all_in(self, peer: str, line: deque[asyncio.Future[None]]) -> None:
        if self._lines.get(peer) is line:
            del self._lines[peer]
        room = self._room.get(peer, 0)
        while line:
            room -= _let_in(line)
        self._room[peer] = room


def _let_in(line: deque[asyncio.Future[None]]) -> int:
    """How many it was: whose call has just ended takes no room."""
    place = line.popleft()
    if place.done():
        return 0
    place.set_result(None)
    return 1
