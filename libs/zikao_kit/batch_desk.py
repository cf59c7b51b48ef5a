"""Decides batches of requests, each batch in one transaction, whatever the database does.

What the `zikao_kit.batcher` hands over. An answer is stored with its effect under the request
id: the same id gets it again, from any process. It is given out only after the commit.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import partial
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

    def suspects(self, entries: Sequence[E]) -> Sequence[E]:
        """Those that may have an answer, as far as is known without asking; all, where nothing is.

        Of the others an answer that is there all the same is found when they are refused, for it is
        looked up then, or when its key is taken: the batch is decided again, and all is asked for.
        """
        return entries

    async def refresh(self) -> None:
        """Read again what an Outdated batch was decided by; nothing unless a desk keeps some."""
        return

    def sealed(self, keys: Sequence[RequestKey], answers: Sequence[bytes]) -> Sequence[bytes]:
        """The answers as they are stored."""
        del keys
        return answers

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
            log.warning("a batch is decided in parts", entries=len(entries), exc_info=True)
        return await self._decide_in_parts(entries)

    async def _decide_in_parts(self, entries: Sequence[E]) -> Sequence[Answer]:
        """Each half by itself, and again the halves of one that fails: most are soon decided."""
        middle = len(entries) // 2
        halves = (entries[:middle], entries[middle:]) if middle else (entries,)
        return [answer for half in halves for answer in await self._decide_part(half)]

    async def _decide_part(self, entries: Sequence[E]) -> Sequence[Answer]:
        try:
            return await self._decide_together(entries)
        except DatabaseUnavailable as unavailable:
            return [unavailable] * len(entries)
        except Exception as error:
            if len(entries) > 1:
                log.warning("a part of a batch fails", entries=len(entries), exc_info=True)
                return await self._decide_in_parts(entries)
            if isinstance(error, DomainError):
                return [error]
            log.exception("an entry of a batch failed")
            return [DomainError(INTERNAL)]

    async def _decide_together(self, entries: Sequence[E]) -> Sequence[Answer]:
        asked = self.suspects(entries)
        for _ in range(ATTEMPTS):
            work = partial(self._decide_in, entries=entries, asked=asked)
            asked = entries
            try:
                return await self._db.run(work)
            except Outdated:
                await self.refresh()
            except IdTaken:
                log.info("a request id was used meanwhile", entries=len(entries))
            except CommitInDoubt:
                return await self._settle(entries)
        raise DatabaseUnavailable

    async def _decide_in(
        self, tx: Transaction, entries: Sequence[E], asked: Sequence[E]
    ) -> Sequence[Answer]:
        locked = await self.lock(tx, entries)
        known = await self._recall(tx, asked) if asked else {}
        fresh = [entry for entry in entries if entry.key not in known] if known else entries
        answers = await self.decide_fresh(tx, fresh, locked) if fresh else ()
        await self._remember(tx, fresh, answers)
        if len(asked) < len(entries):
            answers = await self._in_place_of_refusals(tx, fresh, answers)
        if fresh:
            await self.finish(tx, locked)
        if not known:
            return answers
        new = iter(answers)
        return [known[entry.key] if entry.key in known else next(new) for entry in entries]

    async def _in_place_of_refusals(
        self, tx: Transaction, entries: Sequence[E], answers: Sequence[Answer]
    ) -> Sequence[Answer]:
        """The answers, stored ones for those refused who have one: a refusal has had no effect."""
        pairs = [*zip(entries, answers, strict=True)]
        refused = [entry for entry, answer in pairs if isinstance(answer, DomainError)]
        found = await self._recall(tx, refused) if refused else {}
        return [found.get(entry.key, answer) for entry, answer in pairs] if found else answers

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
        keys, given = [], []
        for entry, answer in zip(entries, answers, strict=True):
            if isinstance(answer, bytes):
                keys.append(entry.key)
                given.append(answer)
        if given:
            await remember_many(tx, self._schema, keys, self.sealed(keys, given))
