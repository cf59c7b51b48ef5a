"""Shows seats to all who keep looking: what has changed is put into bytes once for all of them.

Nobody has a queue: who is not ready for a message gets the whole table later. All are told in
small parts, between which other calls have their turn.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence

from zikao.enrollment.v1 import availability_service_pb2 as pb
from zikao_kit.errors import INVALID_REQUEST, UNAVAILABLE, DomainError, FieldProblem
from zikao_kit.serialized import serialized

from zikao_enrollment.converts.sessions import availability_change_to_pb
from zikao_enrollment.domain.board import Board, SeatRow
from zikao_enrollment.views.boards import Boards

# One second, less what the pauses between two boards may be off.
HEARTBEAT_SECONDS = 0.9
# The contract's: then readers look for another process.
MAX_SILENCE_SECONDS = 5.0
# Some milliseconds of work.
TOLD_AT_ONCE = 50


class Spectators:
    """Those of a process. `work` is to be repeated without a pause."""

    def __init__(self, boards: Boards, max_silence_seconds: float = MAX_SILENCE_SECONDS) -> None:
        self._boards = boards
        self._max_silence_seconds = max_silence_seconds
        self._board = boards.current
        self._views: dict[tuple[str, str], _View] = {}

    @property
    def watched(self) -> int:
        """How many different views somebody looks at."""
        return len(self._views)

    async def watch(
        self, session_code: str, county_prefix: str
    ) -> AsyncGenerator[pb.WatchAvailabilityResponse, None]:
        """Yield the seats of the counties whose code begins so, then what has changed.

        Raises SESSION_UNKNOWN, INVALID_REQUEST where there is no county (each prefix costs every
        board), and UNAVAILABLE when what is known is too old.
        """
        board = self._boards.fresh()
        board.require(session_code)
        if not board.seats_in(session_code, county_prefix):
            problem = FieldProblem("county_prefix", "本次考试没有该区域的区县")
            raise DomainError(INVALID_REQUEST, fields=[problem])
        view = self._view(session_code, county_prefix)
        view.spectators += 1
        seen = 0
        try:
            while True:
                while seen == view.number or not self._boards.is_fresh():
                    await view.next()
                # Taken before anything is awaited: the number belongs to the message.
                seen, message = view.number, view.message(seen)
                yield message
        finally:
            view.spectators -= 1
            if not view.spectators:
                del self._views[session_code, county_prefix]

    async def work(self) -> bool:
        """Tell of the next board, or end all streams when there is none; never done."""
        try:
            async with asyncio.timeout(self._max_silence_seconds):
                self._board = await self._boards.newer(self._board)
        except TimeoutError:
            for view in [*self._views.values()]:
                await view.tell(end=True)
        else:
            now = time.monotonic()
            for view in [*self._views.values()]:
                if view.show(self._board, now):
                    await view.tell()
        return True

    def _view(self, session_code: str, county_prefix: str) -> _View:
        key = session_code, county_prefix
        if key not in self._views:
            self._views[key] = _View(session_code, county_prefix, self._boards.current)
        return self._views[key]


class _View:
    """What those see who look at the same counties; messages are numbered from 1."""

    def __init__(self, session_code: str, county_prefix: str, board: Board) -> None:
        self.number = 1
        self.spectators = 0
        self._of = session_code, county_prefix
        self._board = board
        self._told_at = time.monotonic()
        self._table: pb.WatchAvailabilityResponse | None = None
        self._change: pb.WatchAvailabilityResponse | None = None
        self._waiting: list[asyncio.Future[None]] = []

    def show(self, board: Board, now: float) -> bool:
        """Take a newer board at `now` (monotonic); whether that is worth a message."""
        rows = board.changes_since(self._board, *self._of)
        self._board, self._table = board, None
        if rows == [] and now - self._told_at < HEARTBEAT_SECONDS:
            return False
        self.number += 1
        self._told_at = now
        self._change = None if rows is None else self._message(rows, full=False)
        return True

    def message(self, seen: int) -> pb.WatchAvailabilityResponse:
        """What brings up to date who has seen message `seen`; 0 for none."""
        if seen == self.number - 1 and self._change is not None:
            return self._change
        if self._table is None:
            self._table = self._message(self._board.seats_in(*self._of), full=True)
        return self._table

    async def next(self) -> None:
        """Wait until there is something to see; raises UNAVAILABLE when there will be nothing."""
        waiting = asyncio.get_running_loop().create_future()
        self._waiting.append(waiting)
        await waiting

    async def tell(self, *, end: bool = False) -> None:
        """Wake those who wait, or end their streams."""
        waiting, self._waiting = self._waiting, []
        for begin in range(0, len(waiting), TOLD_AT_ONCE):
            for each in waiting[begin : begin + TOLD_AT_ONCE]:
                if each.done():  # its caller has gone
                    continue
                if end:
                    each.set_exception(DomainError(UNAVAILABLE))
                else:
                    each.set_result(None)
            await asyncio.sleep(0)

    def _message(self, rows: Sequence[SeatRow], *, full: bool) -> pb.WatchAvailabilityResponse:
        board = self._board
        next_release_at = board.next_release_at.get(self._of[0])
        return serialized(availability_change_to_pb(rows, board.as_of, next_release_at, full=full))
