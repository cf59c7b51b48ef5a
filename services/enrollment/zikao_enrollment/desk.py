"""Decides batches of submissions, each batch in one transaction (`zikao_kit.batch_desk`)."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from google.protobuf.message import Message
from zikao_kit.batch_desk import Answer, BatchDesk, Outdated
from zikao_kit.batcher import BatchMetrics
from zikao_kit.clock import Clock
from zikao_kit.db import Database, Transaction
from zikao_kit.errors import DomainError
from zikao_kit.idempotency import RequestKey

from zikao_enrollment.boards import Boards
from zikao_enrollment.commands.submit_batch import Submission, submit_batch
from zikao_enrollment.converts.orders import order_to_pb
from zikao_enrollment.domain.orders import Candidate, Order
from zikao_enrollment.names import SCHEMA
from zikao_enrollment.store import Store
from zikao_enrollment.stores.sessions import SessionStore

SUBMISSIONS = BatchMetrics("enrollment", "submissions")


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


class Desk(BatchDesk[Entry, Mapping[UUID, Candidate]]):
    """Several processes may decide at once: rows are locked in one order everywhere."""

    def __init__(self, db: Database, boards: Boards, clock: Clock) -> None:
        super().__init__(db, SCHEMA)
        self._boards = boards
        self._clock = clock

    async def refresh(self) -> None:
        """A session was applied again after the board was read."""
        await self._boards.refresh()

    async def lock(self, tx: Transaction, entries: Sequence[Entry]) -> Mapping[UUID, Candidate]:
        """The candidates of the entries, those that are known."""
        candidate_ids = {entry.submission.candidate_id for entry in entries}
        return await Store(tx).candidates.lock(candidate_ids)

    async def decide_fresh(
        self, tx: Transaction, entries: Sequence[Entry], locked: Mapping[UUID, Candidate]
    ) -> Mapping[RequestKey, Answer]:
        """Seat each session's submissions in turn."""
        answers: dict[RequestKey, Answer] = {}
        for session_code, group in _by_session(entries).items():
            answers.update(await self._seat(tx, session_code, group, locked))
        return answers

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
            raise Outdated
        return {
            entry.key: entry.answer(outcome) if isinstance(outcome, Order) else outcome
            for entry, outcome in zip(entries, outcomes, strict=True)
        }


def _by_session(entries: Sequence[Entry]) -> dict[str, list[Entry]]:
    groups: defaultdict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        groups[entry.session_code].append(entry)
    return dict(sorted(groups.items()))
