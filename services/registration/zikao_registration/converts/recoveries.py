"""What is said to recover, between protobuf messages and the domain; no rules."""

from __future__ import annotations

from datetime import date
from typing import Any

from zikao.registration.v1 import recovery_service_pb2
from zikao_kit.convert import enum_from_pb, enum_to_pb

from zikao_registration.converts.registrations import document_type_from_pb
from zikao_registration.domain.documents import Document, parse_document
from zikao_registration.domain.messages import Channel
from zikao_registration.domain.recovery import Claim, SecurityQuestion


def document_from_pb(request: Any, today: date) -> Document:
    """The document that a request names; raises DOCUMENT_INVALID."""
    kind = document_type_from_pb(request.document_type)
    return parse_document(kind, request.document_number, today=today)


def claim_from_pb(request: Any, today: date) -> Claim:
    """Whom a request claims to be of; raises DOCUMENT_INVALID."""
    return Claim(document_from_pb(request, today), request.ticket_number)


def channel_from_pb(number: int) -> Channel:
    """The channel that the contract's enum names."""
    kind = recovery_service_pb2.RecoveryChannel
    return Channel(enum_from_pb(kind, "RECOVERY_CHANNEL_", number))


def question_from_pb(number: int) -> SecurityQuestion:
    """The question that the contract's enum names."""
    kind = recovery_service_pb2.SecurityQuestion
    return SecurityQuestion(enum_from_pb(kind, "SECURITY_QUESTION_", number))


def question_to_pb(question: SecurityQuestion) -> Any:
    """A question's number."""
    return enum_to_pb(recovery_service_pb2.SecurityQuestion, "SECURITY_QUESTION_", question)


def reset_reason_from_pb(number: int) -> str:
    """The reason that the contract's enum names, in lower case."""
    return enum_from_pb(recovery_service_pb2.ResetReason, "RESET_REASON_", number)
