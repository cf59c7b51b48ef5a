"""Attempts to recover, codes that were sent and security questions in the database."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from zikao_kit.crypto import KeyRing
from zikao_kit.db import Record, Transaction

from zikao_registration.domain.messages import Channel
from zikao_registration.domain.recovery import Claim, Purpose, SecurityQuestion

# Rows of one caller: a portal's candidates do not wait for each other.
CALLER_SHARDS = 16


@dataclass(frozen=True)
class Recovery:
    """A code that was sent; `account_id` None: to nobody."""

    recovery_id: UUID
    account_id: UUID | None
    channel: Channel
    expires_at: datetime


@dataclass(frozen=True)
class StoredAnswer:
    """A candidate's security question, and Argon2id of the answer in its plain form."""

    question: SecurityQuestion
    answer_hash: str


class RecoveryStore:
    """One method a query, bound to a running transaction."""

    def __init__(self, transaction: Transaction, keys: KeyRing) -> None:
        self._tx = transaction
        self._keys = keys

    async def count(
        self, purpose: Purpose, subject: str, now: datetime, lapsed_at: datetime
    ) -> tuple[int, datetime]:
        """Count an attempt at a subject, such as a document's person key.

        Return how many since the first, and when that was.
        """
        return await self._count(self._subject_index(purpose, subject), 0, now, lapsed_at)

    async def return_attempt(self, purpose: Purpose, subject: str) -> None:
        """An attempt that nobody has looked at."""
        index = self._subject_index(purpose, subject)
        await self._tx.execute("return_recovery_attempt", index)

    async def count_caller(
        self, purpose: Purpose, caller: str, key: UUID, now: datetime, lapsed_at: datetime
    ) -> tuple[int, datetime]:
        """Count an attempt of a caller, in the row that `key` falls on; return all of its rows."""
        index = self._keys.blind_index(caller, f"registration.recovery.{purpose}.caller")
        await self._count(index, key.int % CALLER_SHARDS, now, lapsed_at)
        row = await self._tx.fetchrow("sum_recovery_attempts", index, now, lapsed_at)
        assert row is not None  # a sum always has a row
        return row["attempts"], row["first_at"]

    async def forget(self, subject: str, purposes: Iterable[Purpose] = Purpose) -> None:
        """Lift the locks of a subject, all or those of some purposes."""
        indexes = [self._subject_index(purpose, subject) for purpose in purposes]
        await self._tx.execute("forget_recovery_attempts", indexes)

    async def delete_lapsed(self, attempts_lapsed_at: datetime, now: datetime) -> None:
        """Forget counts that begin anew anyway, and codes that are good for nothing."""
        await self._tx.execute("delete_lapsed_recovery_attempts", attempts_lapsed_at)
        await self._tx.execute("delete_expired_recoveries", now)

    async def insert_recovery(self, recovery: Recovery, code: str) -> None:
        """Store that a code was sent; of the code a keyed hash."""
        await self._tx.execute(
            "insert_recovery",
            recovery.recovery_id,
            recovery.account_id,
            recovery.channel,
            self._code_index(recovery.recovery_id, code),
            recovery.expires_at,
        )

    async def try_code(
        self, recovery_id: UUID, code: str, now: datetime, max_tries: int
    ) -> Recovery | None:
        """Count a try; the recovery if the code is right, somebody's, and still good."""
        index = self._code_index(recovery_id, code)
        row = await self._tx.fetchrow("try_recovery_code", recovery_id, index, now, max_tries)
        return _recovery(row) if row and row["is_right"] and row["account_id"] else None

    async def find_owner(self, recovery_id: UUID) -> UUID | None:
        """Whose recovery it is; None for nobody's, and for one that is used up."""
        owner: UUID | None = await self._tx.fetchval("find_recovery_owner", recovery_id)
        return owner

    async def take_recovery(self, recovery_id: UUID) -> Recovery | None:
        """Use a recovery up; None when somebody else has."""
        row = await self._tx.fetchrow("take_recovery", recovery_id)
        return _recovery(row) if row else None

    async def void_recoveries(self, account_id: UUID) -> None:
        """Make codes that were sent worth nothing."""
        await self._tx.execute("void_recoveries", account_id)

    async def save_answer(self, account_id: UUID, answer: StoredAnswer, now: datetime) -> None:
        """Store a security question in place of the last."""
        sealed = self._keys.encrypt(answer.question.encode(), _question_context(account_id))
        await self._tx.execute("save_security_answer", account_id, sealed, answer.answer_hash, now)

    async def find_answer(self, account_id: UUID) -> StoredAnswer | None:
        """The candidate's security question, if one was set."""
        row = await self._tx.fetchrow("find_security_answer", account_id)
        if row is None:
            return None
        opened = self._keys.decrypt(row["question_enc"], _question_context(account_id))
        return StoredAnswer(SecurityQuestion(opened.decode()), row["answer_hash"])

    async def delete_answer(self, account_id: UUID) -> None:
        """Nobody recovers with it any more."""
        await self._tx.execute("delete_security_answer", account_id)

    def claim_digest(self, claim: Claim) -> bytes:
        """32 bytes that are the same for the same claim, and that nobody else can tell."""
        text = f"{claim.document.person_key}:{claim.ticket_number}"
        return self._keys.blind_index(text, "registration.recovery.question")

    async def _count(
        self, index: bytes, shard: int, now: datetime, lapsed_at: datetime
    ) -> tuple[int, datetime]:
        row = await self._tx.fetchrow("count_recovery_attempt", index, shard, now, lapsed_at)
        assert row is not None  # nor does an upsert without one
        return row["attempts"], row["first_at"]

    def _subject_index(self, purpose: Purpose, subject: str) -> bytes:
        return self._keys.blind_index(subject, f"registration.recovery.{purpose}.subject")

    def _code_index(self, recovery_id: UUID, code: str) -> bytes:
        return self._keys.blind_index(f"{recovery_id}:{code}", "registration.recovery.code")


def _recovery(row: Record) -> Recovery:
    channel = Channel(row["channel"])
    return Recovery(row["recovery_id"], row["account_id"], channel, row["expires_at"])


def _question_context(account_id: UUID) -> str:
    return f"registration.security_question:{account_id}"
