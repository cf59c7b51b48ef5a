"""What is to be done when, for tens of thousands who come again and again.

By milliseconds, not in a heap: those who are held back come again twenty thousand times a second,
and whatever that costs is missing to the system that is rehearsed on the same machine.
"""

from __future__ import annotations

from typing import Generic, TypeVar

SLOTS_A_SECOND = 1000

T = TypeVar("T")


class Agenda(Generic[T]):
    """Items at their times, in monotonic seconds."""

    def __init__(self) -> None:
        self._slots: dict[int, list[tuple[float, T]]] = {}
        # All before it has been taken; what is added there is late.
        self._next: int | None = None
        self._late: list[tuple[float, T]] = []

    def add(self, at: float, item: T) -> None:
        """Have it be taken from `at` on."""
        slot = int(at * SLOTS_A_SECOND)
        if self._next is not None and slot < self._next:
            self._late.append((at, item))
        elif slot in self._slots:
            self._slots[slot].append((at, item))
        else:
            self._slots[slot] = [(at, item)]

    def take(self, now: float) -> list[tuple[float, T]]:
        """What was due before the millisecond of `now`, nearly in order of time."""
        end = int(now * SLOTS_A_SECOND)
        taken = [each for each in self._late if each[0] <= now] if self._late else []
        if taken:
            self._late = [each for each in self._late if each[0] > now]
        first = min(self._slots, default=end) if self._next is None else self._next
        for slot in range(first, end):
            items = self._slots.pop(slot, None)
            if items is not None:
                taken += items
        self._next = max(first, end)
        return taken

    def clear(self) -> list[T]:
        """Give up all that was not taken, and return it."""
        left = [item for _, item in self._late]
        left += [item for items in self._slots.values() for _, item in items]
        self._late.clear()
        self._slots.clear()
        return left
