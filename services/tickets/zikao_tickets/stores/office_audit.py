"""What offices did: one method a named query of `office_audit.sql`."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime

from zikao_kit.db import Transaction
from zikao_kit.tokens import Actor

from zikao_tickets.domain.office_audit import OfficeAuditEntry, OfficeAuditFilter


class OfficeAuditStore:
    """Bound to the running transaction."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def add(
        self,
        actor: Actor,
        action: str,
        now: datetime,
        *,
        session_code: str,
        county_prefix: str,
        before: Mapping[str, object],
        after: Mapping[str, object],
    ) -> None:
        """Add an entry, in the transaction of what was done; the two are stored as JSON.

        `county_prefix` is the code of the county, the city or the province that it was done to.
        """
        await self._tx.execute(
            "insert_office_audit",
            now,
            actor.subject,
            actor.role,
            action,
            session_code,
            county_prefix,
            json.dumps(before, ensure_ascii=False),
            json.dumps(after, ensure_ascii=False),
        )

    async def list_page(
        self, wanted: OfficeAuditFilter, before: int | None, limit: int
    ) -> Sequence[OfficeAuditEntry]:
        """Entries, the newest first, with smaller numbers than `before`."""
        rows = await self._tx.fetch(
            "list_office_audit",
            wanted.county_prefix,
            wanted.session_code,
            wanted.actor,
            wanted.action,
            before,
            limit,
        )
        return [OfficeAuditEntry(**row) for row in rows]
