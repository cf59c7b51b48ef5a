"""Profile changes in the database; values and evidence encrypted."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from uuid import UUID

from zikao_kit.crypto import KeyRing
from zikao_kit.db import ConstraintViolated, Record, Transaction
from zikao_kit.errors import NOT_FOUND, DomainError

from zikao_registration.domain.documents import Document, DocumentType, Sex
from zikao_registration.domain.profile_changes import (
    ChangeFailure,
    ChangeState,
    ProfileChange,
    ProfileValues,
)
from zikao_registration.domain.registration import Decision, RejectionReason


class ProfileChangeStore:
    """One method a query, bound to the running transaction. Lock the candidate before."""

    def __init__(self, transaction: Transaction, keys: KeyRing) -> None:
        self._tx = transaction
        self._keys = keys

    async def insert(self, change: ProfileChange) -> None:
        """Store a new request; raises PROFILE_CHANGE_OPEN beside an open one."""
        try:
            await self._tx.execute(
                "insert_profile_change",
                change.change_id,
                change.candidate_id,
                change.session_code,
                change.county_code,
                change.state,
                self._keys.encrypt(_to_json(change.values), _values_context(change.change_id)),
                change.requested_at,
            )
        except ConstraintViolated as error:
            if error.constraint != "profile_change_open_key":
                raise
            raise DomainError("PROFILE_CHANGE_OPEN") from error

    async def get(self, change_id: UUID) -> ProfileChange:
        """A request; raises NOT_FOUND."""
        return self._found(await self._tx.fetchrow("get_profile_change", change_id))

    async def get_last(self, candidate_id: UUID) -> ProfileChange:
        """A candidate's last request; raises NOT_FOUND."""
        return self._found(await self._tx.fetchrow("get_last_profile_change", candidate_id))

    async def list(
        self,
        code_prefix: str,
        state: ChangeState | None,
        after: tuple[datetime, UUID],
        limit: int,
    ) -> Sequence[ProfileChange]:
        """Requests of an area after (requested_at, change_id), the oldest first."""
        rows = await self._tx.fetch("list_profile_changes", code_prefix, state or "", *after, limit)
        return [self._found(row) for row in rows]

    async def set_state(
        self, change_id: UUID, state: ChangeState, failure: ChangeFailure | None = None
    ) -> None:
        """Move a request on."""
        await self._tx.execute("set_change_state", change_id, state, failure)

    async def count(self, candidate_id: UUID, session_code: str) -> int:
        """How many requests a candidate has made in a session."""
        return int(await self._tx.fetchval("count_changes", candidate_id, session_code))

    async def withdraw(self, change_id: UUID, state: ChangeState) -> None:
        """Move a request on, and forget its evidence."""
        await self._tx.execute("withdraw_change", change_id, state)

    async def set_evidence(self, change_id: UUID, state: ChangeState, jpeg: bytes) -> None:
        """Store the evidence, encrypted, and move the request on."""
        sealed = self._keys.encrypt(jpeg, _evidence_context(change_id))
        await self._tx.execute("set_change_evidence", change_id, state, sealed)

    async def get_evidence(self, change_id: UUID) -> bytes:
        """The JPEG; empty while it is missing."""
        sealed = await self._tx.fetchval("get_change_evidence", change_id)
        return self._keys.decrypt(sealed, _evidence_context(change_id)) if sealed else b""

    async def decide(
        self, change_id: UUID, state: ChangeState, officer_id: UUID, decision: Decision
    ) -> None:
        """Store an office's decision."""
        reasons, comment = list(decision.reasons), decision.comment
        decided_at = decision.decided_at
        await self._tx.execute(
            "decide_change", change_id, state, officer_id, reasons, comment, decided_at
        )

    async def lapse(
        self, session_code: str, state: ChangeState, after: ChangeState
    ) -> Sequence[UUID]:
        """Move all requests of a session in `state` on; return whose they were."""
        rows = await self._tx.fetch("lapse_changes", session_code, state, after)
        return [row["candidate_id"] for row in rows]

    async def list_due(
        self, session_codes: Sequence[str], after: UUID, limit: int
    ) -> Sequence[UUID]:
        """Some approved requests of sessions after an id, by id."""
        rows = await self._tx.fetch("list_due_changes", session_codes, after, limit)
        return [row["change_id"] for row in rows]

    def _found(self, row: Record | None) -> ProfileChange:
        if row is None:
            raise DomainError(NOT_FOUND)
        values = self._keys.decrypt(row["values_enc"], _values_context(row["change_id"]))
        return ProfileChange(
            change_id=row["change_id"],
            candidate_id=row["candidate_id"],
            session_code=row["session_code"],
            county_code=row["county_code"],
            state=ChangeState(row["state"]),
            values=_from_json(values),
            requested_at=row["requested_at"],
            decision=_decision(row),
            failure=ChangeFailure(row["failure"]) if row["failure"] else None,
        )


def _decision(row: Record) -> Decision | None:
    if row["decided_at"] is None:
        return None
    reasons = tuple(RejectionReason(reason) for reason in row["reasons"])
    return Decision(not reasons, reasons, row["comment"], row["decided_at"])


def _to_json(values: ProfileValues) -> bytes:
    return json.dumps(asdict(values), ensure_ascii=False).encode()


def _from_json(text: bytes) -> ProfileValues:
    content = json.loads(text)
    sex, document = content.pop("sex"), content.pop("document")
    return ProfileValues(
        **content,
        sex=Sex(sex) if sex else None,
        document=Document(DocumentType(document["type"]), document["number"]) if document else None,
    )


def _values_context(change_id: UUID) -> str:
    return f"registration.profile_change.values:{change_id}"


def _evidence_context(change_id: UUID) -> str:
    return f"registration.profile_change.evidence:{change_id}"
