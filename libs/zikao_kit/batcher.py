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
        for outcome, count in Tally(map(_outcome, answers)).items():
            self._outcomes.labels(outcome).inc(count)


def _outcome(answer: bytes | Exception) -> str:
    if isinstance(answer, bytes):
        return _ANSWERED
    return answer.reason if isinstance(answer, DomainError) else _FAULT


class Listener(Protocol):
    """Somebody who waits for an answer."""

    def is_waiting(self) -> bool:
        """Whether anybody still wants it."""
        ...

    def take(self, answer: bytes | Exception) -> None:
        """Get it, once. Must not raise, nor do more than note it: others of the batch wait."""
        ...


class _Waiting(Generic[T]):
    """One entry and those who wait for its answer (a caller may have sent it twice)."""

    __slots__ = ("entry", "key", "listeners", "place")

    def __init__(self, key: RequestKey, entry: T, listener: Listener) -> None:
        self.key = key
        # In the trace of who sent it: the batch runs in nobody's.
        self.place = tracing.current_traceparent() if tracing.is_on() else ""
        self.entry = entry
        self.listeners = [listener]

    def is_wanted(self) -> bool:
        """Whether somebody still waits."""
        for listener in self.listeners:  # noqa: SIM110 - a generator costs more than the answer
            if listener.is_waiting():
                return True
        return False

    def settle(self, answer: bytes | Exception) -> None:
        """Tell all who wait."""
        for listener in self.listeners:
            listener.take(answer)


class _Caller:
    """Waits as a coroutine does."""

    __slots__ = ("answer",)

    def __init__(self) -> None:
        self.answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def is_waiting(self) -> bool:
        return not self.answer.done()

    def take(self, answer: bytes | Exception) -> None:
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
        self._queue: deque[_Waiting[T]] = deque()
        self._by_id: dict[tuple[str, UUID], _Waiting[T]] = {}
        self._flights: set[asyncio.Task[None]] = set()
        self._left_since: float | None = None
        # Of the batch that began last, and when a smaller one begins beside it.
        self._last_size = 0
        self._timer: asyncio.TimerHandle | None = None
        metrics.batchers.add(self)

    @property
    def waiting(self) -> int:
        """How many entries wait for a batch."""
        return len(self._queue)

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
        name = key.actor, key.request_id
        waiting = self._by_id.get(name)
        if waiting is None:
            self._by_id[name] = waiting = _Waiting(key, entry, listener)
            self._queue.append(waiting)
            self._take_off()
        elif waiting.key != key:
            raise DomainError(REQUEST_ID_REUSED)
        else:
            waiting.listeners.append(listener)

    def is_under_way(self, actor: str, request_id: UUID) -> bool:
        """Whether the request waits for its answer already, with whatever body."""
        return (actor, request_id) in self._by_id

    def _take_off(self) -> None:
        # Not at once: whatever this turn of the event loop brings as well belongs to the batch.
        if not self._free_flights or not self._queue:
            return
        is_beside = self._free_flights < self._in_flight
        if is_beside and len(self._queue) < WORTHWHILE_SHARE * self._last_size:
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
                self._last_size = len(batch)
                self._metrics.size.observe(len(batch))
                await self._answer(batch)
        finally:
            self._free_flights += 1
            self._take_off()

    def _next_batch(self) -> list[_Waiting[T]]:
        batch: list[_Waiting[T]] = []
        while self._queue and len(batch) < self._max_batch:
            waiting = self._queue.popleft()
            if waiting.is_wanted():
                batch.append(waiting)
            else:
                self._forget(waiting)
        if not self._queue:
            self._left_since = None
        elif self._left_since is None:
            self._left_since = time.monotonic()
        return batch

    async def _answer(self, batch: Sequence[_Waiting[T]]) -> None:
        answers: Sequence[bytes | Exception]
        begun = time.monotonic()
        try:
            places = {each.key: each.place for each in batch} if tracing.is_on() else {}
            with tracing.batch(self._metrics.name, places):
                answers = await self._decide([waiting.entry for waiting in batch])
        except Exception as error:
            answers = [error] * len(batch)
        if len(answers) != len(batch):
            answers = [ValueError("not as many answers as entries")] * len(batch)
        self._metrics.note(answers, time.monotonic() - begun)
        for waiting, answer in zip(batch, answers, strict=True):
            self._forget(waiting)
            waiting.settle(answer)

    def _forget(self, waiting: _Waiting[T]) -> None:
        del self._by_id[waiting.key.actor, waiting.key.request_id]
