"""How many calls run at once, who waits, and who is sent away (DESIGN section 4, Overload).

A bounded number of calls runs. Further ones wait in one queue per priority and
are let in by priority, then in order of arrival. Shedding goes by queueing time:
a short burst may wait `max_queue_seconds`, but a queue that has not been empty
for longer than that is standing, and who joins it gets a tenth of the patience:
those who are let in are then answered quickly instead of all of them late.
"""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections import OrderedDict
from collections.abc import Awaitable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Self, TypeVar

from zikao_kit.config import ServerConfig
from zikao_kit.errors import OVERLOADED, DomainError
from zikao_kit.metrics import QUEUE_DEPTH, QUEUE_SECONDS
from zikao_kit.policy import Priority

STANDING_PATIENCE_SHARE = 0.1
RETRY_AFTER_SECONDS = 2.0

T = TypeVar("T")
_Waiter = asyncio.Future[bool]


@dataclass(frozen=True, slots=True)
class Load:
    """How submissions (SUBMIT) get on in this process; the first two only grow.

    `finished` were let in and are done, `shed` were sent away. `wait_seconds` is what the last of
    them waited; `standing` says that the queue does not empty, `limit` how many run at once.
    """

    finished: int
    shed: int
    wait_seconds: float
    standing: bool
    limit: int


class Admission:
    """Slots for calls. Every `enter` that returns is paired with one `leave`."""

    def __init__(
        self, *, max_concurrent: int, max_queue_depth: int, max_queue_seconds: float
    ) -> None:
        self._free = self._limit = max_concurrent
        self._max_queue_depth = max_queue_depth
        self._queues = {p: _Queue(max_queue_seconds) for p in sorted(Priority)}
        self._depth = 0
        self._finished = self._shed = 0

    @classmethod
    def of(cls, config: ServerConfig) -> Self:
        """As a server's configuration says."""
        return cls(
            max_concurrent=config.max_concurrent_calls,
            max_queue_depth=config.max_queue_depth,
            max_queue_seconds=config.max_queue_seconds,
        )

    def count_finished(self, count: int) -> None:
        """Submissions that were none of the calls: those of a portal's stream."""
        self._finished += count

    def snapshot(self) -> Load:
        """How submissions get on now."""
        queue = self._queues[Priority.SUBMIT]
        return Load(
            self._finished, self._shed, queue.wait_seconds, queue.is_standing(), self._limit
        )

    @property
    def free_slots(self) -> int:
        """How many calls could start now without waiting."""
        return self._free

    @property
    def queue_depth(self) -> int:
        """How many calls wait."""
        return self._depth

    def enter_now(self) -> bool:
        """Take a slot if one is free, which is so only while nobody waits; pair it with `leave`."""
        if not self._free:
            return False
        # There is no waiter then: `leave` hands a slot on before it frees one.
        self._free -= 1
        return True

    async def enter(self, priority: Priority, patience_seconds: float) -> None:
        """Take a slot, waiting `patience_seconds` at most; raises OVERLOADED with RetryInfo."""
        if self.enter_now():
            return
        if self._depth >= self._max_queue_depth and not self._displace_below(priority):
            raise self._sent_away(priority)
        if not await self._wait(self._queues[priority], patience_seconds):
            raise self._sent_away(priority)

    def _sent_away(self, priority: Priority) -> DomainError:
        if priority is Priority.SUBMIT:
            self._shed += 1
        return overloaded()

    def leave(self, priority: Priority) -> None:
        """Hand the slot of a call of `priority` to the next in line, or free it."""
        if priority is Priority.SUBMIT:
            self._finished += 1
        self.pass_on()

    def pass_on(self) -> None:
        """The same, for who is not done or was none by itself: it does not count."""
        if not self._depth:
            self._free += 1
            return
        for queue in self._queues.values():
            if queue.waiters:
                self._resolve(queue, queue.first(), admitted=True)
                return

    async def _wait(self, queue: _Queue, patience_seconds: float) -> bool:
        loop = asyncio.get_running_loop()
        waiter: _Waiter = loop.create_future()
        patience = min(queue.join(waiter), patience_seconds)
        self._depth += 1
        QUEUE_DEPTH.set(self._depth)
        timer = loop.call_later(patience, self._resolve, queue, waiter, False)
        joined = time.monotonic()
        try:
            admitted = await waiter
        except asyncio.CancelledError:
            self._abandon(queue, waiter)
            raise
        finally:
            timer.cancel()
            queue.wait_seconds = time.monotonic() - joined
            QUEUE_SECONDS.observe(queue.wait_seconds)
        return admitted

    def _abandon(self, queue: _Queue, waiter: _Waiter) -> None:
        # The caller went away. It may just have been given a slot it cannot use.
        if waiter in queue.waiters:
            self._remove(queue, waiter)
        elif not waiter.cancelled() and waiter.result():
            self.pass_on()

    def _resolve(self, queue: _Queue, waiter: _Waiter, admitted: bool) -> None:
        if waiter in queue.waiters:
            self._remove(queue, waiter)
            if not waiter.done():
                waiter.set_result(admitted)
            elif admitted:
                self.pass_on()

    def _remove(self, queue: _Queue, waiter: _Waiter) -> None:
        queue.part(waiter)
        self._depth -= 1
        QUEUE_DEPTH.set(self._depth)

    def _displace_below(self, priority: Priority) -> bool:
        """Send away who came last among the least important; False when nobody is below."""
        for other in reversed(Priority):
            if other <= priority:
                return False
            queue = self._queues[other]
            if queue.waiters:
                self._resolve(queue, queue.last(), admitted=False)
                return True
        return False


