"""Protobuf to domain and back: `x_to_pb`, `x_from_pb`."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from google.protobuf.json_format import MessageToJson, Parse
from zikao.enrollment.v1 import enrollment_feed_service_pb2
from zikao.registration.v1 import candidate_feed_service_pb2, types_pb2
from zikao.tickets.v1 import arrangement_service_pb2, session_service_pb2, ticket_service_pb2
from zikao_kit.convert import enum_to_pb, time_from_pb, time_to_pb

from zikao_tickets.domain.person import Bearer, Person
from zikao_tickets.domain.projections import CandidateState, EnrollmentState, Photo
from zikao_tickets.domain.session import Notice, RoomPlan, Session, Site, Slot
from zikao_tickets.domain.states import Arrangement
from zikao_tickets.domain.ticket import PrintedTickets, Ticket
from zikao_tickets.proof import TicketProof

_SEXES = {types_pb2.SEX_MALE: "男", types_pb2.SEX_FEMALE: "女"}
SESSIONS_KEPT = 8
_STATE = "ARRANGEMENT_STATE_"


def session_from_pb(session: session_service_pb2.TicketsSession) -> Session:
    """The settings without the sites."""
    return Session(
        code=session.code,
        name=session.name,
        time_zone=session.time_zone,
        arrangements_open_at=time_from_pb(session.arrangements_open_at),
        printing_opens_at=time_from_pb(session.printing_opens_at),
        printing_closes_at=time_from_pb(session.printing_closes_at),
        slots=tuple(
            Slot(slot.number, time_from_pb(slot.starts_at), time_from_pb(slot.ends_at))
            for slot in session.slots
        ),
        courses={course.code: course.name for course in session.courses},
        notice=Notice(session.notice.version, tuple(session.notice.paragraphs)),
    )


def session_to_pb(session: Session) -> session_service_pb2.TicketsSession:
    """The settings as message, without the sites."""
    return session_service_pb2.TicketsSession(
        code=session.code,
        name=session.name,
        time_zone=session.time_zone,
        arrangements_open_at=time_to_pb(session.arrangements_open_at),
        printing_opens_at=time_to_pb(session.printing_opens_at),
        printing_closes_at=time_to_pb(session.printing_closes_at),
        slots=[
            session_service_pb2.TicketSlot(
                number=slot.number,
                starts_at=time_to_pb(slot.starts_at),
                ends_at=time_to_pb(slot.ends_at),
            )
            for slot in session.slots
        ],
        courses=[
            session_service_pb2.TicketCourse(code=code, name=name)
            for code, name in session.courses.items()
        ],
        notice=session_service_pb2.Notice(
            version=session.notice.version, paragraphs=session.notice.paragraphs
        ),
    )


def session_to_json(session: Session) -> str:
    """A session as it is stored: its message in protobuf's JSON, without the sites."""
    return MessageToJson(session_to_pb(session), indent=None, ensure_ascii=False)


@lru_cache(maxsize=SESSIONS_KEPT)
def session_from_json(body: str) -> Session:
    """A session as it was stored; what a newer version has added is passed over.

    Almost every call needs one, and thousands of courses take 30 ms to parse: each text is
    parsed once.
    """
    message = session_service_pb2.TicketsSession()
    return session_from_pb(Parse(body, message, ignore_unknown_fields=True))


def sites_from_pb(session: session_service_pb2.TicketsSession) -> list[Site]:
    """The sites in the order in which they are filled."""
    return [
        Site(
            code=site.code,
            county_code=site.county_code,
            county_name=site.county_name,
            name=site.name,
            address=site.address,
            rooms=tuple(RoomPlan(room.code, room.columns, room.rows) for room in site.rooms),
        )
        for site in session.sites
    ]


