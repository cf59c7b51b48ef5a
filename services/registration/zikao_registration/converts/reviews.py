"""Between the messages of reviews, work lists and the audit trail, and the domain; no rules."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from zikao.registration.v1 import (
    audit_service_pb2,
    errors_pb2,
    review_service_pb2,
    types_pb2,
    work_list_service_pb2,
)
from zikao_kit.context import current_request_id
from zikao_kit.convert import enum_from_pb, enum_to_pb, optional, time_from_pb, time_to_pb
from zikao_kit.error_table import ErrorTable
from zikao_kit.errors import DomainError
from zikao_kit.masking import mask_document, mask_mobile, mask_name

from zikao_registration.converts.registrations import (
    decision_to_pb,
    document_type_from_pb,
    reason_from_pb,
    registration_to_pb,
    state_from_pb,
    state_to_pb,
)
from zikao_registration.domain.audit_trail import AuditEntry, AuditFilter
from zikao_registration.domain.documents import parse_document
from zikao_registration.domain.registration import Decision, Registration
from zikao_registration.domain.reviewing import PastDecision
from zikao_registration.domain.states import PENDING, State
from zikao_registration.domain.work_list import (
    CountyStatistics,
    LeaseFilter,
    QueueFilter,
    QueuePlace,
)

_ERRORS = ErrorTable.from_enums(errors_pb2.ErrorReason.DESCRIPTOR)


def decision_from_pb(
    message: review_service_pb2.DecideRegistrationRequest, decided_at: datetime
) -> Decision:
    """A decision, made now."""
    reasons = tuple(reason_from_pb(reason) for reason in message.reasons)
    return Decision(message.approve, reasons, message.comment, decided_at)


def decided_to_pb(registration: Registration) -> review_service_pb2.DecideRegistrationResponse:
    """Where a registration stands after a decision."""
    return review_service_pb2.DecideRegistrationResponse(
        state=state_to_pb(registration.state),
        ticket_number=registration.ticket_number,
        needs_confirmation=registration.state is State.PENDING_CONFIRMATION,
    )


def approval_to_pb(
    candidate_id: UUID, outcome: Registration | DomainError
) -> review_service_pb2.ApprovalResult:
    """What became of one approval of many."""
    if isinstance(outcome, DomainError):
        return review_service_pb2.ApprovalResult(
            candidate_id=str(candidate_id),
            error_reason=outcome.reason,
            error_message=_ERRORS.sentence(outcome, current_request_id()),
        )
    return review_service_pb2.ApprovalResult(
        candidate_id=str(candidate_id),
        ticket_number=outcome.ticket_number,
        needs_confirmation=outcome.state is State.PENDING_CONFIRMATION,
    )


def queue_filter_from_pb(
    message: work_list_service_pb2.ListRegistrationsRequest, now: datetime
) -> QueueFilter:
    """Which registrations; raises DomainError DOCUMENT_INVALID."""
    return QueueFilter(
        area=message.county_code,
        session_code=message.session_code or None,
        states=_states(message),
        submitted_from=_time(message, "submitted_from"),
        submitted_to=_time(message, "submitted_to"),
        has_material=(
            message.has_identity_material if message.HasField("has_identity_material") else None
        ),
        lease=_lease_filter(message.lease),
        rejection_reason=(
            reason_from_pb(message.rejection_reason) if message.rejection_reason else None
        ),
        ticket_number=message.ticket_number or None,
        person_key=_person_key(message, now),
    )


def place_to_token(place: QueuePlace) -> list[str]:
    """A place in the list as its token holds it."""
    return [place.as_of.isoformat(), place.queued_at.isoformat(), str(place.candidate_id)]


def place_from_token(token: Sequence[str]) -> QueuePlace:
    """The place that a token holds."""
    as_of, queued_at, candidate_id = token
    times = datetime.fromisoformat(as_of), datetime.fromisoformat(queued_at)
    return QueuePlace(*times, UUID(candidate_id))


def summary_to_pb(
    registration: Registration, officer_id: UUID, now: datetime
) -> work_list_service_pb2.RegistrationSummary:
    """A registration as lists show it to an officer: masked."""
    personal, document = registration.personal, registration.document
    decision = registration.last_decision
    return work_list_service_pb2.RegistrationSummary(
        candidate_id=str(registration.candidate_id),
        session_code=registration.session_code,
        county_code=personal.county_code,
        state=state_to_pb(registration.state),
        awaiting_confirmation=registration.state is State.PENDING_CONFIRMATION,
        masked_name=mask_name(personal.name),
        document_type=enum_to_pb(types_pb2.DocumentType, "DOCUMENT_TYPE_", document.type),
        masked_document_number=mask_document(document.number),
        masked_mobile=mask_mobile(personal.mobile),
        track=enum_to_pb(types_pb2.Track, "TRACK_", personal.track),
        has_identity_material=registration.has_material,
        ticket_number=registration.ticket_number,
        submitted_at=optional(registration.submitted_at, time_to_pb),
        leased_until=optional(registration.leased_now(now), time_to_pb),
        leased_to_me=registration.is_leased_to(officer_id, now),
        rejection_reasons=decision_to_pb(decision).reasons if decision else [],
        updated_at=time_to_pb(registration.updated_at),
    )


def review_to_pb(
    registration: Registration, decisions: Sequence[PastDecision], officer_id: UUID, now: datetime
) -> work_list_service_pb2.GetRegistrationForReviewResponse:
    """A registration in full, with its history."""
    return work_list_service_pb2.GetRegistrationForReviewResponse(
        registration=registration_to_pb(registration),
        decisions=[
            work_list_service_pb2.ReviewDecision(
                decision=decision_to_pb(each.decision),
                officer_id=str(each.officer_id),
                needed_confirmation=each.needed_confirmation,
            )
            for each in decisions
        ],
        awaiting_confirmation=registration.state is State.PENDING_CONFIRMATION,
        submitted_at=optional(registration.submitted_at, time_to_pb),
        leased_until=optional(registration.leased_now(now), time_to_pb),
        leased_to_me=registration.is_leased_to(officer_id, now),
    )


def statistics_to_pb(
    county: CountyStatistics, *, is_overdue: bool
) -> work_list_service_pb2.CountyReviewStatistics:
    """How the work of one county goes."""
    return work_list_service_pb2.CountyReviewStatistics(
        county_code=county.county_code,
        drafts=county.drafts,
        pending=county.pending,
        awaiting_confirmation=county.awaiting_confirmation,
        approved=county.approved,
        rejected=county.rejected,
        abandoned=county.abandoned,
        waiting_under_1_hour=county.under_1_hour,
        waiting_under_4_hours=county.under_4_hours - county.under_1_hour,
        waiting_under_24_hours=county.under_24_hours - county.under_4_hours,
        waiting_longer=county.pending - county.under_24_hours,
        overdue=county.pending if is_overdue else 0,
        oldest_submitted_at=optional(county.oldest_submitted_at, time_to_pb),
        hours=[
            work_list_service_pb2.HourlyDecisions(
                hours_ago=hour.hours_ago, approved=hour.approved, rejected=hour.rejected
            )
            for hour in county.hours
        ],
        median_decision_time=optional(county.median, _duration_to_pb),
        p90_decision_time=optional(county.p90, _duration_to_pb),
    )


def audit_filter_from_pb(message: audit_service_pb2.ListAuditEntriesRequest) -> AuditFilter:
    """Which entries."""
    return AuditFilter(
        candidate_id=UUID(message.candidate_id) if message.candidate_id else None,
        actor=message.actor or None,
        area=message.county_code or None,
        action=message.action or None,
        begins_at=_time(message, "at_from"),
        ends_at=_time(message, "at_to"),
    )


def audit_entry_to_pb(entry: AuditEntry) -> audit_service_pb2.AuditEntry:
    """An entry of the audit trail."""
    return audit_service_pb2.AuditEntry(
        audit_id=entry.audit_id,
        at=time_to_pb(entry.at),
        actor=entry.actor,
        role=entry.role,
        action=entry.action,
        candidate_id=str(entry.candidate_id) if entry.candidate_id else "",
        county_code=entry.county_code,
        before_json=entry.before,
        after_json=entry.after,
    )


def _states(message: work_list_service_pb2.ListRegistrationsRequest) -> tuple[State, ...] | None:
    """What the contract calls pending is two states; which of them may be asked for alone."""
    if message.HasField("awaiting_confirmation"):
        confirming = {State.PENDING_CONFIRMATION}
        wanted = confirming if message.awaiting_confirmation else set(State) - confirming
    else:
        wanted = set(State)
    if message.state:
        named = state_from_pb(message.state)
        wanted &= PENDING if named in PENDING else {named}
    return tuple(sorted(wanted)) if wanted != set(State) else None


def _lease_filter(number: int) -> LeaseFilter | None:
    lease = enum_from_pb(work_list_service_pb2.LeaseFilter, "LEASE_FILTER_", number)
    return LeaseFilter(lease) if number else None


def _person_key(
    message: work_list_service_pb2.ListRegistrationsRequest, now: datetime
) -> str | None:
    if not message.document_number:
        return None
    kind = document_type_from_pb(message.document_type)
    return parse_document(kind, message.document_number, today=now.date()).person_key


def _time(message: Message, field: str) -> datetime | None:
    """A Timestamp that may be absent."""
    return time_from_pb(getattr(message, field)) if message.HasField(field) else None


def _duration_to_pb(time: timedelta) -> Duration:
    message = Duration()
    message.FromTimedelta(time)
    return message
