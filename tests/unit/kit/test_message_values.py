"""All that a message holds."""

import pytest
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import ListValue, Struct, Value
from zikao.test.v1 import probe_pb2
from zikao_kit.message_values import holds_more_than, path_of_nul, values_in

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
