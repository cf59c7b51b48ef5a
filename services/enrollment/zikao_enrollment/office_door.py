"""How often offices may change what is sold.

Every change locks all seats of its session for a moment, and the batches that are being decided
begin anew: who changes something again and again must not keep candidates from their seats.
Without the door two officers at it in two processes made a sixth of 3,000 submissions UNAVAILABLE;
with it, none. An act that is refused has locked them too. Who comes again before the last act is
done is sent away: one officer shuts the door to nobody.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from zikao_kit.admission import OneAtATime, overloaded

# Longer than a batch takes to be decided and decided again.
PAUSE_SECONDS = 0.2
MAX_WAITING = 16
PATIENCE_SECONDS = 5.0

T = TypeVar("T")


class OfficeDoor:
    """Lets one act after the other through, one of each officer, with a pause after each."""

    def __init__(self, pause_seconds: float = PAUSE_SECONDS) -> None:
        self._pause_seconds = pause_seconds
        self._turn = asyncio.Lock()
        self._open_at = 0.0
        self._waiting = 0
        self._officers = OneAtATime()

    async def act(self, officer: str, work: Callable[[], Awaitable[T]]) -> T:
        """Do `work` when it is its turn.

        Raises OVERLOADED when many wait, or for too long, or one of this officer does.
        """
        if self._waiting >= MAX_WAITING:
            raise overloaded()
        with self._officers.only(officer):
            return await self._act_in_turn(work)

    async def _act_in_turn(self, work: Callable[[], Awaitable[T]]) -> T:
        self._waiting += 1
        try:
            async with asyncio.timeout(PATIENCE_SECONDS) as patience, self._turn:
                await asyncio.sleep(self._open_at - time.monotonic())
                patience.reschedule(None)
                try:
                    return await work()
                finally:
                    self._open_at = time.monotonic() + self._pause_seconds
        except TimeoutError:
            if patience.expired():
                raise overloaded() from None
            raise
        finally:
            self._waiting -= 1
