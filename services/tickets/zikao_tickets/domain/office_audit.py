"""What offices did, as auditors ask for it (DOMAIN section 7)."""

from dataclasses import dataclass
from datetime import datetime


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
