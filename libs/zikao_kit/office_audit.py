"""What offices did, in a service's table `office_audit`, for auditors (DOMAIN section 7)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from zikao_kit.db import Transaction
from zikao_kit.queries import kit_queries
from zikao_kit.tokens import SERVICE_ROLE, Actor

DEFAULT_PAGE_SIZE = 50
CUT_ACTION = "remove_old_audit"
RETENTION = Actor(subject="retention", role=SERVICE_ROLE)


@dataclass(frozen=True)
class OfficeAuditFilter:
    """Which entries: those of counties whose code begins so; None excludes nothing."""

    county_prefix: str
    session_code: str | None = None
    actor: str | None = None
    action: str | None = None


@dataclass(frozen=True)
class OfficeAuditEntry:
    """One entry; before and after are JSON."""

    audit_id: int
    at: datetime
    actor: str
    role: str
    action: str
    session_code: str
    county_prefix: str
    before: str
    after: str


class OfficeAuditStore:
    """Bound to the running transaction."""

    def __init__(self, tx: Transaction, schema: str) -> None:
        self._tx = tx.using(kit_queries(schema))

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


async def note_cut(store: OfficeAuditStore, what: Mapping[str, object], now: datetime) -> None:
    """Enter that old entries of the audit were removed, of no session and no county."""
    await store.add(
        RETENTION, CUT_ACTION, now, session_code="", county_prefix="", before=what, after={}
    )


async def list_office_audit(
    store: OfficeAuditStore,
    wanted: OfficeAuditFilter,
    page_size: int,
    page_token: str,
    *,
    actor: Actor,
) -> tuple[Sequence[OfficeAuditEntry], str]:
    """A page of entries and the token of the next, empty after the last.

    Without a prefix those of the auditor's whole scope. Raises DomainError OUT_OF_SCOPE.
    """
    wanted = replace(wanted, county_prefix=wanted.county_prefix or actor.scope)
    actor.require_scope(wanted.county_prefix)
    size = page_size or DEFAULT_PAGE_SIZE
    found = await store.list_page(wanted, int(page_token) if page_token else None, size + 1)
    entries = found[:size]
    return entries, str(entries[-1].audit_id) if len(found) > size else ""
