"""What the feeds of the other services say, as this service keeps it."""

from dataclasses import dataclass
from uuid import UUID

from zikao_tickets.domain.person import Person


@dataclass(frozen=True)
class CandidateState:
    """What the candidate feed says of a person."""

    candidate_id: UUID
    ticket_number: str
    photo_sha256: bytes
    person: Person


@dataclass(frozen=True)
class EnrollmentState:
    """A candidate's whole confirmed enrollment of a session: (slot, course code)."""

    session_code: str
    candidate_id: UUID
    county_code: str
    courses: tuple[tuple[int, str], ...]


@dataclass(frozen=True)
class Photo:
    """A photo as registration stores it."""

    sha256: bytes
    jpeg: bytes
