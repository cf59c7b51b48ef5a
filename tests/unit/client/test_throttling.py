"""What tells the throttle of the typed client that there was too much to do."""

import grpc
import pytest
from zikao.enrollment.v1 import errors_pb2
from zikao_client.throttling import is_not_now
from zikao_kit.error_table import ErrorTable
from zikao_kit.errors import OVERLOADED, DomainError

EXHAUSTED = grpc.StatusCode.RESOURCE_EXHAUSTED


def refused(reason: str) -> tuple[grpc.StatusCode, str]:
    """The code and the text with which a service refuses for a reason."""
    table = ErrorTable.from_enums(*errors_pb2.DESCRIPTOR.enum_types_by_name.values())
    text, _ = table.trailing(DomainError(reason), "", "enrollment")
    return table.code(reason), text


def test_a_full_county_is_an_answer_although_its_code_is_that_of_too_much() -> None:
    """Else the throttle of a portal would close while its candidates hear that a county is full."""
    code, text = refused("SOLD_OUT")
    assert code is EXHAUSTED
    assert not is_not_now(code, text)


@pytest.mark.parametrize(
    ("code", "text"),
    [
        refused(OVERLOADED),
        (EXHAUSTED, "Too many pending requests for this server"),
        (grpc.StatusCode.UNAVAILABLE, "Socket closed"),
        (grpc.StatusCode.CANCELLED, "CANCELLED"),
        (grpc.StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded"),
    ],
)
def test_what_services_and_transports_could_not_do_is_too_much(
    code: grpc.StatusCode, text: str
) -> None:
    """Whoever says so, the caller has to send less."""
    assert is_not_now(code, text)


@pytest.mark.parametrize("code", [grpc.StatusCode.OK, grpc.StatusCode.FAILED_PRECONDITION])
def test_any_other_answer_is_one(code: grpc.StatusCode) -> None:
    """A refusal shows that the service works."""
    assert not is_not_now(code, "")
