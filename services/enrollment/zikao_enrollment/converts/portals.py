"""Submissions of a portal's stream, and what they are answered."""

import re
from collections.abc import Sequence

from google.protobuf.duration_pb2 import Duration
from zikao.enrollment.v1 import enrollment_service_pb2, portal_service_pb2
from zikao_kit.error_table import ErrorTable
from zikao_kit.errors import INVALID_REQUEST, DomainError, FieldProblem
from zikao_kit.message_values import path_of_nul
from zikao_kit.validation import problems_in

SubmitRequest = (
    enrollment_service_pb2.SubmitPlanRequest | enrollment_service_pb2.SubmitEnrollmentRequest
)
MAX_ID_CHARACTERS = 36
_MAX_TOKEN_CHARACTERS = 2048
_MAX_SESSION_CODE_CHARACTERS = 16
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_COURSES = re.compile(r"[0-9]{5}(,[0-9]{5}){0,15}")
_COUNTIES = re.compile(r"[0-9]{6}(,[0-9]{6}){0,2}")


def request_of(submission: portal_service_pb2.Submission) -> SubmitRequest:
    """What is submitted; raises INVALID_REQUEST with every problem, as the unary call would.

    Nearly all are good, and seen to be so here: the rules of the contract are looked at for the
    others alone, which takes some fifty times as long.
    """
    if not is_plainly_good(submission):
        problems = _problems_of(submission)
        if problems:
            raise DomainError(INVALID_REQUEST, fields=problems)
    return submission.enrollment if submission.HasField("enrollment") else submission.plan


def is_plainly_good(submission: portal_service_pb2.Submission) -> bool:
    """Whether it surely keeps the contract's rules; a test holds the two against each other."""
    if not 0 < len(submission.access_token) <= _MAX_TOKEN_CHARACTERS:
        return False
    kind = submission.WhichOneof("request")
    if kind is None:
        return False
    request: SubmitRequest = getattr(submission, kind)
    session_code = request.session_code
    if not (0 < len(session_code) <= _MAX_SESSION_CODE_CHARACTERS and session_code.isprintable()):
        return False
    if not _UUID.fullmatch(request.request_id):
        return False
    return isinstance(request, enrollment_service_pb2.SubmitPlanRequest) or _is_plainly_good_choice(
        request
    )


def _is_plainly_good_choice(request: enrollment_service_pb2.SubmitEnrollmentRequest) -> bool:
    if not request.HasField("choice"):
        return False
    choice = request.choice
    return _are_codes(choice.course_codes, _COURSES) and _are_codes(choice.county_codes, _COUNTIES)


def _are_codes(codes: Sequence[str], pattern: re.Pattern[str]) -> bool:
    """Whether they are different, as many as may be, and each as it should be.

    As many commas as there are between them: none is within one.
    """
    joined = ",".join(codes)
    return (
        pattern.fullmatch(joined) is not None
        and joined.count(",") == len(codes) - 1
        and len(set(codes)) == len(codes)
    )


def _problems_of(submission: portal_service_pb2.Submission) -> list[FieldProblem]:
    problems = problems_in(submission)
    if not problems and (path := path_of_nul(submission)) is not None:
        return [FieldProblem(path, "不能含有空字符")]
    return problems


def id_of(submission: portal_service_pb2.Submission) -> str:
    """The request id as it was sent, also of a submission that is none."""
    kind = submission.WhichOneof("request")
    return getattr(submission, kind).request_id[:MAX_ID_CHARACTERS] if kind else ""


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
