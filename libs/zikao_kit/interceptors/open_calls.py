"""Calls that are open for long: counted apart from the others, in all and of each caller.

They hold no slot of admission while they wait. A stopping server ends those without an
end with UNAVAILABLE, so that their callers go elsewhere at once and the drain need not
wait.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Hashable, Iterator
from contextlib import contextmanager

from zikao_kit.admission import overloaded
from zikao_kit.errors import UNAVAILABLE, DomainError


class OpenCalls:
    """The calls of one kind that are open now, at most `limit`, and `limit_each` of one caller."""

    def __init__(self, limit: int, limit_each: int) -> None:
        self._limit = limit
        self._limit_each = limit_each
        self._of_each: Counter[Hashable] = Counter()
        self._tasks: set[asyncio.Task[object]] = set()
        self._ended = False

    @contextmanager
    def open(self, who: Hashable) -> Iterator[None]:
        """Count the current task as one of `who`; raises OVERLOADED beyond the limits.

        Raises UNAVAILABLE when the server stops.
        """
        if self._ended:
            raise DomainError(UNAVAILABLE)
        if len(self._tasks) >= self._limit or self._of_each[who] >= self._limit_each:
            raise overloaded()
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a call runs in a task")
        self._tasks.add(task)
        self._of_each[who] += 1
        try:
            yield
        except asyncio.CancelledError:
            if self._ended and task.uncancel() == 0:
                raise DomainError(UNAVAILABLE) from None
            raise
        finally:
            self._tasks.discard(task)
            self._of_each[who] -= 1
            if not self._of_each[who]:
                del self._of_each[who]

    def end_all(self) -> None:
        """End all of them, and refuse new ones from now on."""
        self._ended = True
        for task in self._tasks:
            task.cancel()
