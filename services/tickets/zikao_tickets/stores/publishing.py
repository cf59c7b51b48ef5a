"""Putting arrangements in force, with the tickets they make; bound to the running transaction."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from zikao_kit.db import Transaction

from zikao_tickets.domain.publication import Publishable
from zikao_tickets.domain.states import ArrangementState


class Approved(NamedTuple):
    """An arrangement to be published, who approved it, and the number of the attempt."""

    arrangement_id: UUID
    officer: str
    attempt: int


class Locked(NamedTuple):
    """How an arrangement stands that is to be published, with the digest of its seats.

    `is_above_bound`: it uses more rooms than are proven to be needed.
    """

    county_code: str
    seats_sha256: bytes
    state: ArrangementState
    is_above_bound: bool


class PublishingStore:
    """One method a named query."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def publishable(self, session_code: str, county_prefix: str) -> list[Publishable]:
        """The newest arrangement of each county that is done and made on the one in force."""
        rows = await self._tx.fetch("list_publishable", session_code, county_prefix)
        return await self.described([row["arrangement_id"] for row in rows])

    async def described(self, arrangement_ids: Sequence[UUID]) -> list[Publishable]:
        """Arrangements as they are proposed, by county."""
        rows = await self._tx.fetch("describe_publishable", arrangement_ids)
        return [Publishable(**row) for row in rows]

    async def lock(self, arrangement_ids: Sequence[UUID]) -> dict[UUID, Locked]:
        """How each stands, locked until the transaction ends."""
        rows = await self._tx.fetch("lock_publishable", arrangement_ids)
        return {
            row["arrangement_id"]: Locked(
                row["county_code"],
                row["seats_sha256"] or b"",
                ArrangementState(row["state"]),
                row["is_above_bound"],
            )
            for row in rows
        }

    async def approve(self, arrangement_ids: Sequence[UUID], now: datetime, officer: str) -> None:
        """Leave them to a worker to publish."""
        await self._tx.execute("approve_arrangements", arrangement_ids, now, officer)

    async def take_approved(self) -> Approved | None:
        """One that is to be published, the least tried first; that it is tried is counted."""
        row = await self._tx.fetchrow("take_approved_arrangement")
        return None if row is None else Approved(*row)

    async def lock_approved(self, arrangement_id: UUID) -> bool:
        """Lock it until the transaction ends; False when it is another's, or done with."""
        return await self._tx.fetchval("lock_approved_arrangement", arrangement_id) is not None

    async def refuse(self, arrangement_id: UUID, why: str) -> None:
        """An approved one cannot be published after all."""
        await self._tx.execute("refuse_approved_arrangement", arrangement_id, why)

    async def unknown_candidates(self, arrangement_id: UUID) -> int:
        """Seated people the candidate feed has not brought yet."""
        return int(await self._tx.fetchval("count_unknown_candidates", arrangement_id))

    async def hold_sites(self, session_code: str) -> None:
        """Let nobody change sites and rooms until the transaction ends: before `lock_counties`.

        Tickets read from them what they say: they are as they were checked.
        """
        await self._tx.execute("hold_session", session_code)

    async def lock_counties(self, arrangement_id: UUID) -> None:
        """Let nobody else publish for its county, or one that its people leave, until the end."""
        await self._tx.execute("lock_counties", arrangement_id)

    async def supersede(self, arrangement_id: UUID) -> None:
        """End an arrangement that is in force."""
        await self._tx.execute("supersede_arrangement", arrangement_id)

    async def revoke_tickets_elsewhere(self, arrangement_id: UUID, now: datetime) -> None:
        """End the tickets of other counties whose people sit here by now."""
        await self._tx.execute("revoke_tickets_elsewhere", arrangement_id, now)

    async def revoke_changed_tickets(self, arrangement_id: UUID, now: datetime) -> None:
        """End the county's tickets with other seats than the arrangement's."""
        await self._tx.execute("revoke_changed_tickets", arrangement_id, now)

    async def issue_tickets(self, arrangement_id: UUID, now: datetime) -> None:
        """Make a ticket, or its next version, for everyone of the arrangement who has none."""
        await self._tx.execute("issue_tickets", arrangement_id, now)

    async def put_in_force(self, arrangement_id: UUID, now: datetime, actor: str) -> None:
        """Make it the county's arrangement; no other may be in force."""
        await self._tx.execute("publish_arrangement", arrangement_id, now, actor)
