"""Decides batches of submissions, each batch in one transaction, whatever the database does.

An answer is stored with its effect under the request id: the same id gets it again. It is
given out only after the commit.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import structlog
from google.protobuf.message import Message
from zikao_kit.clock import Clock
from zikao_kit.db import CommitInDoubt, Database, DatabaseUnavailable, Transaction
from zikao_kit.errors import INTERNAL, DomainError
from zikao_kit.idempotency import RequestKey, recall_many, remember_many

from zikao_enrollment.boards import Boards
from zikao_enrollment.commands.submit_batch import Submission, submit_batch
from zikao_enrollment.convert import order_to_pb
from zikao_enrollment.domain.orders import Candidate, Order
from zikao_enrollment.names import SCHEMA
from zikao_enrollment.session_store import SessionStore
from zikao_enrollment.store import Store

ATTEMPTS = 3

log = structlog.get_logger()
Answer = bytes | DomainError


@dataclass(frozen=True)
class Entry:
    """One submission: its request, and the message that its order is answered in."""

    key: RequestKey
    session_code: str
    submission: Submission
    response_type: Callable[..., Message]

    def answer(self, order: Order) -> bytes:
        """The response as it goes over the wire and into the store of answers."""
        return self.response_type(order=order_to_pb(order)).SerializeToString()


class _SessionApplied(Exception):  # noqa: N818 - it is what happened
    """The session was applied again after the board was read."""


class _IdTaken(Exception):  # noqa: N818 - it is what happened
    """A request id of the batch was used for something else meanwhile."""


class Desk:
    """Several processes may decide at once: rows are locked in one order everywhere."""

    def __init__(self, db: Database, boards: Boards, clock: Clock) -> None:
        self._db = db
        self._boards = boards
        self._clock = clock

    async def decide(self, entries: Sequence[Entry]) -> Sequence[Answer]:
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

    async def _decide_alone(self, entry: Entry) -> Answer:
        try:
            (answer,) = await self._decide_together([entry])
        except DomainError as error:
            return error
        except Exception:
            log.exception("a submission failed")
            return DomainError(INTERNAL)
        return answer

    async def _decide_together(self, entries: Sequence[Entry]) -> Sequence[Answer]:
        for _ in range(ATTEMPTS):
            try:
                return await self._db.run(lambda tx: self._decide_in(tx, entries))
            except _SessionApplied:
                await self._boards.refresh()
            except _IdTaken:
                log.info("a request id was used meanwhile", entries=len(entries))
            except CommitInDoubt:
                return await self._settle(entries)
        raise DatabaseUnavailable

    async def _decide_in(self, tx: Transaction, entries: Sequence[Entry]) -> Sequence[Answer]:
        store = Store(tx)
        # Locked before answers are looked up: whoever has sent the same id elsewhere has ended.
        candidates = await store.candidates.lock(_candidates_of(entries))
        answers = await recall_many(tx, SCHEMA, [entry.key for entry in entries])
        fresh = [entry for entry in entries if entry.key not in answers]
        for session_code, group in _by_session(fresh).items():
            answers.update(await self._seat(tx, session_code, group, candidates))
        await _remember(tx, fresh, answers)
        return [answers[entry.key] for entry in entries]

    async def _seat(
        self,
        tx: Transaction,
        session_code: str,
        entries: Sequence[Entry],
        candidates: Mapping[UUID, Candidate],
    ) -> dict[RequestKey, Answer]:
        board = self._boards.current
        try:
            applied = board.require(session_code)
        except DomainError as unknown:
            return dict.fromkeys((entry.key for entry in entries), unknown)
        outcomes = await submit_batch(
            Store(tx),
            applied.session,
            candidates,
            [entry.submission for entry in entries],
            self._clock.now(),
            surely_full=board.free.get(session_code) if self._boards.is_fresh() else None,
        )
        if await SessionStore(tx).version(session_code) != applied.version:
            raise _SessionApplied
        return {
            entry.key: entry.answer(outcome) if isinstance(outcome, Order) else outcome
            for entry, outcome in zip(entries, outcomes, strict=True)
        }

    async def _settle(self, entries: Sequence[Entry]) -> Sequence[Answer]:
        """What became of a batch whose commit was lost.

        The lock waits until the lost transaction has ended either way: what is stored then
        has happened, what is not has not and never will.
        """
        async with self._db.transaction() as tx:
            await Store(tx).candidates.lock(_candidates_of(entries))
            known = await recall_many(tx, SCHEMA, [entry.key for entry in entries])
        return [known.get(entry.key) or DatabaseUnavailable() for entry in entries]


def _candidates_of(entries: Sequence[Entry]) -> set[UUID]:
    return {entry.submission.candidate_id for entry in entries}


def _by_session(entries: Sequence[Entry]) -> dict[str, list[Entry]]:
    groups: defaultdict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        groups[entry.session_code].append(entry)
    return dict(sorted(groups.items()))


async def _remember(
    tx: Transaction, entries: Sequence[Entry], answers: Mapping[RequestKey, Answer]
) -> None:
    given = {
        entry.key: answer for entry in entries if isinstance(answer := answers[entry.key], bytes)
    }
    if given and await remember_many(tx, SCHEMA, given) != given.keys():
        raise _IdTaken
