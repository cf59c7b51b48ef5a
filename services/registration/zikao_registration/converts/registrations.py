"""Between protobuf messages and the domain, both ways; no rules."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeVar

from google.protobuf.json_format import MessageToJson, Parse
from google.protobuf.message import Message
from zikao.options.v1 import options_pb2
from zikao.registration.v1 import candidate_feed_service_pb2 as feed_pb2
from zikao.registration.v1 import session_service_pb2, types_pb2
from zikao_kit.convert import enum_from_pb, enum_to_pb, optional, time_from_pb, time_to_pb
from zikao_kit.feed import FeedRow

from zikao_registration.domain.documents import DocumentType, Sex
from zikao_registration.domain.personal import PersonalData, Track
from zikao_registration.domain.registration import Decision, Registration, RejectionReason
from zikao_registration.domain.session import Session, Window
from zikao_registration.domain.states import State

SESSIONS_KEPT = 16
T = TypeVar("T")


def document_type_from_pb(number: int) -> DocumentType:
    """The kind of document that the contract's enum names."""
    return DocumentType(enum_from_pb(types_pb2.DocumentType, "DOCUMENT_TYPE_", number))


def role_from_pb(number: int) -> str:
    """The role as access tokens name it."""
    return enum_from_pb(options_pb2.Role, "ROLE_", number)


def reason_from_pb(number: int) -> RejectionReason:
    """The reason that the contract's enum names."""
    return RejectionReason(enum_from_pb(types_pb2.RejectionReason, "REJECTION_REASON_", number))


def personal_from_pb(message: types_pb2.PersonalData) -> PersonalData:
    """What the candidate wrote, unspecified enums as None."""
    sex = Sex(enum_from_pb(types_pb2.Sex, "SEX_", message.sex)) if message.sex else None
    track = enum_from_pb(types_pb2.Track, "TRACK_", message.track) if message.track else None
    return PersonalData(
        name=message.name,
        sex=sex,
        ethnicity_code=message.ethnicity_code,
        birth_date=message.birth_date,
        county_code=message.county_code,
        track=Track(track) if track else None,
        major_code=message.major_code,
        mobile=message.mobile,
        email=message.email,
    )


def personal_to_pb(personal: PersonalData) -> types_pb2.PersonalData:
    """What the candidate wrote, None as unspecified."""
    return types_pb2.PersonalData(
        name=personal.name,
        sex=enum_to_pb(types_pb2.Sex, "SEX_", personal.sex),
        ethnicity_code=personal.ethnicity_code,
        birth_date=personal.birth_date,
        county_code=personal.county_code,
        track=enum_to_pb(types_pb2.Track, "TRACK_", personal.track),
        major_code=personal.major_code,
        mobile=personal.mobile,
        email=personal.email,
    )


def decision_to_pb(decision: Decision) -> types_pb2.Decision:
    """A decision."""
    return types_pb2.Decision(
        approved=decision.approved,
        reasons=[
            enum_to_pb(types_pb2.RejectionReason, "REJECTION_REASON_", reason)
            for reason in decision.reasons
        ],
        comment=decision.comment,
        decided_at=time_to_pb(decision.decided_at),
    )


def state_from_pb(number: int) -> State:
    """The state that the contract's enum names."""
    return State(enum_from_pb(types_pb2.RegistrationState, "REGISTRATION_STATE_", number))


def state_to_pb(state: State) -> Any:
    """A state's number: what a second officer is to confirm is pending review like the rest."""
    shown = State.PENDING_REVIEW if state is State.PENDING_CONFIRMATION else state
    return enum_to_pb(types_pb2.RegistrationState, "REGISTRATION_STATE_", shown)


def registration_to_pb(registration: Registration) -> types_pb2.Registration:
    """A registration in full."""
    decision = registration.last_decision
    document = registration.document
    return types_pb2.Registration(
        candidate_id=str(registration.candidate_id),
        session_code=registration.session_code,
        state=state_to_pb(registration.state),
        document_type=enum_to_pb(types_pb2.DocumentType, "DOCUMENT_TYPE_", document.type),
        document_number=document.number,
        personal=personal_to_pb(registration.personal),
        photo_sha256=registration.photo_sha256,
        has_identity_material=registration.has_material,
        ticket_number=registration.ticket_number,
        last_decision=decision_to_pb(decision) if decision else None,
        updated_at=time_to_pb(registration.updated_at),
    )


