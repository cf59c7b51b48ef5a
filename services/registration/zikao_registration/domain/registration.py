"""A candidate's registration as the office and the candidate see it (DOMAIN section 3)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from zikao_kit.errors import DomainError

from zikao_registration.domain.documents import Document
from zikao_registration.domain.personal import PersonalData
from zikao_registration.domain.states import State


class RejectionReason(StrEnum):
    """What an office found wrong."""

    PHOTO = "photo"
    NAME = "name"
    DOCUMENT = "document"
    MATERIAL = "material"
    OTHER = "other"


class Standing(StrEnum):
    """Standing of the study record: only the active may enroll."""

    ACTIVE = "active"
    GRADUATED = "graduated"
    TRANSFER_REQUESTED = "transfer_requested"
    TRANSFERRED_OUT = "transferred_out"
    BLOCKED = "blocked"


@dataclass(frozen=True)
class Decision:
    """One decision of an office; `reasons` is empty exactly when it approved."""

    approved: bool
    reasons: tuple[RejectionReason, ...]
    comment: str
    decided_at: datetime


@dataclass(frozen=True)
class Registration:
    """All of a registration but the pictures; empty text or None where there is nothing yet."""

    candidate_id: UUID
    session_code: str
    state: State
    document: Document
    personal: PersonalData
    updated_at: datetime
    submitted_at: datetime | None = None
    ticket_number: str = ""
    standing: Standing = Standing.ACTIVE
    standing_reason: str = ""
    photo_sha256: bytes = b""
    has_material: bool = False
    leased_by: UUID | None = None
    leased_until: datetime | None = None
    last_decision: Decision | None = None
    first_approved_by: UUID | None = None

    @property
    def material_file_name(self) -> str:
        """The name the system gives to the identity material."""
        return f"{self.personal.name}+{self.document.number}+新生审核{self.session_code}次"

    def leased_now(self, now: datetime) -> datetime | None:
        """Until when it is somebody's work; None when it is nobody's."""
        return self.leased_until if self.leased_until and now < self.leased_until else None

    def is_leased_to(self, officer_id: UUID, now: datetime) -> bool:
        """Say whether the officer holds it now."""
        return self.leased_by == officer_id and self.leased_now(now) is not None

    def require_lease(self, officer_id: UUID, now: datetime) -> None:
        """Raise LEASE_LOST unless the officer holds the registration now."""
        if not self.is_leased_to(officer_id, now):
            raise DomainError("LEASE_LOST")
