"""Leases, decisions and the numbers they assign: one method a named query of `reviews.sql`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from zikao_kit.columns import columns
from zikao_kit.crypto import KeyRing
from zikao_kit.db import Transaction
from zikao_kit.tokens import Actor

from zikao_registration.domain.registration import Decision, Registration
from zikao_registration.domain.reviewing import PastDecision
from zikao_registration.domain.states import State
from zikao_registration.domain.work_list import split_area
from zikao_registration.stores.older import OlderStore
from zikao_registration.stores.registrations import Store, decision_from_row

# A county's numbers of one session.
SerialKey = tuple[str, str]


class ReviewBacklog(NamedTuple):
    """What waits for officers: applications, since when the oldest, and profile changes."""

    applications: int
    oldest_at: datetime | None
    profile_changes: int


async def measure_backlog(tx: Transaction) -> ReviewBacklog:
    """Count what waits in all counties."""
    row = await tx.fetchrow("measure_backlog")
    assert row is not None
    return ReviewBacklog(
        row["applications"], row["oldest_at"], await tx.fetchval("count_pending_changes")
    )


@dataclass(frozen=True)
class Decided:
    """A decision that counts: by whom, and the registration before and after it."""

    actor: Actor
    decision: Decision
    before: Registration
    after: Registration

    @property
    def needs_confirmation(self) -> bool:
        """Say whether it is a first approval."""
        return self.after.state is State.PENDING_CONFIRMATION


@dataclass(frozen=True)
class AssignedNumber:
    """A ticket number and what it was made of."""

    ticket_number: str
    candidate_id: UUID
    assigned_at: datetime
    session_code: str
    county_code: str
    serial: int


class ReviewStore:
    """Bound to the running transaction."""

    def __init__(self, tx: Transaction, keys: KeyRing) -> None:
        self._tx = tx
        self._keys = keys
        self.registrations = Store(tx, keys)
        self.older = OlderStore(tx, keys)

    async def lease(
        self, officer_id: UUID, until: datetime, code_prefix: str, now: datetime, max_count: int
    ) -> list[UUID]:
        """Lease pending registrations of the area to an officer; never those of another."""
        await self._tx.execute("use_custom_plans")
        rows = await self._tx.fetch(
            "lease_candidates", officer_id, until, *split_area(code_prefix), now, max_count
        )
        return [row["candidate_id"] for row in rows]

    async def release(self, officer_id: UUID, candidate_ids: Sequence[UUID]) -> list[UUID]:
        """End leases of an officer, all for no ids; return which."""
        rows = await self._tx.fetch("release_leases", officer_id, candidate_ids)
        return [row["candidate_id"] for row in rows]

    async def lock(self, candidate_ids: Iterable[UUID]) -> dict[UUID, Registration]:
        """The registrations that exist, locked in the order of ids; the sessions are held."""
        await self.registrations.sessions.hold()
        rows = await self._tx.fetch("lock_candidates", list(candidate_ids))
        found = await self.registrations.get_registrations([row["candidate_id"] for row in rows])
        return {each.candidate_id: each for each in found}

    def draw_of(self, registration: Registration) -> bytes:
        """What `domain.four_eyes` draws by: the same again for the same application."""
        value = f"{registration.session_code}:{registration.candidate_id}"
        return self._keys.blind_index(value, "registration.four_eyes")

    async def lock_serials(self, keys: Iterable[SerialKey]) -> dict[SerialKey, int]:
        """The last serial of each county and session, locked until the transaction ends."""
        rows = await self._tx.fetch("lock_serials", *columns(keys, 2))
        return {(row["session_code"], row["county_code"]): row["last_serial"] for row in rows}

    async def find_taken(self, ticket_numbers: Iterable[str]) -> set[str]:
        """Those of the ticket numbers that are somebody's already."""
        rows = await self._tx.fetch("find_taken_numbers", list(ticket_numbers))
        return {row["ticket_number"] for row in rows}

    async def save_serials(self, serials: Mapping[SerialKey, int]) -> None:
        """Store the last serials of rows that `lock_serials` has locked."""
        rows = ((*key, serial) for key, serial in serials.items())
        await self._tx.execute("save_serials", *columns(rows, 3))

    async def insert_ticket_numbers(self, numbers: Iterable[AssignedNumber]) -> None:
        """Enter new numbers, each its candidate's current one."""
        rows = (
            (
                number.ticket_number,
                number.candidate_id,
                number.assigned_at,
                number.session_code,
                number.county_code,
                number.serial,
            )
            for number in numbers
        )
        await self._tx.execute("insert_ticket_numbers", *columns(rows, 6))

    async def update_decided(self, registrations: Iterable[Registration]) -> None:
        """Store where decided registrations stand, with their numbers and standings."""
        rows = (
            (
                each.candidate_id,
                each.state,
                each.ticket_number or None,
                each.updated_at,
                each.first_approved_by,
                each.standing,
                each.standing_reason,
            )
            for each in registrations
        )
        await self._tx.execute("update_decided", *columns(rows, 7))

    async def insert_decisions(self, decided: Iterable[Decided]) -> None:
        """Append decisions."""
        await self._tx.execute("insert_decisions", *columns(map(_decision_row, decided), 10))

    async def audit_decisions(self, decided: Iterable[Decided]) -> None:
        """Append to the audit trail what officers decided."""
        rows = columns(map(_audit_row, decided), 7)
        await self._tx.execute("insert_audits", "decide_registration", *rows)

    async def list_decisions(self, candidate_id: UUID) -> list[PastDecision]:
        """Every decision on a registration, the oldest first."""
        return [
            PastDecision(decision_from_row(row), row["officer_id"], row["needs_confirmation"])
            for row in await self._tx.fetch("list_review_decisions", candidate_id)
        ]


def _decision_row(decided: Decided) -> tuple[object, ...]:
    before, decision = decided.before, decided.decision
    return (
        before.candidate_id,
        before.session_code,
        before.personal.county_code,
        before.submitted_at,
        UUID(decided.actor.subject),
        decision.approved,
        decided.needs_confirmation,
        "{" + ",".join(decision.reasons) + "}",
        decision.comment,
        decision.decided_at,
    )


def _audit_row(decided: Decided) -> tuple[object, ...]:
    before, after, actor = decided.before, decided.after, decided.actor
    return (
        decided.decision.decided_at,
        actor.subject,
        actor.role,
        before.candidate_id,
        before.personal.county_code,
        json.dumps({"state": before.state}),
        json.dumps({"state": after.state, "reasons": decided.decision.reasons}),
    )
