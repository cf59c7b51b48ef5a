"""Acts of offices, done or waiting: one method a named query of `office_actions.sql`."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from zikao_kit.db import Record, Transaction

from zikao_tickets.converts.offices import act_from_json, act_to_json
from zikao_tickets.domain.office_acts import ActionFilter, ActionState, OfficeAction, Proposal


class OfficeActionStore:
    """Bound to the running transaction."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def insert(self, action: OfficeAction) -> None:
        """Store a new one."""
        proposal = action.proposal
        await self._tx.execute(
            "insert_office_action",
            action.action_id,
            proposal.session_code,
            proposal.county_prefix,
            act_to_json(proposal.act),
            action.state,
            action.proposed_by,
            action.proposed_at,
            action.expires_at,
        )

    async def count_pending(self, officer: str, now: datetime) -> int:
        """How many of an officer's wait for another one; it stays so until the transaction ends."""
        await self._tx.execute("lock_officer", officer)
        row = await self._tx.fetchrow("count_pending_office_actions", officer, now)
        assert row is not None
        return int(row["pending"])

    async def count_all_pending(self, now: datetime) -> int:
        """How many wait for a second officer."""
        pending: int = await self._tx.fetchval("count_all_pending_office_actions", now)
        return pending

    async def lock(self, action_id: UUID) -> OfficeAction | None:
        """The act, locked until the transaction ends."""
        row = await self._tx.fetchrow("lock_office_action", action_id)
        return _action(row) if row else None

    async def decide(self, action: OfficeAction) -> None:
        """Store what became of it."""
        await self._tx.execute(
            "decide_office_action",
            action.action_id,
            action.state,
            action.decided_by,
            action.decided_at,
        )

    async def list_page(
        self,
        wanted: ActionFilter,
        now: datetime,
        before: int | None,
        limit: int,
    ) -> Sequence[tuple[int, OfficeAction]]:
        """Acts with their places in the list, the newest first, after the place `before`."""
        rows = await self._tx.fetch(
            "list_office_actions",
            wanted.county_prefix,
            wanted.session_code,
            wanted.state,
            now,
            before,
            limit,
        )
        return [(row["position"], _action(row)) for row in rows]


def _action(row: Record) -> OfficeAction:
    return OfficeAction(
        action_id=row["action_id"],
        proposal=Proposal(row["session_code"], row["county_prefix"], act_from_json(row["act"])),
        state=ActionState(row["state"]),
        proposed_by=row["proposed_by"],
        proposed_at=row["proposed_at"],
        expires_at=row["expires_at"],
        decided_by=row["decided_by"],
        decided_at=row["decided_at"],
    )