class Slot:
    """The slot of one call: held while it works, left while it waits for its caller.

    A caller that does not read would hold it else until its own deadline.
    """

    def __init__(self, admission: Admission, priority: Priority) -> None:
        self._admission = admission
        self._priority = priority
        self._held = False

    async def take(self, patience_seconds: float) -> None:
        """Take the slot as `Admission.enter` does."""
        await self._admission.enter(self._priority, patience_seconds)
        if self._held:  # by a sibling of this task
            self._admission.pass_on()
        self._held = True

    def leave(self) -> None:
        """Give the slot back, when it is held."""
        if self._held:
            self._held = False
            self._admission.pass_on()

    async def without(self, waited: Awaitable[T]) -> T:
        """Await what the caller has to do, and take the slot again; raises OVERLOADED."""
        self.leave()
        result = await waited
        await self.take(math.inf)
        return result


class _Queue:
    """Who waits at one priority, in order of arrival."""

    def __init__(self, max_seconds: float) -> None:
        self.waiters: OrderedDict[_Waiter, None] = OrderedDict()
        self.wait_seconds = 0.0
        self._max_seconds = max_seconds
        self._occupied_since = 0.0

    def join(self, waiter: _Waiter) -> float:
        """Append a waiter and return its patience in seconds."""
        now = time.monotonic()
        if not self.waiters:
            self._occupied_since = now
        self.waiters[waiter] = None
        return self._max_seconds * (STANDING_PATIENCE_SHARE if self.is_standing() else 1.0)

    def is_standing(self) -> bool:
        """Whether it has not been empty for longer than anybody may wait."""
        occupied_seconds = time.monotonic() - self._occupied_since if self.waiters else 0.0
        return occupied_seconds > self._max_seconds

    def part(self, waiter: _Waiter) -> None:
        del self.waiters[waiter]

    def first(self) -> _Waiter:
        return next(iter(self.waiters))

    def last(self) -> _Waiter:
        return next(reversed(self.waiters))


class OneAtATime:
    """Who has something slow in progress here: who asks in a loop fills no line of others."""

    def __init__(self) -> None:
        self._busy: set[Hashable] = set()

    @contextmanager
    def only(self, who: Hashable) -> Iterator[None]:
        """Be the one of `who` inside the block; raises OVERLOADED for a second one."""
        if who in self._busy:
            raise overloaded()
        self._busy.add(who)
        try:
            yield
        finally:
            self._busy.remove(who)


def overloaded() -> DomainError:
    """Return the refusal, with a jittered time to come again so that they do not come together."""
    seconds = RETRY_AFTER_SECONDS * random.uniform(0.5, 1.5)  # noqa: S311 - no secret
    return DomainError(OVERLOADED, retry_after=timedelta(seconds=seconds))
