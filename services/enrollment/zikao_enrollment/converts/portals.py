"""Submissions of a portal's stream, and what they are answered."""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from google.protobuf.duration_pb2 import Duration
from zikao.enrollment.v1 import enrollment_service_pb2, portal_service_pb2
from zikao_kit.error_table import ErrorTable
from zikao_kit.errors import INVALID_REQUEST, DomainError, FieldProblem
from zikao_kit.message_values import path_of_nul
from zikao_kit.tokens import MAX_TOKEN_CHARACTERS
from zikao_kit.validation import require_valid
from zikao_kit.wire import head

from zikao_enrollment.converts.orders import MAX_CHOICE_BYTES, choice_from_pb
from zikao_enrollment.domain.choices import CHOICES_KEPT, Choice
from zikao_enrollment.domain.passes import MAX_PASS_CHARACTERS

SubmitRequest = (
    enrollment_service_pb2.SubmitPlanRequest | enrollment_service_pb2.SubmitEnrollmentRequest
)
MAX_ID_CHARACTERS = 36
_UUID = re.compile("[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_RESULTS = portal_service_pb2.SubmitEnrollmentsResponse.RESULTS_FIELD_NUMBER
_REQUEST_ID = portal_service_pb2.SubmissionResult.REQUEST_ID_FIELD_NUMBER
PLAN = portal_service_pb2.SubmissionResult.PLAN_FIELD_NUMBER
ENROLLMENT = portal_service_pb2.SubmissionResult.ENROLLMENT_FIELD_NUMBER
ERROR = portal_service_pb2.SubmissionResult.ERROR_FIELD_NUMBER
# A request to enroll begins with its id, a field of 36 characters; the rest is what is wanted.
_ID_HEAD = head(enrollment_service_pb2.SubmitEnrollmentRequest.REQUEST_ID_FIELD_NUMBER, 36)
_ID_BEGIN = len(_ID_HEAD)
_ID_END = _ID_BEGIN + MAX_ID_CHARACTERS
_HYPHENS = slice(_ID_BEGIN + 8, _ID_BEGIN + 24, 5)


class Wanted(NamedTuple):
    """What a submission wants, whoever it is of."""

    session_code: str
    choice: Choice


# Answers of one kind are nearly all as long.
_HEADS_KEPT = 4096
# What the contract's rules have found nothing in, as bytes. A rush wants the same few things, and
# to look at one costs a tenth of all that is done for a submission.
_valid: dict[bytes, Wanted] = {}


def body_of(submission: portal_service_pb2.Submission) -> bytes:
    """The request to enroll, as its digest is taken of it; empty for a plan's."""
    return submission.enrollment.SerializeToString(deterministic=True)


def wanted_by(body: bytes) -> Wanted | None:
    """What a request to enroll wants; None unless that is known to be valid.

    Its id is as long as one, with hyphens where they belong: `uuid_of` tells the rest.
    """
    if body.startswith(_ID_HEAD) and body[_HYPHENS] == b"----":
        return _valid.get(body[_ID_END:])
    return None


def id_in(body: bytes) -> str:
    """The id of a request for which `wanted_by` knows what it wants."""
    return body[_ID_BEGIN:_ID_END].decode("latin-1")


def request_of(
    submission: portal_service_pb2.Submission,
) -> tuple[SubmitRequest, Choice | None]:
    """What is submitted, and its choice unless that is the plan's.

    Raises INVALID_REQUEST with every problem, as the unary call would.
    """
    request: SubmitRequest
    choice: Choice | None = None
    if submission.HasField("enrollment"):
        request = submission.enrollment
        choice = _valid_choice(submission)
    else:
        request = submission.plan
        _require_valid(submission, request.session_code)
    return request, choice


def _valid_choice(submission: portal_service_pb2.Submission) -> Choice:
    """As `require_valid` does, which is asked only where the answer is not known."""
    body, request = body_of(submission), submission.enrollment
    known = wanted_by(body)
    # The rules of the contract for all but what is wanted, once more by hand.
    if (
        known is not None
        and _UUID.fullmatch(request.request_id)
        and 0 < len(submission.access_token) <= MAX_TOKEN_CHARACTERS
        and len(submission.admission_pass) <= MAX_PASS_CHARACTERS
    ):
        return known.choice
    _require_valid(submission, request.session_code)
    found = Wanted(request.session_code, choice_from_pb(request.choice))
    wanted = body[_ID_END:]
    if body.startswith(_ID_HEAD) and len(wanted) <= MAX_CHOICE_BYTES:
        if len(_valid) >= CHOICES_KEPT:
            _valid.clear()
        _valid[wanted] = found
    return found.choice


def _require_valid(submission: portal_service_pb2.Submission, session_code: str) -> None:
    require_valid(submission)
    if "\0" in session_code:  # nowhere else do the rules let one through
        problem = FieldProblem(path_of_nul(submission) or "", "不能含有空字符")
        raise DomainError(INVALID_REQUEST, fields=[problem])


def id_of(submission: portal_service_pb2.Submission) -> str:
    """The request id as it was sent, also of a submission that is none."""
    kind = submission.WhichOneof("request")
    return getattr(submission, kind).request_id[:MAX_ID_CHARACTERS] if kind else ""


def results_of(request_ids: Sequence[str], outcome: int, bodies: Sequence[bytes]) -> bytes:
    """Answers to submissions, as SubmitEnrollmentsResponse has them over the wire.

    `outcome` is PLAN, ENROLLMENT or ERROR, `bodies` those messages: answers are bytes already.
    """
    pieces: list[bytes] = []
    for request_id, body in zip(request_ids, bodies, strict=True):
        encoded = request_id.encode()
        begin, middle = _heads(outcome, len(encoded), len(body))
        pieces += (begin, encoded, middle, body)
    return b"".join(pieces)


@lru_cache(maxsize=_HEADS_KEPT)
def _heads(outcome: int, id_bytes: int, body_bytes: int) -> tuple[bytes, bytes]:
    """What stands before a result's id, and before its outcome."""
    of_id, of_body = head(_REQUEST_ID, id_bytes), head(outcome, body_bytes)
    return head(_RESULTS, len(of_id) + id_bytes + len(of_body) + body_bytes) + of_id, of_body


def error_to_pb(
    error: DomainError, table: ErrorTable, call_id: str
) -> portal_service_pb2.SubmissionError:
    """A refusal; `call_id` is what the operator is to be told of a fault."""
    retry_after = None
    if error.retry_after is not None:
        retry_after = Duration()
        retry_after.FromTimedelta(error.retry_after)
    return portal_service_pb2.SubmissionError(
        code=table.code(error.reason).value[0],
        reason=error.reason,
        metadata=error.metadata,
        message_zh=table.sentence(error, call_id),
        retry_after=retry_after,
        problems=[
            portal_service_pb2.SubmissionProblem(field=each.field, description=each.description)
            for each in error.fields
        ],
    )
