"""Collects what arrives while the batches before it commit, and has it decided together.

No artificial wait: with nothing in flight a single submission is a batch of its own; under a
rush a batch is what came during the last commit (DESIGN section 4).
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context
from dataclasses import dataclass, field
from typing import Generic, TypeVar
from uuid import UUID

from prometheus_client import Gauge, Histogram

from zikao_kit.errors import REQUEST_ID_REUSED, DomainError
from zikao_kit.idempotency import RequestKey

_SIZE_BUCKETS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)

T = TypeVar("T")
Decide = Callable[[Sequence[T]], Awaitable[Sequence[bytes | DomainError]]]


class BatchMetrics:
    """What operators see of one batcher; made once a process, for names are unique.

    `zikao_<service>_waiting_<entries>` and `zikao_<service>_batch_size`.
    """

    def __init__(self, service: str, entries: str) -> None:
        """`entries` is what is batched, in the plural: `submissions`."""
        self.waiting = Gauge(
            f"zikao_{service}_waiting_{entries}", f"{entries.capitalize()} that wait for a batch"
        )
        self.size = Histogram(
            f"zikao_{service}_batch_size",
            f"{entries.capitalize()} decided in one transaction",
            buckets=_SIZE_BUCKETS,
        )


@dataclass(eq=False)
class _Waiting(Generic[T]):
    """One entry and those who wait for its answer (a caller may have sent it twice)."""

    key: RequestKey
    entry: T
    answer: "asyncio.Future[bytes]" = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )
    callers: int = 0


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
        self._free_flights = in_flight
        self._queue: deque[_Waiting[T]] = deque()
        self._by_id: dict[tuple[str, UUID], _Waiting[T]] = {}
        self._flights: set[asyncio.Task[None]] = set()

    async def submit(self, key: RequestKey, entry: T) -> bytes:
        """Wait for the answer to an entry; raises the DomainError that is its answer.

        A repetition that comes while the first is under way gets the same answer. An entry
        whose callers have all gone before its batch began is dropped.
        """
        waiting = self._waiting(key, entry)
        waiting.callers += 1
        try:
            return await asyncio.shield(waiting.answer)
        finally:
            waiting.callers -= 1

    def _waiting(self, key: RequestKey, entry: T) -> _Waiting[T]:
        known = self._by_id.get((key.actor, key.request_id))
        if known is not None:
            if known.key != key:
                raise DomainError(REQUEST_ID_REUSED)
            return known
        waiting = _Waiting(key, entry)
        self._by_id[key.actor, key.request_id] = waiting
        self._queue.append(waiting)
        self._metrics.waiting.inc()
        self._take_off()
        return waiting

    def _take_off(self) -> None:
        # Not at once: whatever this turn of the event loop brings as well belongs to the batch.
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
                self._metrics.size.observe(len(batch))
                await self._answer(batch)
        finally:
            self._free_flights += 1
            self._take_off()

    def _next_batch(self) -> list[_Waiting[T]]:
        batch: list[_Waiting[T]] = []
        while self._queue and len(batch) < self._max_batch:
            waiting = self._queue.popleft()
            self._metrics.waiting.dec()
            if waiting.callers:
                batch.append(waiting)
            else:
                self._forget(waiting)
        return batch

    async def _answer(self, batch: Sequence[_Waiting[T]]) -> None:
        try:
            answers = await self._decide([waiting.entry for waiting in batch])
            for waiting, answer in zip(batch, answers, strict=True):
                _settle(waiting, answer)
        except Exception as error:
            for waiting in batch:
                _settle(waiting, error)
        finally:
            for waiting in batch:
                self._forget(waiting)

    def _forget(self, waiting: _Waiting[T]) -> None:
        del self._by_id[waiting.key.actor, waiting.key.request_id]


def _settle(waiting: _Waiting[T], answer: bytes | Exception) -> None:
    if waiting.answer.done():
        return
    if isinstance(answer, Exception):
        waiting.answer.set_exception(answer)
        waiting.answer.exception()  # its callers may have gone: nobody need be told of it then
    else:
        waiting.answer.set_result(answer)
