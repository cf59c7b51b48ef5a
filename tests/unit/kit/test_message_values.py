"""All that a message holds."""

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import ListValue, Struct, Value
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc.context.attribute_context_pb2 import AttributeContext
from google.rpc.error_details_pb2 import RetryInfo
from zikao.test.v1 import probe_pb2
from zikao_kit.message_values import (
    holds_more_than,
    may_hold_times,
    path_of_nul,
    path_of_wrong_time,
    values_in,
)

REQUEST = probe_pb2.ConstrainedRequest(
    request_id="a", choices=[probe_pb2.Choice(county_code="b"), probe_pb2.Choice()]
)


def test_values_are_named_by_their_paths() -> None:
    """Lists are walked by index, messages by field; what is not set is not there."""
    assert [path for path, _ in values_in(REQUEST)] == [
        "request_id",
        "choices[0]",
        "choices[0].county_code",
        "choices[1]",
    ]


def test_values_are_counted_up_to_a_number() -> None:
    """Exactly as many are not more."""
    assert not holds_more_than(REQUEST, 4)
    assert holds_more_than(REQUEST, 3)


NUL = Value(string_value="\0")


@pytest.mark.parametrize(
    ("message", "path"),
    [
        (REQUEST, None),
        (probe_pb2.ConstrainedRequest(mobile="\0"), "mobile"),
        (
            probe_pb2.ConstrainedRequest(choices=[probe_pb2.Choice(county_code="5\0")]),
            "choices[0].county_code",
        ),
        (Struct(fields={"a\0": Value()}), "fields[0]"),
        (Struct(fields={"a": NUL}), "fields[1].string_value"),
        (ListValue(values=[Value(), NUL]), "values[1].string_value"),
    ],
)
def test_a_nul_is_found_wherever_it_is(message: Message, path: str | None) -> None:
    """Also in lists, and in keys and values of maps."""
    assert path_of_nul(message) == path


def at(seconds: int, nanos: int = 0) -> AttributeContext:
    """A message with a time somewhere within."""
    time = Timestamp(seconds=seconds, nanos=nanos)
    return AttributeContext(request=AttributeContext.Request(time=time))


FIRST, LAST = -62135596800, 253402300799  # of the years 1 and 9999


@pytest.mark.parametrize(
    "right", [at(0), at(FIRST + 86400), at(LAST - 86400), RetryInfo(retry_delay=Duration(nanos=-5))]
)
def test_a_time_within_the_calendar_is_one(right: Message) -> None:
    """Also at its edges, as long as every time zone has it."""
    assert path_of_wrong_time(right) is None


@pytest.mark.parametrize(
    "time", [(2**63 - 1, 0), (FIRST, 0), (LAST, 0), (LAST + 1, 0), (0, -1), (0, 10**9)]
)
def test_a_time_beyond_the_calendar_is_named(time: tuple[int, int]) -> None:
    """Protobuf would carry it; it is no time that Python, PostgreSQL or people know."""
    assert path_of_wrong_time(at(*time)) == "request.time"


@pytest.mark.parametrize(("seconds", "nanos"), [(2**63 - 1, 0), (1, -1), (0, 10**9)])
def test_a_duration_that_is_none_is_named(seconds: int, nanos: int) -> None:
    """Too long, of two signs, or of more than a second of nanoseconds."""
    delay = Duration(seconds=seconds, nanos=nanos)
    assert path_of_wrong_time(RetryInfo(retry_delay=delay)) == "retry_delay"


def test_kinds_that_may_hold_times_are_known() -> None:
    """However deep, and in kinds that hold themselves."""
    assert may_hold_times(AttributeContext.DESCRIPTOR)
    assert may_hold_times(RetryInfo.DESCRIPTOR)
    assert not may_hold_times(Struct.DESCRIPTOR)
    assert not may_hold_times(probe_pb2.Choice.DESCRIPTOR)
