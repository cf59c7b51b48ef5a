"""Counts when somebody asks, and not too often: what was counted is shown to all who ask.

To count through a province takes seconds; whoever asks meanwhile waits for the same numbers, and
what has just been counted is shown for a while.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Generic, TypeAlias, TypeVar

from zikao_kit.clock import Clock
from zikao_kit.db import Database, Transaction

KEEP_SECONDS = 5.0
# Counting takes no more than a twentieth of the time, however long it takes.
KEEP_TIMES = 20.0

F = TypeVar("F")
Count: TypeAlias = Callable[[Transaction, str, datetime], Awaitable[F]]


class Counting(Generic[F]):
    """The numbers of this process; their age is measured by the machine."""

    def __init__(
        self, db: Database, clock: Clock, count: Count[F], keep_seconds: float = KEEP_SECONDS
    ) -> None:
        """`count` a session, by its code, in a snapshot that is taken now."""
        self._db = db
        self._clock = clock
        self._count_now = count
        self._keep_seconds = keep_seconds
        self._known: dict[str, tuple[float, F]] = {}
        self._under_way: dict[str, asyncio.Task[F]] = {}

    async def figures(self, session_code: str) -> F:
        """The numbers of a session that there is, counted now or a little while ago.

        Who has no time to wait does not end the counting: others wait for it, or will ask.
        """
        known = self._known.get(session_code)
        if known is not None and time.monotonic() < known[0]:
            return known[1]
        counting = self._under_way.get(session_code)
        if counting is None:
            counting = asyncio.create_task(self._count(session_code))
            self._under_way[session_code] = counting
            counting.add_done_callback(lambda _: self._under_way.pop(session_code))
        return await asyncio.shield(counting)

    async def _count(self, session_code: str) -> F:
        begun, as_of = time.monotonic(), self._clock.now()
        async with self._db.transaction(isolation="REPEATABLE READ", read_only=True) as tx:
            figures = await self._count_now(tx, session_code, as_of)
        ended = time.monotonic()
        keep = max(self._keep_seconds, KEEP_TIMES * (ended - begun))
        self._known[session_code] = ended + keep, figures
        return figures
