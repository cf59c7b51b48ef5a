"""Collects what arrives while the batches before it commit, and has it decided together.

With nothing in flight a single submission is a batch of its own; under a rush a batch is what came
during the last commit (DESIGN section 4).
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter as Tally
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context
from itertools import chain
from typing import Any, Generic, Protocol, TypeVar
from uuid import UUID
from weakref import WeakSet

from prometheus_client import Counter, Gauge, Histogram

from zikao_kit import tracing
from zikao_kit.errors import REQUEST_ID_REUSED, DomainError
from zikao_kit.idempotency import RequestKey
from zikao_kit.metrics import SECONDS_BUCKETS

# A batch of one costs half of what one of thirty does. Beside another one it waits until as many
# have come as this share of it, or for so long.
WORTHWHILE_SHARE = 0.5
LONGEST_WAIT_SECONDS = 0.02

_ANSWERED = "OK"
_FAULT = "FAULT"
_SIZE_BUCKETS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)

T = TypeVar("T")
# Who asks, under which id: the first two of a RequestKey.
_Name = tuple[str, UUID]
Decide = Callable[[Sequence[T]], Awaitable[Sequence[bytes | DomainError]]]


class BatchMetrics:
    """What operators see of one batcher; made once a process, for names are unique.

    `zikao_<service>_waiting_<entries>`, `zikao_<service>_<entries>_total` by outcome (a reason
    of the contract, OK or FAULT), `zikao_<service>_batch_size` and `…_batch_seconds`.
    """

    def __init__(self, service: str, entries: str) -> None:
        """`entries` is what is batched, in the plural: `submissions`."""
        self.name = f"{service} {entries}"
        self.batchers: WeakSet[Batcher[Any]] = WeakSet()
        waiting = Gauge(
            f"zikao_{service}_waiting_{entries}", f"{entries.capitalize()} that wait for a batch."
        )
        # Asked for when somebody looks: counted at each entry it would cost more than the entry.
        waiting.set_function(lambda: sum(batcher.waiting for batcher in self.batchers))
        self.size = Histogram(
            f"zikao_{service}_batch_size",
            f"{entries.capitalize()} decided in one transaction.",
            buckets=_SIZE_BUCKETS,
        )
        self.seconds = Histogram(
            f"zikao_{service}_batch_seconds",
            f"Time that it took to decide a batch of {entries} for good.",
            buckets=SECONDS_BUCKETS,
        )
        self._outcomes = Counter(
            f"zikao_{service}_{entries}_total",
            f"{entries.capitalize()} that batches have answered: OK, or the reason why not.",
            ["outcome"],
        )
        self._outcomes.labels(_ANSWERED)

    def note(self, answers: Sequence[bytes | Exception], seconds: float) -> None:
        """Count what a batch has answered."""
        self.seconds.observe(seconds)
        refusals = [answer for answer in answers if not isinstance(answer, bytes)]
        if len(answers) > len(refusals):
            self._outcomes.labels(_ANSWERED).inc(len(answers) - len(refusals))
        for outcome, count in Tally(map(_outcome, refusals)).items():
            self._outcomes.labels(outcome).inc(count)


def _outcome(refusal: Exception) -> str:
    return refusal.reason if isinstance(refusal, DomainError) else _FAULT


class Listener(Protocol):
    """Somebody who waits for answers."""

    def is_waiting(self) -> bool:
        """Whether anybody still wants them."""
        ...

    def take(self, answers: Sequence[bytes | Exception]) -> None:
        """Get them, once, in the order of what was entered.

        Must not raise, nor do more than note them: others of the batch wait.
        """
        ...


class _Parcel(Generic[T]):
    """Entries that came together, and who waits for their answers.

    A caller may have sent an entry twice: `repeaters` wait for the answer at a place.
    """

    __slots__ = ("entries", "keys", "listener", "names", "repeaters", "traceparent")

    def __init__(
        self,
        names: Sequence[_Name],
        keys: Sequence[RequestKey],
        entries: Sequence[T],
        listener: Listener,
    ) -> None:
        self.names = names
        self.keys = keys
        self.entries = entries
        self.listener = listener
        self.repeaters: list[tuple[int, Listener]] = []
        # In the trace of who sent it: the batch runs in nobody's.
        self.traceparent = tracing.current_traceparent() if tracing.is_on() else ""

    def join(self, key: RequestKey, listener: Listener) -> None:
        """Let `listener` take the answer to one of the entries, too.

        Raises REQUEST_ID_REUSED when that has another body.
        """
        place = self.names.index(key[:2])
        if self.keys[place] != key:
            raise DomainError(REQUEST_ID_REUSED)
        self.repeaters.append((place, listener))

    def is_wanted(self) -> bool:
        """Whether somebody still waits."""
        if self.listener.is_waiting():
            return True
        return any(listener.is_waiting() for _, listener in self.repeaters)

    def settle(self, answers: Sequence[bytes | Exception]) -> None:
        """Tell all who wait."""
        self.listener.take(answers)
        for place, listener in self.repeaters:
            listener.take([answers[place]])


class _Caller:
    """Waits as a coroutine does."""

    __slots__ = ("answer",)

    def __init__(self) -> None:
        self.answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def is_waiting(self) -> bool:
        return not self.answer.done()

    def take(self, answers: Sequence[bytes | Exception]) -> None:
        (answer,) = answers
        if self.answer.done():
            return
        if isinstance(answer, Exception):
            self.answer.set_exception(answer)
        else:
            self.answer.set_result(answer)


class Batcher(Generic[T]):
    """Hands entries to `decide` in batches of at most `max_batch`, `in_flight` of them at a time.

    `decide` returns an answer for every entry, in order, once it is durable; what it raises is
    the answer to the whole batch.
    """

    def __init__(
        self, decide: Decide[T], metrics: BatchMetrics, *, max_batch: int, in_flight: int
    ) -> None:
        self._decide = decide
        self._metrics = metrics
        self._max_batch = max_batch
        self._in_flight = self._free_flights = in_flight
        self._queue: deque[_Parcel[T]] = deque()
        self._waiting = 0
        self._by_name: dict[_Name, _Parcel[T]] = {}
        self._flights: set[asyncio.Task[None]] = set()
        self._left_since: float | None = None
        # Of the batch that began last, and when a smaller one begins beside it.
        self._last_size = 0
        self._timer: asyncio.TimerHandle | None = None
        metrics.batchers.add(self)

    @property
    def waiting(self) -> int:
        """How many entries wait for a batch."""
        return self._waiting

    @property
    def max_batch(self) -> int:
        """How many entries may go together."""
        return self._max_batch

    @property
    def standing_seconds(self) -> float:
        """For how long every batch has left some behind: 0 after one that took all who waited."""
        return 0.0 if self._left_since is None else time.monotonic() - self._left_since

    async def submit(self, key: RequestKey, entry: T) -> bytes:
        """Wait for the answer to an entry; raises the DomainError that is its answer.

        A repetition that comes while the first is under way gets the same answer. An entry
        whose callers have all gone before its batch began is dropped.
        """
        caller = _Caller()
        self.enter(key, entry, caller)
        return await caller.answer

    def enter(self, key: RequestKey, entry: T, listener: Listener) -> None:
        """Let `listener` take the answer, as `submit` does without a task for each.

        Raises REQUEST_ID_REUSED when the id is under way with another body.
        """
        name = key[:2]
        parcel = self._by_name.get(name)
        if parcel is None:
            self._put(_Parcel([name], [key], [entry], listener))
        else:
            parcel.join(key, listener)

    def enter_together(
        self, keys: Sequence[RequestKey], entries: Sequence[T], listener: Listener
    ) -> bool:
        """Let `listener` take the answers to entries that are decided in one batch.

        At least one, at most `max_batch`. False, and nothing is entered, when one of the ids is
        under way or there twice: those are to be entered one by one.
        """
        names = [key[:2] for key in keys]
        if len(names) > self._max_batch:
            raise ValueError(f"{len(names)} entries for batches of {self._max_batch}")
        if not self._by_name.keys().isdisjoint(names) or len(set(names)) < len(names):
            return False
        self._put(_Parcel(names, keys, entries, listener))
        return True

    def _put(self, parcel: _Parcel[T]) -> None:
        self._by_name.update(dict.fromkeys(parcel.names, parcel))
        self._queue.append(parcel)
        self._waiting += len(parcel.names)
        self._take_off()

    def is_under_way(self, actor: str, request_id: UUID) -> bool:
        """Whether the request waits for its answer already, with whatever body."""
        return (actor, request_id) in self._by_name

    def _take_off(self) -> None:
        # Not at once: whatever this turn of the event loop brings as well belongs to the batch.
        if not self._free_flights or not self._queue:
            return
        is_beside = self._free_flights < self._in_flight
        if is_beside and self._waiting < WORTHWHILE_SHARE * self._last_size:
            if self._timer is None:
                loop = asyncio.get_running_loop()
                self._timer = loop.call_later(LONGEST_WAIT_SECONDS, self._begin)
        else:
            self._begin()

    def _begin(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._free_flights and self._queue:
            self._free_flights -= 1
            # In no caller's name: its logs would be found under one of them.
            task = asyncio.create_task(self._fly(), context=Context())
            self._flights.add(task)
            task.add_done_callback(self._flights.discard)

    async def _fly(self) -> None:
        try:
            batch = self._next_batch()
            if batch:
                self._last_size = sum(len(parcel.names) for parcel in batch)
                self._metrics.size.observe(self._last_size)
                await self._answer(batch)
        finally:
            self._free_flights += 1
            self._take_off()

    def _next_batch(self) -> list[_Parcel[T]]:
        batch: list[_Parcel[T]] = []
        room = self._max_batch
        while self._queue and len(self._queue[0].names) <= room:
            parcel = self._queue.popleft()
            self._waiting -= len(parcel.names)
            if parcel.is_wanted():
                batch.append(parcel)
                room -= len(parcel.names)
            else:
                self._forget(parcel)
        if not self._queue:
            self._left_since = None
        elif self._left_since is None:
            self._left_since = time.monotonic()
        return batch

    async def _answer(self, batch: Sequence[_Parcel[T]]) -> None:
        answers: Sequence[bytes | Exception]
        entries = list(chain.from_iterable(parcel.entries for parcel in batch))
        begun = time.monotonic()
        try:
            with tracing.batch(self._metrics.name, _places(batch) if tracing.is_on() else {}):
                answers = await self._decide(entries)
        except Exception as error:
            answers = [error] * len(entries)
        if len(answers) != len(entries):
            answers = [ValueError("not as many answers as entries")] * len(entries)
        self._metrics.note(answers, time.monotonic() - begun)
        told = 0
        for parcel in batch:
            self._forget(parcel)
            parcel.settle(answers[told : told + len(parcel.names)])
            told += len(parcel.names)

    def _forget(self, parcel: _Parcel[T]) -> None:
        for name in parcel.names:
            del self._by_name[name]


def _places(batch: Sequence[_Parcel[T]]) -> dict[RequestKey, str]:
    """In which traces the entries were sent."""
    return {key: parcel.traceparent for parcel in batch for key in parcel.keys}
