"""What candidates need: one method a named query of `accommodations.sql`."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from zikao_kit.db import Transaction

from zikao_tickets.domain.accommodation import Accommodation, Need


class AccommodationStore:
    """Bound to the running transaction."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def find_candidate(
        self, session_code: str, county_code: str, ticket_number: str
    ) -> UUID | None:
        """Who sits in the county under this number."""
        found: UUID | None = await self._tx.fetchval(
            "find_seated_candidate", session_code, county_code, ticket_number
        )
        return found

    async def find(self, session_code: str, candidate_id: UUID) -> Need | None:
        """What is noted; it stays so until the transaction ends."""
        need = await self._tx.fetchval("lock_accommodation", session_code, candidate_id)
        return Need(need) if need else None

    async def save(
        self,
        session_code: str,
        county_code: str,
        candidate_id: UUID,
        need: Need,
        *,
        officer: str,
        now: datetime,
    ) -> None:
        """Note a need, in place of what was noted."""
        await self._tx.execute(
            "save_accommodation", session_code, candidate_id, county_code, need, officer, now
        )

    async def delete(self, session_code: str, candidate_id: UUID) -> None:
        """Note that nothing is needed."""
        await self._tx.execute("delete_accommodation", session_code, candidate_id)

    async def list_page(
        self, session_code: str, county_code: str, after: str, limit: int
    ) -> Sequence[Accommodation]:
        """Needs by ticket number, those after the number `after`."""
        rows = await self._tx.fetch("list_accommodations", session_code, county_code, after, limit)
        return [
            Accommodation(row["ticket_number"], Need(row["need"]), row["noted_by"], row["noted_at"])
            for row in rows
        ]
