"""Submissions of a portal's stream, and what they are answered."""

import re

from google.protobuf.duration_pb2 import Duration
from zikao.enrollment.v1 import enrollment_service_pb2, portal_service_pb2
from zikao_kit.error_table import ErrorTable
from zikao_kit.errors import INVALID_REQUEST, DomainError, FieldProblem
from zikao_kit.message_values import path_of_nul
from zikao_kit.tokens import MAX_TOKEN_CHARACTERS
from zikao_kit.validation import require_valid
from zikao_kit.wire import field

from zikao_enrollment.converts.orders import CHOICES_KEPT, MAX_CHOICE_BYTES, choice_from_pb
from zikao_enrollment.domain.choices import Choice
from zikao_enrollment.domain.passes import MAX_PASS_CHARACTERS

SubmitRequest = (
    enrollment_service_pb2.SubmitPlanRequest | enrollment_service_pb2.SubmitEnrollmentRequest
)
MAX_ID_CHARACTERS = 36
MAX_SESSION_CODE_CHARACTERS = 16
_UUID = re.compile("[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_RESULTS = portal_service_pb2.SubmitEnrollmentsResponse.RESULTS_FIELD_NUMBER
_REQUEST_ID = portal_service_pb2.SubmissionResult.REQUEST_ID_FIELD_NUMBER
PLAN = portal_service_pb2.SubmissionResult.PLAN_FIELD_NUMBER
ENROLLMENT = portal_service_pb2.SubmissionResult.ENROLLMENT_FIELD_NUMBER
ERROR = portal_service_pb2.SubmissionResult.ERROR_FIELD_NUMBER
# Choices in which the contract's rules have found nothing, as bytes. A rush chooses the same few,
# and to look at one costs a tenth of all that is done for a submission.
_valid_choices: dict[bytes, Choice] = {}


def request_of(
    submission: portal_service_pb2.Submission,
) -> tuple[SubmitRequest, Choice | None]:
    """What is submitted, and its choice unless that is the plan's.

    Raises INVALID_REQUEST with every problem, as the unary call would.
    """
    request: SubmitRequest
    choice: Choice | None = None
    if submission.HasField("enrollment"):
        request = enrollment = submission.enrollment
        choice = _valid_choice(submission, enrollment)
    else:
        request = submission.plan
        require_valid(submission)
    if "\0" in request.session_code:  # nowhere else do the rules let one through
        problem = FieldProblem(path_of_nul(submission) or "", "不能含有空字符")
        raise DomainError(INVALID_REQUEST, fields=[problem])
    return request, choice


def _valid_choice(
    submission: portal_service_pb2.Submission,
    request: enrollment_service_pb2.SubmitEnrollmentRequest,
) -> Choice:
    """As `require_valid` does, which is asked only where the answer is not known."""
    choice = request.choice.SerializeToString()
    known = _valid_choices.get(choice)
    # The rules of the contract for all but the choice, once more by hand.
    if (
        known is not None
        and _UUID.fullmatch(request.request_id)
        and 0 < len(request.session_code) <= MAX_SESSION_CODE_CHARACTERS
        and 0 < len(submission.access_token) <= MAX_TOKEN_CHARACTERS
        and len(submission.admission_pass) <= MAX_PASS_CHARACTERS
    ):
        return known
    require_valid(submission)
    found = choice_from_pb(request.choice)
    if len(choice) <= MAX_CHOICE_BYTES:
        if len(_valid_choices) >= CHOICES_KEPT:
            _valid_choices.clear()
        _valid_choices[choice] = found
    return found


def id_of(submission: portal_service_pb2.Submission) -> str:
    """The request id as it was sent, also of a submission that is none."""
    kind = submission.WhichOneof("request")
    return getattr(submission, kind).request_id[:MAX_ID_CHARACTERS] if kind else ""


def result_of(request_id: str, outcome: int, body: bytes) -> bytes:
    """An answer to one submission, as SubmitEnrollmentsResponse has it over the wire.

    `outcome` is PLAN, ENROLLMENT or ERROR, `body` that message: answers are bytes already.
    """
    return field(_RESULTS, field(_REQUEST_ID, request_id.encode()) + field(outcome, body))


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
