"""All that is kept of one person: to be copied, or to be erased."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from zikao_kit.db import Transaction

ROWS_OF_A_KIND = 1000
# Query -> what its rows are called; queries of `privacy.sql`.
EXPORTS = {
    "export_ticket_numbers": "准考证号",
    "export_older_records": "老考生录入记录",
    "export_pictures": "图片",
    "export_decisions": "审核记录",
    "export_logins": "登录记录",
    "export_recoveries": "找回密码记录",
    "export_security_questions": "密保问题设置记录",
    "export_answers": "近期请求",
    "export_audit": "操作记录",
}
# In the order of their references.
ERASURES = (
    "erase_photos",
    "erase_material",
    "erase_decisions",
    "erase_profile_changes",
    "erase_candidates",
    "erase_security_questions",
    "erase_recoveries",
    "erase_attempts",
    "erase_answers",
    "erase_former_documents",
    "erase_accounts",
)


class PrivacyStore:
    """Bound to the running transaction."""

    def __init__(self, transaction: Transaction) -> None:
        self._tx = transaction

    async def export_account(self, account_id: UUID) -> Mapping[str, Any]:
        """The account's row, by Chinese names; empty without one."""
        row = await self._tx.fetchrow("export_account", account_id)
        return dict(row) if row else {}

    async def export_rows(self, account_id: UUID) -> dict[str, list[Mapping[str, Any]]]:
        """Rows of each kind, by Chinese names, the last ROWS_OF_A_KIND."""
        return {
            label: [dict(row) for row in await self._tx.fetch(query, account_id, ROWS_OF_A_KIND)]
            for query, label in EXPORTS.items()
        }

    async def list_changes_of(self, candidate_id: UUID) -> Sequence[UUID]:
        """Ids of a candidate's profile changes, the last first."""
        rows = await self._tx.fetch("list_changes_of", candidate_id, ROWS_OF_A_KIND)
        return [row["change_id"] for row in rows]

    async def had_ticket_number(self, candidate_id: UUID) -> bool:
        """Say whether any number is or was the candidate's."""
        return bool(await self._tx.fetchval("had_ticket_number", candidate_id))

    async def lock_abandoned(self, until: datetime, limit: int) -> Sequence[UUID]:
        """Some who were abandoned at or before a time, without a number; locked."""
        rows = await self._tx.fetch("lock_abandoned", until, limit)
        return [row["candidate_id"] for row in rows]

    async def erase(self, candidate_ids: Sequence[UUID]) -> None:
        """Delete all of locked candidates but audit rows, and logins, which lapse.

        Revoke the logins before: word of it is still to reach other processes.
        """
        await self._tx.execute("begin_erasure")
        for query in ERASURES:
            await self._tx.execute(query, candidate_ids)
