"""The audit trail as auditors ask for it (DOMAIN section 7)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True)
class AuditFilter:
    """Which entries; None excludes nothing."""

    candidate_id: UUID | None
    actor: str | None
    area: str | None
    action: str | None
    begins_at: datetime | None
    ends_at: datetime | None


@dataclass(frozen=True)
class AuditEntry:
    """One entry; before and after are JSON."""

    audit_id: int
    at: datetime
    actor: str
    role: str
    action: str
    candidate_id: UUID | None
    county_code: str
    before: str
    after: str
