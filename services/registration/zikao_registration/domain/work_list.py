"""What offices ask of their work list, and what they are told of it (DOMAIN section 3, Review)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from zikao_registration.domain.registration import Registration, RejectionReason
from zikao_registration.domain.states import State

COUNTY_DIGITS = 6


class LeaseFilter(StrEnum):
    """Whose work a registration is."""

    FREE = "free"
    LEASED = "leased"
    MINE = "mine"


@dataclass(frozen=True)
class QueueFilter:
    """Which registrations of an area; None excludes nothing."""

    area: str  # code prefix, 2 to 6 digits
    session_code: str | None = None
    states: tuple[State, ...] | None = None
    submitted_from: datetime | None = None
    submitted_to: datetime | None = None
    has_material: bool | None = None
    lease: LeaseFilter | None = None
    rejection_reason: RejectionReason | None = None
    ticket_number: str | None = None
    person_key: str | None = None  # of a document

    @property
    def is_search(self) -> bool:
        """Say whether it looks for one person: that is audited."""
        return self.ticket_number is not None or self.person_key is not None


@dataclass(frozen=True)
class QueuePlace:
    """A place in the list as it was at `as_of`: after one registration."""

    as_of: datetime
    queued_at: datetime
    candidate_id: UUID


@dataclass(frozen=True)
class QueuePage:
    """Registrations, and the place of the next page; None after the last."""

    registrations: Sequence[Registration]
    next_place: QueuePlace | None


@dataclass(frozen=True)
class HourlyDecisions:
    """Decisions of one hour, so many whole hours ago; final ones alone."""

    hours_ago: int
    approved: int
    rejected: int


@dataclass(frozen=True)
class CountyStatistics:
    """How the work of one county goes. Ages are of what waits, each below its limit and above the
    one before; times are of the last 24 hours' decisions."""

    county_code: str
    drafts: int
    pending: int
    awaiting_confirmation: int
    approved: int
    rejected: int
    abandoned: int
    under_1_hour: int
    under_4_hours: int
    under_24_hours: int
    oldest_submitted_at: datetime | None
    hours: Sequence[HourlyDecisions] = field(default_factory=tuple)
    median: timedelta | None = None
    p90: timedelta | None = None


def split_area(code_prefix: str) -> tuple[str | None, str | None]:
    """A county's code, or the prefix of several: one of the two, as queries ask for it."""
    is_county = len(code_prefix) == COUNTY_DIGITS
    return (code_prefix, None) if is_county else (None, code_prefix)
