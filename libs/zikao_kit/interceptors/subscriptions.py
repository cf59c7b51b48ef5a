"""Calls without an end: counted apart from the others, and ended when the server stops.

They hold no slot of admission: they mostly wait. A stopping server ends them with
UNAVAILABLE, so that their callers go elsewhere at once and the drain need not wait.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from zikao_kit.admission import overloaded
from zikao_kit.errors import UNAVAILABLE, DomainError


class Subscriptions:
    """The subscriptions that are open now, at most `limit`."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._tasks: set[asyncio.Task[object]] = set()
        self._ended = False

    @contextmanager
    def open(self) -> Iterator[None]:
        """Count the current task as one; raises OVERLOADED beyond the limit.

        Raises UNAVAILABLE when the server stops.
        """
        if self._ended:
            raise DomainError(UNAVAILABLE)
        if len(self._tasks) >= self._limit:
            raise overloaded()
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a subscription runs in a task")
        self._tasks.add(task)
        try:
            yield
        except asyncio.CancelledError:
            if self._ended and task.uncancel() == 0:
                raise DomainError(UNAVAILABLE) from None
            raise
        finally:
            self._tasks.discard(task)

    def end_all(self) -> None:
        """End all of them, and refuse new ones from now on."""
        self._ended = True
        for task in self._tasks:
            task.cancel()
