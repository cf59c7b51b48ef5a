"""What candidates submit, as bytes made ready before, and what they were answered."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from uuid import uuid4

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from zikao.enrollment.v1 import enrollment_service_pb2 as enrollment
from zikao.enrollment.v1 import types_pb2 as types
from zikao_kit.clock import Clock
from zikao_kit.context import ADMISSION_PASS_KEY, TIMEOUT_KEY
from zikao_kit.tokens import TokenIssuer

from zikao_ctl.rush.http2 import headers
from zikao_ctl.rush.people import Candidate

SERVICE = "/zikao.enrollment.v1.EnrollmentService/"
METHODS = {"plan": f"{SERVICE}SubmitPlan", "enrollment": f"{SERVICE}SubmitEnrollment"}
CALL_SECONDS = 5.0
# As the client of the house says it: the service tells by it how long a call has waited unseen.
_TIMEOUT = (TIMEOUT_KEY, str(round(CALL_SECONDS * 1000)))
TOKEN_LIFE = timedelta(hours=12)
CALLER = "portal"
# How a submission stands: nothing final yet, or the last word.
OPEN, ACCEPTED, REFUSED = "open", "accepted", "refused"

Metadata = tuple[tuple[str, str], ...]


class Submission:
    """One candidate's submission and all its attempts; times are monotonic seconds."""

    __slots__ = (
        *("candidate", "answer", "began", "doubtful", "metadata", "method", "outcome", "pause"),
        *("in_line", "needs_pass", "parked", "portal", "_head"),
        *("reason", "request", "request_id", "session_code", "tries", "answered"),
    )

    def __init__(self, candidate: Candidate, session_code: str, metadata: Metadata) -> None:
        """Make it ready to be sent."""
        self.candidate = candidate
        self.session_code = session_code
        self.request_id = str(uuid4())
        self.method = METHODS[candidate.way]
        self.request = _request(candidate, self.request_id, session_code)
        self.metadata = metadata
        self._head = b""
        self.began = 0.0
        self.answered = 0.0
        self.tries = 0
        self.portal = 0
        self.pause = 0.0
        self.outcome = OPEN
        self.reason = ""
        # The last attempt had no answer: it may have taken seats.
        self.doubtful = False
        self.answer = b""
        # In the waiting room: has a place and no pass; wants to submit, and may not yet.
        self.in_line = self.needs_pass = self.parked = False

    def be_known_by(self, metadata: Metadata) -> None:
        """Send other metadata from now on."""
        self.metadata, self._head = metadata, b""

    def head(self, authority: str) -> bytes:
        """The header block of a call."""
        if not self._head:
            self._head = headers(self.method, authority, (*self.metadata, _TIMEOUT))
        return self._head

    def admit(self, admission_pass: str) -> None:
        """Submit with a pass from now on; "" where none is needed."""
        self.needs_pass = False
        others = tuple(each for each in self.metadata if each[0] != ADMISSION_PASS_KEY)
        passes = ((ADMISSION_PASS_KEY, admission_pass),) if admission_pass else ()
        self.be_known_by((*others, *passes))

    def order(self) -> types.Order:
        """What was acknowledged; both methods answer alike."""
        return enrollment.SubmitPlanResponse.FromString(self.answer).order


@dataclass(frozen=True)
class Account:
    """Whom somebody logs in as: by name and password, or with a token got elsewhere."""

    login_name: str = ""
    password: str = ""
    access_token: str = ""


def bearer_of(token: str) -> Metadata:
    """Of calls in somebody's name."""
    return (("authorization", f"Bearer {token}"),)


@dataclass(frozen=True)
class Tokens:
    """Makes tokens as if all candidates had logged in."""

    key_id: str
    private_key: bytes
    clock: Clock

    def metadata(self, candidates: Iterable[Candidate]) -> Iterator[Metadata]:
        """Of calls in their names, one after the other."""
        key = Ed25519PrivateKey.from_private_bytes(self.private_key)
        issuer = TokenIssuer(self.key_id, key, self.clock, TOKEN_LIFE)
        for each in candidates:
            subject, login = str(each.candidate_id), str(uuid4())
            token = issuer.issue(subject, "candidate", login_id=login, party=CALLER).token
            yield bearer_of(token)


def _request(candidate: Candidate, request_id: str, session_code: str) -> bytes:
    if candidate.way == "plan":
        plan = enrollment.SubmitPlanRequest(request_id=request_id, session_code=session_code)
        return plan.SerializeToString()
    choice = enrollment.EnrollmentChoice(
        course_codes=candidate.course_codes, county_codes=candidate.county_codes
    )
    return enrollment.SubmitEnrollmentRequest(
        request_id=request_id, session_code=session_code, choice=choice
    ).SerializeToString()
