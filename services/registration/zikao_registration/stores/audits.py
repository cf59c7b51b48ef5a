"""The audit trail as auditors read it: the query of `audits.sql`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from zikao_kit.db import Transaction

from zikao_registration.domain.audit_trail import AuditEntry, AuditFilter


class AuditStore:
    """Bound to the running transaction."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def list_page(
        self, wanted: AuditFilter, before: tuple[datetime, int] | None, limit: int
    ) -> Sequence[AuditEntry]:
        """Entries, the newest first, older than `before` (time and number)."""
        at, audit_id = before or (None, None)
        await self._tx.execute("use_custom_plans")
        rows = await self._tx.fetch(
            "list_audit",
            wanted.candidate_id,
            wanted.actor,
            wanted.area,
            wanted.action,
            wanted.begins_at,
            wanted.ends_at,
            at,
            audit_id,
            limit,
        )
        return [AuditEntry(**row) for row in rows]
