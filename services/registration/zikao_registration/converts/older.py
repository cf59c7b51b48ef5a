"""Older candidates between protobuf messages and the domain; no rules."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from zikao.registration.v1 import (
    older_candidate_service_pb2,
    older_record_service_pb2,
    study_record_service_pb2,
    types_pb2,
)
from zikao_kit.convert import enum_from_pb, enum_to_pb, optional, time_to_pb
from zikao_kit.masking import mask_document, mask_mobile, mask_name

from zikao_registration.converts.registrations import document_type_from_pb
from zikao_registration.domain.documents import Sex
from zikao_registration.domain.held_numbers import HeldNumber, StoredNumber
from zikao_registration.domain.older_imports import OlderImport, RecordFilter
from zikao_registration.domain.older_records import OlderRow, RefusedRow
from zikao_registration.domain.personal import Track


def import_from_pb(
    message: older_candidate_service_pb2.StartImportRequest, scope: str, now: datetime
) -> OlderImport:
    """A new import of an office; `scope` is empty for the operator's."""
    return OlderImport(
        import_id=UUID(message.request_id),
        scope=scope,
        source_name=message.source_name,
        total_rows=message.total_rows,
        replaces=message.replace,
        dry_run=message.dry_run,
        started_at=now,
        updated_at=now,
    )


def import_to_pb(imported: OlderImport) -> older_candidate_service_pb2.OlderImport:
    """An import."""
    return older_candidate_service_pb2.OlderImport(
        import_id=str(imported.import_id),
        source_name=imported.source_name,
        total_rows=imported.total_rows,
        replace=imported.replaces,
        dry_run=imported.dry_run,
        started_at=time_to_pb(imported.started_at),
        updated_at=time_to_pb(imported.updated_at),
        **imported.counts,
    )


def problem_to_pb(refused: RefusedRow) -> older_candidate_service_pb2.ImportProblem:
    """A row that was refused."""
    return older_candidate_service_pb2.ImportProblem(line=refused.line, problems=refused.problems)


def row_from_pb(message: older_candidate_service_pb2.OlderCandidateRow) -> OlderRow:
    """A row as it came, unspecified enums as None."""
    sex = Sex(enum_from_pb(types_pb2.Sex, "SEX_", message.sex)) if message.sex else None
    track = enum_from_pb(types_pb2.Track, "TRACK_", message.track) if message.track else None
    kind = document_type_from_pb(message.document_type) if message.document_type else None
    return OlderRow(
        line=message.line,
        ticket_number=message.ticket_number,
        document_type=kind,
        document_number=message.document_number,
        name=message.name,
        sex=sex,
        county_code=message.county_code,
        track=Track(track) if track else None,
        major_code=message.major_code,
        mobile=message.mobile,
        photo_jpeg=message.photo_jpeg,
        has_account=message.has_account,
    )


def number_to_pb(number: StoredNumber) -> study_record_service_pb2.TicketNumber:
    """A ticket number."""
    return study_record_service_pb2.TicketNumber(
        number=number.ticket_number,
        status=_status_to_pb(number.status),
        assigned_at=time_to_pb(number.assigned_at),
        ended_at=optional(number.ended_at, time_to_pb),
    )


def filter_from_pb(number: int) -> RecordFilter:
    """What records wait for; unspecified is for their owners."""
    kind = older_record_service_pb2.OlderRecordFilter
    name = enum_from_pb(kind, "OLDER_RECORD_FILTER_", number) if number else ""
    return RecordFilter(name) if name else RecordFilter.WAITING


def record_to_pb(held: HeldNumber) -> older_record_service_pb2.OlderRecord:
    """A record in full, the candidate's data once it is activated."""
    stored, document = held.stored, held.person.document
    personal = held.personal
    return older_record_service_pb2.OlderRecord(
        ticket_number=stored.ticket_number,
        status=_status_to_pb(stored.status),
        document_type=enum_to_pb(
            types_pb2.DocumentType, "DOCUMENT_TYPE_", document.type if document else None
        ),
        document_number=document.number if document else "",
        name=personal.name,
        sex=enum_to_pb(types_pb2.Sex, "SEX_", personal.sex),
        county_code=personal.county_code,
        track=enum_to_pb(types_pb2.Track, "TRACK_", personal.track),
        major_code=personal.major_code,
        mobile=personal.mobile,
        has_photo=held.has_photo,
        activated_at=optional(stored.activated_at, time_to_pb),
    )


def masked_record_to_pb(held: HeldNumber) -> older_record_service_pb2.OlderRecord:
    """A record as lists show it."""
    record = record_to_pb(held)
    record.name = mask_name(record.name)
    record.document_number = mask_document(record.document_number) if record.document_number else ""
    record.mobile = mask_mobile(record.mobile) if record.mobile else ""
    return record


def _status_to_pb(status: str) -> Any:
    kind = study_record_service_pb2.TicketNumberStatus
    return enum_to_pb(kind, "TICKET_NUMBER_STATUS_", status)