def candidate_to_pb(registration: Registration) -> feed_pb2.Candidate:
    """An approved registration as other services need to know it."""
    personal = registration.personal
    return feed_pb2.Candidate(
        candidate_id=str(registration.candidate_id),
        ticket_number=registration.ticket_number,
        county_code=personal.county_code,
        track=enum_to_pb(types_pb2.Track, "TRACK_", personal.track),
        standing=enum_to_pb(types_pb2.Standing, "STANDING_", registration.standing),
        standing_reason=registration.standing_reason,
        name=personal.name,
        sex=enum_to_pb(types_pb2.Sex, "SEX_", personal.sex),
        document_number=registration.document.number,
        photo_sha256=registration.photo_sha256,
    )


def event_to_pb(row: FeedRow, candidate: bytes) -> feed_pb2.CandidateEvent:
    """An event of the feed; `candidate` is its decrypted payload."""
    return feed_pb2.CandidateEvent(
        cursor=str(row.cursor),
        candidate=feed_pb2.Candidate.FromString(candidate),
        occurred_at=time_to_pb(row.created_at),
        traceparent=row.traceparent,
    )


def session_from_pb(message: session_service_pb2.RegistrationSession) -> Session:
    """A session's settings."""
    return Session(
        code=message.code,
        name=message.name,
        registration_opens_at=time_from_pb(message.registration_opens_at),
        registration_closes_at=time_from_pb(message.registration_closes_at),
        material_closes_at=time_from_pb(message.material_closes_at),
        review_closes_at=time_from_pb(message.review_closes_at),
        ticket_number_format=message.ticket_number_format,
        ticket_number_session=message.ticket_number_session,
        counties={county.code: county.name for county in message.counties},
        activation=_if_there(message, "activation", _window_from_pb),
        profile_change=_if_there(message, "profile_change", _window_from_pb),
        profile_changes_effective_at=_if_there(
            message, "profile_changes_effective_at", time_from_pb
        ),
        enrollment=tuple(_window_from_pb(window) for window in message.enrollment),
        four_eyes_percent=message.four_eyes_percent,
    )


def session_to_pb(session: Session) -> session_service_pb2.RegistrationSession:
    """The same as message."""
    return session_service_pb2.RegistrationSession(
        code=session.code,
        name=session.name,
        registration_opens_at=time_to_pb(session.registration_opens_at),
        registration_closes_at=time_to_pb(session.registration_closes_at),
        material_closes_at=time_to_pb(session.material_closes_at),
        review_closes_at=time_to_pb(session.review_closes_at),
        ticket_number_format=session.ticket_number_format,
        ticket_number_session=session.ticket_number_session,
        counties=[
            session_service_pb2.RegistrationCounty(code=code, name=name)
            for code, name in session.counties.items()
        ],
        activation=optional(session.activation, _window_to_pb),
        profile_change=optional(session.profile_change, _window_to_pb),
        profile_changes_effective_at=optional(session.profile_changes_effective_at, time_to_pb),
        enrollment=[_window_to_pb(window) for window in session.enrollment],
        four_eyes_percent=session.four_eyes_percent,
    )


def _if_there(message: Message, field: str, convert: Callable[[Any], T]) -> T | None:
    return convert(getattr(message, field)) if message.HasField(field) else None


def _window_from_pb(message: session_service_pb2.SessionWindow) -> Window:
    return Window(time_from_pb(message.opens_at), time_from_pb(message.closes_at))


def _window_to_pb(window: Window) -> session_service_pb2.SessionWindow:
    return session_service_pb2.SessionWindow(
        opens_at=time_to_pb(window.opens_at), closes_at=time_to_pb(window.closes_at)
    )


def session_to_json(session: Session) -> str:
    """A session as it is stored: its message in protobuf's JSON."""
    return MessageToJson(session_to_pb(session), indent=None, ensure_ascii=False)


@lru_cache(maxsize=SESSIONS_KEPT)
def session_from_json(body: str) -> Session:
    """A session as it was stored; what a newer version has added is passed over.

    Every change of a registration needs one: reading a thousand counties takes 10 ms.
    """
    message = session_service_pb2.RegistrationSession()
    return session_from_pb(Parse(body, message, ignore_unknown_fields=True))
