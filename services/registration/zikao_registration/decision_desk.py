"""Decides registrations in batches: what came during the last commit, in one transaction.

Of a county whose officers all approve at once, the row of its serials is held once a batch,
not once an approval.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from google.protobuf.wrappers_pb2 import BytesValue
from zikao_kit import tracing
from zikao_kit.batch_desk import Answer, BatchDesk
from zikao_kit.batcher import Batcher, BatchMetrics
from zikao_kit.crypto import KeyRing
from zikao_kit.db import Database, Transaction
from zikao_kit.errors import DomainError
from zikao_kit.idempotency import RequestKey

from zikao_registration.answers import SealedAnswers
from zikao_registration.commands.decide_registrations import (
    Outcome,
    Proposal,
    decide_registrations,
)
from zikao_registration.converts.reviews import decided_to_pb
from zikao_registration.domain.registration import Registration
from zikao_registration.names import SCHEMA
from zikao_registration.stores.reviews import ReviewStore

DECISIONS = BatchMetrics("registration", "decisions")
MAX_BATCH = 200
# What flew beside it would only wait for the same county's serials, and make both batches small.
BATCHES_IN_FLIGHT = 1


@dataclass(frozen=True)
class Entry:
    """One decision that is asked for."""

    key: RequestKey
    proposal: Proposal


class DecisionDesk(BatchDesk[Entry, Mapping[UUID, Registration]]):
    """Locks candidates in the order of ids, then serials in the order of counties."""

    def __init__(self, db: Database, keys: KeyRing) -> None:
        super().__init__(db, SCHEMA)
        self._keys = keys
        self._answers = SealedAnswers(keys)

    async def lock(self, tx: Transaction, entries: Sequence[Entry]) -> Mapping[UUID, Registration]:
        """The registrations of the entries, those that exist."""
        candidate_ids = {entry.proposal.candidate_id for entry in entries}
        return await ReviewStore(tx, self._keys).lock(candidate_ids)

    async def decide_fresh(
        self, tx: Transaction, entries: Sequence[Entry], locked: Mapping[UUID, Registration]
    ) -> Sequence[Answer]:
        """Judge each, in the order of arrival."""
        proposals = [entry.proposal for entry in entries]
        places = {str(e.proposal.candidate_id): tracing.member_trace(e.key) for e in entries}
        with tracing.of_events(places):
            outcomes = await decide_registrations(ReviewStore(tx, self._keys), proposals, locked)
        return list(map(_answer, outcomes))

    def sealed(self, keys: Sequence[RequestKey], answers: Sequence[bytes]) -> Sequence[bytes]:
        """Encrypted, as all of registration's answers."""
        return [
            self._answers.seal(key.request_id, answer).SerializeToString()
            for key, answer in zip(keys, answers, strict=True)
        ]

    def opened(self, key: RequestKey, stored: bytes) -> bytes:
        """The answer that was sealed."""
        return self._answers.open(key.request_id, BytesValue.FromString(stored))


def decision_batcher(db: Database, keys: KeyRing) -> Batcher[Entry]:
    """The batcher of a process."""
    desk = DecisionDesk(db, keys)
    return Batcher(desk.decide, DECISIONS, max_batch=MAX_BATCH, in_flight=BATCHES_IN_FLIGHT)


def _answer(outcome: Outcome) -> Answer:
    if isinstance(outcome, DomainError):
        return outcome
    return decided_to_pb(outcome).SerializeToString()
