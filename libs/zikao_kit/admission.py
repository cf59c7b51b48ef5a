"""How many calls run at once, who waits, and who is sent away (DESIGN section 4, Overload).

A bounded number of calls runs; the bound follows how many get done (`concurrency`). Further ones
wait in one queue per priority and are let in by priority; nobody waits here for longer than
`max_queue_seconds`. Where most wait, the queue stands (`queueing`), and a few are sent away, so
that callers send less; in that counts what a call has waited before anybody here saw it. Only a
few: to refuse costs what to answer does, and who refuses all that is late has time for nothing
that is not.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Self, TypeVar

from zikao_kit.comeback import Comeback, overloaded
from zikao_kit.concurrency import ConcurrencyLimit
from zikao_kit.config import ServerConfig
from zikao_kit.errors import DomainError
from zikao_kit.metrics import CONCURRENCY_LIMIT, QUEUE_DEPTH, QUEUE_SECONDS, RETRY_PAUSE, SHED
from zikao_kit.policy import Priority
from zikao_kit.queueing import Queue, Waiter

__all__ = ["Admission", "Load", "OneAtATime", "Slot", "overloaded"]

# Their callers are people who look again; who submits or pays is served in order.
_LAST_FIRST = frozenset({Priority.READ, Priority.PRINT})
# Not sent away because the line stands: payments never, and who joins would lose its place in it.
_NEVER_TOLD = frozenset({Priority.PAYMENT, Priority.JOIN})
# Whoever joins a waiting room is not to miss the draw.
LONGEST_JOIN_PAUSE_SECONDS = 1.0

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Load:
    """How submissions (SUBMIT) get on in this process; the first two only grow.

    `finished` were let in and served, `shed` were sent away. `wait_seconds` is what each of them
    waited of late; `standing` says that most of them wait, `limit` how many run at once.
    """

    finished: int
    shed: int
    wait_seconds: float
    standing: bool
    limit: int


class Admission:
    """Slots for calls. Every `enter` that returns is paired with one `leave`."""

    def __init__(
        self,
        *,
        max_concurrent: int,
        max_queue_depth: int,
        max_queue_seconds: float,
        payment_slots: int = 0,
    ) -> None:
        """`payment_slots` are more than `max_concurrent`, and for payments alone."""
        self._limit = ConcurrencyLimit(max_concurrent)
        self._payment_slots = payment_slots
        self._used = 0
        self._max_queue_depth = max_queue_depth
        self._max_queue_seconds = max_queue_seconds
        self._queues = {p: Queue(last_first=p in _LAST_FIRST) for p in sorted(Priority)}
        self._depth = 0
        self._comebacks = {priority: Comeback() for priority in Priority}
        self._comebacks[Priority.JOIN] = Comeback(LONGEST_JOIN_PAUSE_SECONDS)
        self._finished = self._shed = 0
        CONCURRENCY_LIMIT.set_function(lambda: self._limit.limit)
        submits = self._comebacks[Priority.SUBMIT]
        RETRY_PAUSE.set_function(lambda: submits.pause_seconds)

    @classmethod
    def of(cls, config: ServerConfig) -> Self:
        """As a server's configuration says."""
        return cls(
            max_concurrent=config.max_concurrent_calls,
            max_queue_depth=config.max_queue_depth,
            max_queue_seconds=config.max_queue_seconds,
            payment_slots=config.payment_slots,
        )

    def count_finished(self, count: int) -> None:
        """Submissions that were none of the calls: those of a portal's stream."""
        self._finished += count
        self._comebacks[Priority.SUBMIT].done(count)

    def snapshot(self) -> Load:
        """How submissions get on now."""
        standing, now = self._queues[Priority.SUBMIT].standing, time.monotonic()
        return Load(
            self._finished,
            self._shed,
            standing.wait_seconds(now),
            standing.is_standing(now),
            self._limit.limit,
        )

    @property
    def free_slots(self) -> int:
        """How many calls could start now without waiting."""
        return max(0, self._limit.limit - self._used)

    @property
    def queue_depth(self) -> int:
        """How many calls wait."""
        return self._depth

    async def enter(
        self,
        priority: Priority,
        patience_seconds: float,
        age_seconds: float = 0.0,
        caller: str = "",
    ) -> None:
        """Take a slot, waiting `patience_seconds` at most; raises OVERLOADED with RetryInfo.

        `age_seconds` is what the call has waited already, as its `caller` says.
        """
        now = time.monotonic()
        queue, standing = self._queues[priority], self._queues[priority].standing
        if age_seconds and self._is_turn(priority, age_seconds, now):
            raise self._sent_away(priority, "standing", now)
        if self._used < self._most(priority):
            self._used += 1
            standing.observe(age_seconds, now, caller)
            return
        if self._depth >= self._max_queue_depth and not self._displace_below(priority):
            raise self._sent_away(priority, "full", now)
        is_let_in = await self._wait(queue, min(patience_seconds, self._max_queue_seconds))
        begun = time.monotonic()
        waited = age_seconds + begun - now
        is_seen = begun - now > standing.target_seconds
        standing.observe(waited, begun, None if is_seen else caller)
        if not is_let_in:
            raise self._sent_away(priority, "queue", begun)
        if self._is_turn(priority, waited, begun):
            self.pass_on()
            raise self._sent_away(priority, "standing", begun)

    def _is_turn(self, priority: Priority, waited_seconds: float, now: float) -> bool:
        standing = self._queues[priority].standing
        return priority not in _NEVER_TOLD and standing.is_turn(waited_seconds, now)

    def leave(self, priority: Priority, *, served: bool = True) -> None:
        """Hand the slot of a call that was let in to the next in line, or free it.

        `served` is False for one whose refusal was no work, which counts for nothing.
        """
        if served:
            self._comebacks[priority].done()
            if priority is Priority.SUBMIT:
                self._finished += 1
                self._limit.done(time.monotonic(), awaited=self._depth > 0)
        self.pass_on()

    def pass_on(self) -> None:
        """The same, for who is not done or was none by itself: it does not count."""
        self._used -= 1
        if self._depth:
            self._fill()

    def _most(self, priority: Priority) -> int:
        """How many may run when one of `priority` begins."""
        extra = self._payment_slots if priority is Priority.PAYMENT else 0
        return self._limit.limit + extra

    def _fill(self) -> None:
        """Let in who may; they are several when the bound has grown."""
        for priority, queue in self._queues.items():
            while queue.waiters and self._used < self._most(priority):
                self._used += 1
                self._resolve(queue, queue.next(time.monotonic()), admitted=True)

    def _sent_away(self, priority: Priority, cause: str, now: float) -> DomainError:
        if priority is Priority.SUBMIT:
            self._shed += 1
        SHED.labels(priority.name.lower(), cause).inc()
        return self._comebacks[priority].sent_away(now)

    async def _wait(self, queue: Queue, patience_seconds: float) -> bool:
        loop = asyncio.get_running_loop()
        waiter: Waiter = loop.create_future()
        queue.join(waiter)
        self._depth += 1
        QUEUE_DEPTH.set(self._depth)
        timer = loop.call_later(patience_seconds, self._resolve, queue, waiter, False)
        joined = time.monotonic()
        try:
            return await waiter
        except asyncio.CancelledError:
            self._abandon(queue, waiter)
            raise
        finally:
            timer.cancel()
            QUEUE_SECONDS.observe(time.monotonic() - joined)

    def _abandon(self, queue: Queue, waiter: Waiter) -> None:
        # The caller went away. It may just have been given a slot it cannot use.
        if waiter in queue.waiters:
            self._remove(queue, waiter)
        elif not waiter.cancelled() and waiter.result():
            self.pass_on()

    def _resolve(self, queue: Queue, waiter: Waiter, admitted: bool) -> None:
        if waiter in queue.waiters:
            self._remove(queue, waiter)
            if not waiter.done():
                waiter.set_result(admitted)
            elif admitted:
                self.pass_on()

    def _remove(self, queue: Queue, waiter: Waiter) -> None:
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

    async def take(
        self, patience_seconds: float, age_seconds: float = 0.0, caller: str = ""
    ) -> None:
        """Take the slot as `Admission.enter` does."""
        await self._admission.enter(self._priority, patience_seconds, age_seconds, caller)
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
