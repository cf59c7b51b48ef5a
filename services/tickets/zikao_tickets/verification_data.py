"""What scanners carry, made at most once a second for a session: anyone may ask for it."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import NamedTuple
from weakref import WeakValueDictionary

from zikao.tickets.v1.ticket_service_pb2 import GetVerificationDataResponse

KEPT_SECONDS = 1.0


class _Kept(NamedTuple):
    answer: GetVerificationDataResponse
    until: float


class VerificationData:
    """Keeps the answers of sessions that have revoked tickets: their size grows with those.

    An answer without is cheap to make, and not kept: nobody can fill the memory with the
    codes of sessions that there are not. Callers that come together wait for one reading.
    """

    def __init__(self, read: Callable[[str], Awaitable[GetVerificationDataResponse]]) -> None:
        self._read = read
        self._kept: dict[str, _Kept] = {}
        self._reading: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def of(self, session_code: str) -> GetVerificationDataResponse:
        """The answer about a session, a second old at most; not to be changed."""
        reading = self._reading.setdefault(session_code, asyncio.Lock())
        async with reading:
            kept = self._kept.get(session_code)
            if kept is not None and time.monotonic() < kept.until:
                return kept.answer
            until = time.monotonic() + KEPT_SECONDS
            answer = await self._read(session_code)
            if answer.revoked:
                self._kept[session_code] = _Kept(answer, until)
            return answer
