"""Study records between protobuf messages and the domain; no rules."""

from __future__ import annotations

from typing import Any

from zikao.registration.v1 import study_record_service_pb2, types_pb2
from zikao_kit.convert import enum_from_pb, enum_to_pb, optional, time_to_pb

from zikao_registration.converts.registrations import decision_to_pb
from zikao_registration.domain.registration import Standing
from zikao_registration.domain.study_records import StandingChange, StudyRecord, TicketNumber


def standing_from_pb(number: int) -> Standing:
    """The standing that the contract's enum names."""
    return Standing(enum_from_pb(types_pb2.Standing, "STANDING_", number))


def standing_to_pb(standing: Standing) -> Any:
    """A standing's number."""
    return enum_to_pb(types_pb2.Standing, "STANDING_", standing)


def study_record_to_pb(record: StudyRecord) -> study_record_service_pb2.StudyRecord:
    """A study record."""
    registration, personal = record.registration, record.registration.personal
    return study_record_service_pb2.StudyRecord(
        candidate_id=str(registration.candidate_id),
        standing=standing_to_pb(registration.standing),
        standing_reason=registration.standing_reason,
        session_code=registration.session_code,
        county_code=personal.county_code,
        track=enum_to_pb(types_pb2.Track, "TRACK_", personal.track),
        major_code=personal.major_code,
        ticket_numbers=[_number_to_pb(number) for number in record.ticket_numbers],
        decisions=[decision_to_pb(decision) for decision in record.decisions],
        standing_changes=[_standing_change_to_pb(change) for change in record.standing_changes],
    )


def _standing_change_to_pb(change: StandingChange) -> study_record_service_pb2.StandingChange:
    return study_record_service_pb2.StandingChange(
        standing=standing_to_pb(change.standing),
        reason=change.reason,
        changed_at=time_to_pb(change.changed_at),
    )


def _number_to_pb(number: TicketNumber) -> study_record_service_pb2.TicketNumber:
    return study_record_service_pb2.TicketNumber(
        number=number.number,
        status=enum_to_pb(
            study_record_service_pb2.TicketNumberStatus, "TICKET_NUMBER_STATUS_", number.status
        ),
        assigned_at=time_to_pb(number.assigned_at),
        ended_at=optional(number.ended_at, time_to_pb),
    )
