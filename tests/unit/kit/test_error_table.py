"""From reasons to statuses and back."""

from datetime import timedelta

import grpc
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool
from google.rpc import error_details_pb2, status_pb2
from structlog.testing import capture_logs
from zikao.enrollment.v1 import errors_pb2 as enrollment_errors_pb2
from zikao.options.v1 import options_pb2
from zikao.test.v1 import probe_pb2
from zikao_kit.error_table import (
    MAX_STATUS_BYTES,
    STATUS_DETAILS_KEY,
    ErrorTable,
    problem_of,
    reason_of,
    sentence_of,
)
from zikao_kit.errors import DomainError, FieldProblem

TABLE = ErrorTable.from_enums(probe_pb2.ErrorReason.DESCRIPTOR)


def rpc_error(status: status_pb2.Status, code: grpc.StatusCode) -> grpc.aio.AioRpcError:
    """Return the error that a client sees for `status`."""
    trailing = grpc.aio.Metadata()
    if status.details:
        trailing = grpc.aio.Metadata((STATUS_DETAILS_KEY, status.SerializeToString()))
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), trailing, status.message, None)


def sent(error: DomainError) -> grpc.aio.AioRpcError:
    """Send an error through the table and receive it."""
    text, trailing = TABLE.trailing(error, "req-1", "probe")
    assert status_pb2.Status.FromString(dict(trailing)[STATUS_DETAILS_KEY]).message == text
    return grpc.aio.AioRpcError(
        TABLE.code(error.reason), grpc.aio.Metadata(), grpc.aio.Metadata(*trailing), text, None
    )


def test_error_survives_the_wire() -> None:
    """Reason, metadata, fields and the time to retry arrive as they were raised."""
    problems = [FieldProblem("a.b[0]", "必须填写"), FieldProblem("c", "格式不正确")]
    error = DomainError(
        "PROBE_REFUSED", fields=problems, retry_after=timedelta(milliseconds=1500), what="甲"
    )
    received = problem_of(sent(error))
    assert (received.reason, received.metadata) == ("PROBE_REFUSED", {"what": "甲"})
    assert received.fields == tuple(problems)
    assert received.retry_after == timedelta(milliseconds=1500)
    assert dict(TABLE.trailing(error, "", "probe")[1])["grpc-retry-pushback-ms"] == "1500"


def test_sentence_is_filled_from_metadata() -> None:
    """The Chinese sentence takes its values from the metadata."""
    assert sentence_of(sent(DomainError("PROBE_REFUSED", what="甲"))) == "探测甲被拒绝"
    assert "req-1" in sentence_of(sent(DomainError("INTERNAL")))


def test_a_sentence_that_lacks_a_value_is_a_fault() -> None:
    """The caller reads a dash, the operator which value of which reason was forgotten."""
    with capture_logs() as lines:
        assert sentence_of(sent(DomainError("PROBE_REFUSED", who="乙"))) == "探测—被拒绝"
    (line,) = lines
    assert line["log_level"] == "error"
    assert line["lacking"] == "what"
    assert line["metadata"] == {"error_reason": "PROBE_REFUSED", "request_id": "req-1", "who": "乙"}


def test_reason_outside_the_contract_is_internal() -> None:
    """A reason that no contract knows does not reach the caller."""
    error = sent(DomainError("MADE_UP", secret="x"))
    assert (error.code(), reason_of(error)) == (grpc.StatusCode.INTERNAL, "INTERNAL")
    assert "MADE_UP" not in str(error)


def test_thousands_of_bad_fields_fit_into_metadata() -> None:
    """A status stays below what clients accept, and says how many problems it left out."""
    problems = [FieldProblem(f"rows[{i}].document_number", "格式不正确") for i in range(5000)]
    status = TABLE.status(DomainError("INVALID_REQUEST", fields=problems), "req-1", "probe")
    assert status.ByteSize() < MAX_STATUS_BYTES + 200
    listed = problem_of(rpc_error(status, grpc.StatusCode.INVALID_ARGUMENT)).fields
    assert listed[-1].description == f"另有{5000 - len(listed) + 1}处错误未列出"
    assert listed[:-1] == tuple(problems[: len(listed) - 1])


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (grpc.StatusCode.UNAVAILABLE, "UNAVAILABLE"),
        (grpc.StatusCode.DEADLINE_EXCEEDED, "UNAVAILABLE"),
        (grpc.StatusCode.UNKNOWN, "INTERNAL"),
    ],
)
def test_failure_without_reason_is_classified(code: grpc.StatusCode, reason: str) -> None:
    """What the transport reports without details is told apart by whether to try again."""
    error = rpc_error(status_pb2.Status(message="no route"), code)
    assert reason_of(error) is None
    assert problem_of(error).reason == reason
    assert sentence_of(error) == "no route"


