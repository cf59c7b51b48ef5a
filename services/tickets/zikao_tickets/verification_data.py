"""What scanners carry, made at most once a second for a session: anyone may ask for it."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Generic, NamedTuple, TypeVar
from weakref import WeakValueDictionary

KEPT_SECONDS = 1.0
T = TypeVar("T")


class Made(NamedTuple, Generic[T]):
    """An answer; a heavy one is worth keeping."""

    answer: T
    is_heavy: bool


class _Kept(NamedTuple, Generic[T]):
    answer: T
    until: float


class VerificationData(Generic[T]):
    """Keeps the heavy answers, of sessions that have revoked tickets: their size grows with those.

    A light one is cheap to make, and not kept: nobody can fill the memory with the
    codes of sessions that there are not. Callers that come together wait for one reading.
    """

    def __init__(self, read: Callable[[str], Awaitable[Made[T]]]) -> None:
        self._read = read
        self._kept: dict[str, _Kept[T]] = {}
        self._reading: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def of(self, session_code: str) -> T:
        """The answer about a session, a second old at most; not to be changed."""
        reading = self._reading.setdefault(session_code, asyncio.Lock())
        async with reading:
            kept = self._kept.get(session_code)
            if kept is not None and time.monotonic() < kept.until:
                return kept.answer
            until = time.monotonic() + KEPT_SECONDS
            made = await self._read(session_code)
            if made.is_heavy:
                self._kept[session_code] = _Kept(made.answer, until)
            return made.answer
