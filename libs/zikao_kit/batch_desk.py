"""Decides batches of requests, each batch in one transaction, whatever the database does.

What the `zikao_kit.batcher` hands over. An answer is stored with its effect under the request
id: the same id gets it again, from any process. It is given out only after the commit.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Generic, Protocol, TypeVar

import structlog

from zikao_kit.db import CommitInDoubt, Database, DatabaseUnavailable, Transaction
from zikao_kit.errors import INTERNAL, DomainError
from zikao_kit.idempotency import IdTaken, RequestKey, recall_many, remember_many

ATTEMPTS = 3

log = structlog.get_logger()
Answer = bytes | DomainError


class Keyed(Protocol):
    """An entry of a batch: at least the key of its request."""

    @property
    def key(self) -> RequestKey:
        """Who asks, under which id, for what."""
        ...


E = TypeVar("E", bound=Keyed)
L = TypeVar("L")


class Outdated(Exception):  # noqa: N818 - it is what happened
    """What a batch was decided by has changed meanwhile: nothing of it counts, decide it again."""


class BatchDesk(ABC, Generic[E, L]):
    """Several processes may decide at once, if `lock` takes rows in one order everywhere."""

    def __init__(self, db: Database, schema: str) -> None:
        self._db = db
        self._schema = schema

    @abstractmethod
    async def lock(self, tx: Transaction, entries: Sequence[E]) -> L:
        """Lock the rows that entries are about, all that another process may decide too.

        Before answers are looked up: whoever has sent the same id elsewhere has ended then.
        """

    @abstractmethod
    async def decide_fresh(
        self, tx: Transaction, entries: Sequence[E], locked: L
    ) -> Sequence[Answer]:
        """Decide entries that have no answer yet, in their order; may raise Outdated."""

    async def finish(self, tx: Transaction, locked: L) -> None:
        """Do what is left before the commit; may raise Outdated.

        For rows that other batches wait for: whatever needs none of them has been done by then.
        """
        del tx, locked

    async def refresh(self) -> None:
        """Read again what an Outdated batch was decided by; nothing unless a desk keeps some."""
        return

    def sealed(self, key: RequestKey, answer: bytes) -> bytes:
        """The answer as it is stored."""
        del key
        return answer

    def opened(self, key: RequestKey, stored: bytes) -> bytes:
        """The answer that was stored."""
        del key
        return stored

    async def decide(self, entries: Sequence[E]) -> Sequence[Answer]:
        """The answers in the order of entries; one that poisons a batch fails alone.

        Raises DatabaseUnavailable when nothing was decided, or nobody can say.
        """
        try:
            return await self._decide_together(entries)
        except DatabaseUnavailable:
            raise
        except Exception:
            log.warning("a batch is decided one by one", entries=len(entries), exc_info=True)
        return [await self._decide_alone(entry) for entry in entries]

    async def _decide_alone(self, entry: E) -> Answer:
        try:
            (answer,) = await self._decide_together([entry])
        except DomainError as error:
            return error
        except Exception:
            log.exception("an entry of a batch failed")
            return DomainError(INTERNAL)
        return answer

    async def _decide_together(self, entries: Sequence[E]) -> Sequence[Answer]:
        for _ in range(ATTEMPTS):
            try:
                return await self._db.run(lambda tx: self._decide_in(tx, entries))
            except Outdated:
                await self.refresh()
            except IdTaken:
                log.info("a request id was used meanwhile", entries=len(entries))
            except CommitInDoubt:
                return await self._settle(entries)
        raise DatabaseUnavailable

    async def _decide_in(self, tx: Transaction, entries: Sequence[E]) -> Sequence[Answer]:
        locked = await self.lock(tx, entries)
        known = await self._recall(tx, entries)
        if not known:
            return await self._decide_unknown(tx, entries, locked)
        fresh = [entry for entry in entries if entry.key not in known]
        new = iter(await self._decide_unknown(tx, fresh, locked) if fresh else ())
        return [known[entry.key] if entry.key in known else next(new) for entry in entries]

    async def _decide_unknown(
        self, tx: Transaction, entries: Sequence[E], locked: L
    ) -> Sequence[Answer]:
        answers = await self.decide_fresh(tx, entries, locked)
        await self._remember(tx, entries, answers)
        await self.finish(tx, locked)
        return answers

    async def _settle(self, entries: Sequence[E]) -> Sequence[Answer]:
        """What became of a batch whose commit was lost.

        The lock waits until the lost transaction has ended either way: what is stored then
        has happened, what is not has not and never will.
        """
        async with self._db.transaction() as tx:
            await self.lock(tx, entries)
            known = await self._recall(tx, entries)
        return [known.get(entry.key) or DatabaseUnavailable() for entry in entries]

    async def _recall(self, tx: Transaction, entries: Sequence[E]) -> dict[RequestKey, Answer]:
        found = await recall_many(tx, self._schema, [entry.key for entry in entries])
        return {
            key: self.opened(key, stored) if isinstance(stored, bytes) else stored
            for key, stored in found.items()
        }

    async def _remember(
        self, tx: Transaction, entries: Sequence[E], answers: Sequence[Answer]
    ) -> None:
        given = [
            (entry.key, self.sealed(entry.key, answer))
            for entry, answer in zip(entries, answers, strict=True)
            if isinstance(answer, bytes)
        ]
        if given:
            await remember_many(tx, self._schema, given)
