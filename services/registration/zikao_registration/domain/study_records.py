"""A study record, and when it may be asked for (DOMAIN section 3, Standing)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from zikao_kit.errors import DomainError

from zikao_registration.domain.registration import Decision, Registration, Standing
from zikao_registration.domain.session import Window


@dataclass(frozen=True)
class TicketNumber:
    """A number its owner has or had; `status` is older, current, ended or cancelled."""

    number: str
    status: str
    assigned_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True)
class StandingChange:
    """What a standing became, and why where somebody has said so."""

    standing: Standing
    reason: str
    changed_at: datetime


@dataclass(frozen=True)
class StudyRecord:
    """What became of a candidate's numbers, registration and standing, the oldest first."""

    registration: Registration
    ticket_numbers: Sequence[TicketNumber]
    decisions: Sequence[Decision]
    standing_changes: Sequence[StandingChange]


def reopening(windows: Iterable[Window], now: datetime) -> datetime | None:
    """When study records may be asked for again: the first moment in no window; None now.

    Windows that overlap or follow each other without a gap count as one.
    """
    reopens_at = now
    for window in sorted(windows, key=lambda window: window.opens_at):
        if window.contains(reopens_at):
            reopens_at = window.closes_at
    return reopens_at if reopens_at > now else None


def require_open(windows: Iterable[Window], now: datetime) -> None:
    """Raise STUDY_RECORD_CLOSED with `reopens_at` while one of the enrollment windows is open."""
    reopens_at = reopening(windows, now)
    if reopens_at is not None:
        raise DomainError("STUDY_RECORD_CLOSED", reopens_at=reopens_at.isoformat())
