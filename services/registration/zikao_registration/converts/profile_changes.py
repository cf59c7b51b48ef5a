"""Profile changes between protobuf messages and the domain; no rules."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from zikao.registration.v1 import profile_change_service_pb2 as change_pb2
from zikao.registration.v1 import types_pb2
from zikao_kit.convert import enum_from_pb, enum_to_pb, optional, time_to_pb
from zikao_kit.masking import mask_document, mask_name

from zikao_registration.converts.registrations import (
    decision_to_pb,
    document_type_from_pb,
    reason_from_pb,
)
from zikao_registration.domain.documents import Sex, parse_document
from zikao_registration.domain.profile_changes import (
    ChangeFailure,
    ChangeState,
    ProfileChange,
    ProfileValues,
)
from zikao_registration.domain.registration import Decision, Registration


def values_from_pb(message: change_pb2.ProfileValues, today: date) -> ProfileValues:
    """New values; raises DOCUMENT_INVALID."""
    document = None
    if message.document_number:
        kind = document_type_from_pb(message.document_type)
        document = parse_document(kind, message.document_number, today=today)
    return ProfileValues(
        name=message.name,
        sex=Sex(enum_from_pb(types_pb2.Sex, "SEX_", message.sex)) if message.sex else None,
        ethnicity_code=message.ethnicity_code,
        birth_date=message.birth_date,
        document=document,
    )


def values_to_pb(values: ProfileValues) -> change_pb2.ProfileValues:
    """Values, None as unspecified."""
    document = values.document
    return change_pb2.ProfileValues(
        name=values.name,
        sex=enum_to_pb(types_pb2.Sex, "SEX_", values.sex),
        ethnicity_code=values.ethnicity_code,
        birth_date=values.birth_date,
        document_type=enum_to_pb(
            types_pb2.DocumentType, "DOCUMENT_TYPE_", document.type if document else None
        ),
        document_number=document.number if document else "",
    )


def change_state_from_pb(number: int) -> ChangeState | None:
    """The state that the contract's enum names; None for unspecified."""
    enum = change_pb2.ProfileChangeState
    return ChangeState(enum_from_pb(enum, "PROFILE_CHANGE_STATE_", number)) if number else None


def change_state_to_pb(state: ChangeState) -> Any:
    """A state's number."""
    return enum_to_pb(change_pb2.ProfileChangeState, "PROFILE_CHANGE_STATE_", state)


def change_to_pb(change: ProfileChange) -> change_pb2.ProfileChange:
    """A request in full."""
    return change_pb2.ProfileChange(
        change_id=str(change.change_id),
        candidate_id=str(change.candidate_id),
        session_code=change.session_code,
        state=change_state_to_pb(change.state),
        changes=values_to_pb(change.values),
        requested_at=time_to_pb(change.requested_at),
        decision=optional(change.decision, decision_to_pb),
        failure=_failure_to_pb(change.failure),
    )


def change_summary_to_pb(
    change: ProfileChange, registration: Registration
) -> change_pb2.ProfileChangeSummary:
    """A request in a list, masked."""
    return change_pb2.ProfileChangeSummary(
        change_id=str(change.change_id),
        candidate_id=str(change.candidate_id),
        state=change_state_to_pb(change.state),
        masked_name=mask_name(registration.personal.name),
        masked_document_number=mask_document(registration.document.number),
        changed_fields=change.values.fields,
        requested_at=time_to_pb(change.requested_at),
        failure=_failure_to_pb(change.failure),
    )


def change_decision_from_pb(
    message: change_pb2.DecideProfileChangeRequest, decided_at: datetime
) -> Decision:
    """A decision, made now."""
    reasons = tuple(reason_from_pb(reason) for reason in message.reasons)
    return Decision(message.approve, reasons, message.comment, decided_at)


def _failure_to_pb(failure: ChangeFailure | None) -> Any:
    return enum_to_pb(change_pb2.ProfileChangeFailure, "PROFILE_CHANGE_FAILURE_", failure)
