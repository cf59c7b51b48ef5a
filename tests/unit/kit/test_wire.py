"""What is put together from bytes is what protobuf writes."""

from hypothesis import given
from hypothesis import strategies as st
from zikao.enrollment.v1 import enrollment_service_pb2, portal_service_pb2, types_pb2
from zikao_kit.wire import head


def field(number: int, body: bytes) -> bytes:
    """A field with what is in it."""
    return head(number, len(body)) + body


@given(st.text(max_size=40_000), st.integers(0, 2**63 - 1))
def test_fields_are_as_protobuf_writes_them(text: str, fee_fen: int) -> None:
    """Of any length, one in the other."""
    answer = enrollment_service_pb2.SubmitEnrollmentResponse(
        order=types_pb2.Order(order_id=text, fee_fen=fee_fen)
    )
    result = portal_service_pb2.SubmissionResult(request_id="id", enrollment=answer)
    whole = portal_service_pb2.SubmitEnrollmentsResponse(results=[result, result])
    put_together = field(1, field(1, b"id") + field(3, answer.SerializeToString()))
    assert put_together * 2 == whole.SerializeToString()


def test_numbers_above_fifteen_take_two_bytes() -> None:
    """As every number does that has more than four bits."""
    assert field(16, b"x") == b"\x82\x01\x01x"
    assert field(15, b"x") == b"\x7a\x01x"