def enum_with(code: int, sentence: str, name: str = "ERROR_REASON_X") -> type:
    """Make an enum with one reason."""
    file = descriptor_pb2.FileDescriptorProto(
        name=f"made_{code}_{name}.proto", package=f"made_{code}_{name.lower()}"
    )
    file.dependency.append("zikao/options/v1/options.proto")
    enum = file.enum_type.add(name="ErrorReason")
    enum.value.add(name="ERROR_REASON_UNSPECIFIED", number=0)
    value = enum.value.add(name=name, number=1)
    meaning = value.options.Extensions[options_pb2.error]
    meaning.code, meaning.message_zh = code, sentence
    pool = descriptor_pool.Default()
    pool.AddSerializedFile(file.SerializeToString())
    return pool.FindEnumTypeByName(f"{file.package}.ErrorReason")  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("code", "sentence", "name"),
    [(3, "", "ERROR_REASON_X"), (99, "文", "ERROR_REASON_X"), (3, "文", "OTHER_X")],
)
def test_reason_without_meaning_stops_the_start(code: int, sentence: str, name: str) -> None:
    """A reason needs its prefix, a real code and a sentence; the server does not start without."""
    with pytest.raises(ValueError, match="needs the prefix"):
        ErrorTable.from_enums(enum_with(code, sentence, name))  # type: ignore[arg-type]


def test_two_meanings_of_one_reason_stop_the_start() -> None:
    """A service cannot redefine a common reason."""
    with pytest.raises(ValueError, match="two meanings"):
        ErrorTable.from_enums(enum_with(3, "另一个意思", "ERROR_REASON_NOT_FOUND"))  # type: ignore[arg-type]


def test_every_common_reason_has_a_status() -> None:
    """Every reason the kit itself raises is in the table, with RetryInfo only when asked."""
    for reason in ("OVERLOADED", "UNAVAILABLE", "DEADLINE_REQUIRED", "METHOD_NOT_PERMITTED"):
        assert reason in TABLE
        status = TABLE.status(DomainError(reason), "req-1", "probe")
        assert not any(d.Is(error_details_pb2.RetryInfo.DESCRIPTOR) for d in status.details)


def test_who_is_told_that_there_is_no_more_was_served() -> None:
    """A full county is an answer; a wrong request, a missing pass and "come again" are none."""
    table = ErrorTable.from_enums(enrollment_errors_pb2.ErrorReason.DESCRIPTOR)
    assert table.is_service("SOLD_OUT")
    for reason in ("TOKEN_INVALID", "INVALID_REQUEST", "ADMISSION_PASS_NEEDED", "OVERLOADED"):
        assert not table.is_service(reason)


def test_people_read_moments_in_china_s_time() -> None:
    """A moment in the metadata stands in the sentence as Chinese clocks show it."""
    table = ErrorTable.from_enums(enrollment_errors_pb2.ErrorReason.DESCRIPTOR)
    closed = DomainError(
        "ENROLLMENT_CLOSED",
        opens_at="2022-02-28T01:00:00+00:00",
        closes_at="2022-03-02T17:00:00+08:00",
    )
    status = table.status(closed, "r", "enrollment")
    sentence = error_details_pb2.LocalizedMessage()
    assert any(detail.Unpack(sentence) for detail in status.details)
    assert sentence.message == "课程报考时间为2022年2月28日09:00至2022年3月2日17:00"


@pytest.mark.parametrize("request_id", ["", "r", "r" * 64, "r" * 200, "请求"])
def test_a_refusal_carries_the_id_of_its_call(request_id: str) -> None:
    """Whatever its length: what is said with it is made once, and the id is put in."""
    for _ in range(2):
        status = TABLE.status(DomainError("PROBE_REFUSED", what="甲"), request_id, "probe")
        info = error_details_pb2.RequestInfo()
        (packed,) = (each for each in status.details if each.Is(info.DESCRIPTOR))
        packed.Unpack(info)
        assert info == error_details_pb2.RequestInfo(request_id=request_id)
