"""What the feeds of registration and enrollment say, as values."""

import hashlib
from collections.abc import Iterable, Mapping
from uuid import UUID

from zikao.enrollment.v1 import enrollment_feed_service_pb2
from zikao.registration.v1 import candidate_feed_service_pb2, types_pb2

from zikao_tickets.domain.person import Person
from zikao_tickets.domain.projections import CandidateState, EnrollmentState, Photo

_SEXES = {types_pb2.SEX_MALE: "男", types_pb2.SEX_FEMALE: "女"}


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
