"""Standings, ticket numbers and decisions of one candidate in the database."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from zikao_kit.crypto import KeyRing
from zikao_kit.db import Transaction
from zikao_kit.errors import NOT_FOUND, DomainError

from zikao_registration.domain.registration import (
    Decision,
    Registration,
    RejectionReason,
    Standing,
)
from zikao_registration.domain.study_records import StandingChange, TicketNumber

DECISIONS_SHOWN = 100
STANDING_CHANGES_SHOWN = 100


class StudyRecordStore:
    """One method a query, bound to the running transaction."""

    def __init__(self, transaction: Transaction, keys: KeyRing) -> None:
        self._tx = transaction
        self._keys = keys

    async def find_by_current_number(self, ticket_number: str) -> UUID:
        """Whose registration has the number; raises NOT_FOUND."""
        return await self._found("find_candidate_by_number", ticket_number)

    async def find_by_any_number(self, ticket_number: str) -> UUID:
        """Whose number it is or was; raises NOT_FOUND, also for one that nobody has activated."""
        return await self._found("find_candidate_by_any_number", ticket_number)

    async def _found(self, query: str, ticket_number: str) -> UUID:
        found: UUID | None = await self._tx.fetchval(query, ticket_number)
        if found is None:
            raise DomainError(NOT_FOUND)
        return found

    async def set_standing(self, registration: Registration) -> None:
        """Store the registration's standing and its reason, and nothing else of it.

        Both stay on record whatever they become later.
        """
        await self._tx.execute(
            "set_standing",
            registration.candidate_id,
            registration.standing,
            registration.standing_reason,
            registration.updated_at,
        )
        context = _change_context(registration.candidate_id)
        await self._tx.execute(
            "insert_standing_change",
            registration.candidate_id,
            registration.standing,
            self._keys.encrypt(registration.standing_reason.encode(), context),
            registration.updated_at,
        )

    async def list_transfer_requests(self, candidate_id: UUID, since: datetime) -> list[datetime]:
        """When the candidate asked for a transfer after `since`, the last time first."""
        rows = await self._tx.fetch("list_transfer_requests", candidate_id, since)
        return [row["changed_at"] for row in rows]

    async def list_standing_changes(self, candidate_id: UUID) -> list[StandingChange]:
        """What the standing became, the last STANDING_CHANGES_SHOWN, the oldest first."""
        rows = await self._tx.fetch("list_standing_changes", candidate_id, STANDING_CHANGES_SHOWN)
        context = _change_context(candidate_id)
        return [
            StandingChange(
                Standing(row["standing"]),
                self._keys.decrypt(row["reason_enc"], context).decode(),
                row["changed_at"],
            )
            for row in rows
        ]

    async def end_ticket_number(self, ended: Registration) -> None:
        """The number can do nothing any more, and is never given out again.

        What stays with it is the standing that has ended it.
        """
        await self._tx.execute(
            "end_ticket_number", ended.ticket_number, ended.standing, ended.updated_at
        )

    async def list_ticket_numbers(self, candidate_id: UUID) -> list[TicketNumber]:
        """Every number the candidate ever had, the first one first."""
        rows = await self._tx.fetch("list_ticket_numbers", candidate_id)
        return [TicketNumber(**row) for row in rows]

    async def list_decisions(self, candidate_id: UUID) -> list[Decision]:
        """What offices decided, the last DECISIONS_SHOWN, the oldest first."""
        rows = await self._tx.fetch("list_decisions", candidate_id, DECISIONS_SHOWN)
        return [
            Decision(
                row["approved"],
                tuple(RejectionReason(reason) for reason in row["reasons"]),
                row["comment"],
                row["decided_at"],
            )
            for row in rows
        ]


def _change_context(candidate_id: UUID) -> str:
    return f"registration.standing_change:{candidate_id}"
