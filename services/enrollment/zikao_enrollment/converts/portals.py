"""Submissions of a portal's stream, and what they are answered."""

from google.protobuf.duration_pb2 import Duration
from zikao.enrollment.v1 import enrollment_service_pb2, portal_service_pb2
from zikao_kit.error_table import ErrorTable
from zikao_kit.errors import INVALID_REQUEST, DomainError, FieldProblem
from zikao_kit.message_values import path_of_nul
from zikao_kit.validation import require_valid

SubmitRequest = (
    enrollment_service_pb2.SubmitPlanRequest | enrollment_service_pb2.SubmitEnrollmentRequest
)
MAX_ID_CHARACTERS = 36


def request_of(submission: portal_service_pb2.Submission) -> SubmitRequest:
    """What is submitted; raises INVALID_REQUEST with every problem, as the unary call would."""
    require_valid(submission)
    request = submission.enrollment if submission.HasField("enrollment") else submission.plan
    if "\0" in request.session_code:  # nowhere else do the rules let one through
        problem = FieldProblem(path_of_nul(submission) or "", "不能含有空字符")
        raise DomainError(INVALID_REQUEST, fields=[problem])
    return request


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