def arrangement_to_pb(
    arrangement: Arrangement, seed: bytes = b""
) -> arrangement_service_pb2.Arrangement:
    """`seed` is given once the arrangement is published."""
    return arrangement_service_pb2.Arrangement(
        arrangement_id=str(arrangement.arrangement_id),
        session_code=arrangement.session_code,
        county_code=arrangement.county_code,
        state=enum_to_pb(arrangement_service_pb2.ArrangementState, _STATE, arrangement.state),
        seed_sha256=arrangement.seed_sha256,
        seed=seed,
        candidates=arrangement.candidates,
        sittings=arrangement.sittings,
        rooms=arrangement.rooms,
        failure=arrangement.failure,
        started_at=time_to_pb(arrangement.started_at),
    )


def county_part_to_pb(
    printed: PrintedTickets, *, done: int, total: int
) -> ticket_service_pb2.StreamCountyTicketsResponse:
    """One part of a county's tickets."""
    return ticket_service_pb2.StreamCountyTicketsResponse(
        pdf=printed.pdf,
        ticket_numbers=[ticket.ticket_number for ticket in printed.tickets],
        unprintable=[
            ticket_service_pb2.UnprintableTicket(
                ticket_number=ticket.ticket_number, reason=refusal.reason
            )
            for ticket, refusal in printed.refused
        ],
        done=done,
        total=total,
    )


def printed_to_pb(ticket: Ticket, pdf: bytes = b"") -> ticket_service_pb2.PrintTicketResponse:
    """One printed ticket; what is stored as the answer is without its bytes."""
    return ticket_service_pb2.PrintTicketResponse(
        pdf=pdf, version=ticket.version, serial=ticket.serial, proof=ticket.proof or ""
    )


def verification_data_to_pb(
    keys: Mapping[str, Ed25519PublicKey], revoked: Sequence[tuple[str, int]], as_of: datetime
) -> ticket_service_pb2.GetVerificationDataResponse:
    """What scanners carry; `revoked` are ticket numbers and versions."""
    return ticket_service_pb2.GetVerificationDataResponse(
        keys=[
            ticket_service_pb2.VerificationKey(key_id=key_id, public_key=key.public_bytes_raw())
            for key_id, key in keys.items()
        ],
        revoked=[
            ticket_service_pb2.RevokedTicket(ticket_number=number, version=version)
            for number, version in revoked
        ],
        as_of=time_to_pb(as_of),
    )


def verification_to_pb(
    proof: TicketProof, bearer: Bearer
) -> ticket_service_pb2.VerifyTicketResponse:
    """Who should be sitting where."""
    return ticket_service_pb2.VerifyTicketResponse(
        ticket_number=proof.ticket_number,
        name=bearer.person.name,
        photo_jpeg=bearer.jpeg or b"",
        sittings=[
            ticket_service_pb2.VerifiedSitting(slot=slot, room=room, seat=seat)
            for slot, room, seat in proof.sittings
        ],
    )


def candidate_from_pb(candidate: candidate_feed_service_pb2.Candidate) -> CandidateState:
    """What the candidate feed says of a person."""
    return CandidateState(
        candidate_id=UUID(candidate.candidate_id),
        ticket_number=candidate.ticket_number,
        photo_sha256=candidate.photo_sha256,
        person=Person(candidate.name, _SEXES.get(candidate.sex, ""), candidate.document_number),
    )


def enrollment_from_pb(event: enrollment_feed_service_pb2.EnrollmentEvent) -> EnrollmentState:
    """What the enrollment feed says of a candidate in a session."""
    return EnrollmentState(
        session_code=event.session_code,
        candidate_id=UUID(event.candidate_id),
        county_code=event.county_code,
        courses=tuple((course.slot, course.course_code) for course in event.courses),
    )


def photos_from_pb(
    photos: Iterable[candidate_feed_service_pb2.CandidatePhoto],
) -> Mapping[UUID, Photo]:
    """Photos by candidate."""
    return {
        UUID(photo.candidate_id): Photo(hashlib.sha256(photo.jpeg).digest(), photo.jpeg)
        for photo in photos
    }
