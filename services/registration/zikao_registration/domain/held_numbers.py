"""Ticket numbers with whom they are of: a candidate, or an older record nobody has activated."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from zikao_registration.domain.activation import Person
from zikao_registration.domain.older_imports import NumberStatus
from zikao_registration.domain.older_records import OlderRecord
from zikao_registration.domain.personal import PersonalData
from zikao_registration.domain.registration import Registration


@dataclass(frozen=True)
class StoredNumber:
    """A ticket number, and what was imported with it: `record` until it is activated."""

    ticket_number: str
    status: NumberStatus
    reason: str
    assigned_at: datetime
    ended_at: datetime | None
    candidate_id: UUID | None
    is_imported: bool
    activated_at: datetime | None
    county_code: str
    content_index: bytes
    document_index: bytes | None
    record: OlderRecord | None
    photo_sha256: bytes


@dataclass(frozen=True)
class HeldNumber:
    """A ticket number and its owner, who is None until it is activated."""

    stored: StoredNumber
    owner: Registration | None

    @property
    def county_code(self) -> str:
        """The county whose office it is a matter of."""
        return self.owner.personal.county_code if self.owner else self.stored.county_code

    @property
    def person(self) -> Person:
        """Who it is of."""
        if self.owner:
            return Person(self.owner.document, self.owner.personal.name)
        record = self.stored.record
        return Person(record.document if record else None, self.personal.name)

    @property
    def personal(self) -> PersonalData:
        """What is on record, or what the candidate has written since."""
        if self.owner:
            return self.owner.personal
        return self.stored.record.personal if self.stored.record else PersonalData()

    @property
    def has_photo(self) -> bool:
        """Whether a photo is there."""
        return bool(self.owner.photo_sha256 if self.owner else self.stored.photo_sha256)

    @property
    def has_ended(self) -> bool:
        """Whether it can do nothing any more."""
        return self.stored.status in (NumberStatus.ENDED, NumberStatus.CANCELLED)
