"""What logs may not hold."""

import json
import logging
from collections.abc import Iterator

import pytest
import structlog
from zikao.test.v1 import probe_pb2
from zikao_kit.config import LogConfig
from zikao_kit.context import acting_as, current_actor, current_request_id
from zikao_kit.logs import configure_logging, mask_numbers, redact, register_sensitive_fields
from zikao_kit.tokens import Actor


@pytest.fixture
def unconfigured() -> Iterator[None]:
    """Undo what a test configures, in its own body: only there is output captured."""
    yield
    structlog.reset_defaults()
    logging.basicConfig(force=True)


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("510101199003078515 came", "510101********8515 came"),
        ("34052419800101001X", "340524********001X"),
        ("34052419800101001x", "340524********001x"),
        ("110105491231002", "110105*****1002"),
        ("call 13812345678.", "call 138****5678."),
        ("+8613812345678", "+86138****5678"),
        ("证件510101199003078515，手机13812345678", "证件510101********8515，手机138****5678"),
    ],
)
def test_numbers_of_people_are_masked(text: str, masked: str) -> None:
    """Identity and mobile numbers are masked wherever they stand."""
    assert mask_numbers(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        "0f8fad5b-d9cb-469f-a165-708677289501",
        "510104221001",
        "12345",
        "a13812345678b",
        "2022-02-28",
    ],
)
def test_other_numbers_stay(text: str) -> None:
    """Request ids, ticket numbers and dates stay readable."""
    assert mask_numbers(text) == text


def test_sensitive_fields_of_contracts_are_masked() -> None:
    """A name that a contract marks as sensitive is masked, at any depth, once it is registered."""
    register_sensitive_fields(probe_pb2.DESCRIPTOR.services_by_name["ProbeService"])
    event = redact(None, "info", {"mobile": "x", "outer": [{"document_number": "y", "ok": "z"}]})
    assert event == {"mobile": "***", "outer": [{"document_number": "***", "ok": "z"}]}


def test_secrets_messages_and_bytes_are_never_printed() -> None:
    """Tokens by name, whole messages by type, bytes by length; numbers as such."""
    event = redact(
        None,
        "info",
        {
            "token": "abc",
            "request": probe_pb2.OpenRequest(deed="x"),
            "raw": b"abc",
            "count": 3,
            "number": 13812345678,
            "flag": True,
            "nothing": None,
        },
    )
    assert event == {
        "token": "***",
        "request": "<zikao.test.v1.OpenRequest>",
        "raw": "<3 bytes>",
        "count": 3,
        "number": "138****5678",
        "flag": True,
        "nothing": None,
    }


def test_line_is_json_with_the_call(unconfigured: None, capsys: pytest.CaptureFixture[str]) -> None:
    """A line names service, level, time and the call it belongs to."""
    configure_logging("probe", LogConfig())
    with acting_as(Actor("s", "service", caller="portal"), request_id="abcd-1234"):
        structlog.get_logger().info("something", county="高新区")
    line = json.loads(capsys.readouterr().out)
    assert (line["event"], line["service"], line["level"]) == ("something", "probe", "info")
    assert (line["request_id"], line["caller"], line["county"]) == (
        "abcd-1234",
        "portal",
        "高新区",
    )


def test_exceptions_and_libraries_are_masked_too(
    unconfigured: None, capsys: pytest.CaptureFixture[str]
) -> None:
    """A traceback and a library's own line pass the same mask."""
    configure_logging("probe", LogConfig())
    try:
        int("510101199003078515 is no number")
    except ValueError as error:
        structlog.get_logger().error("failed", exc_info=error)
    logging.getLogger("some.library").warning("user %s", "13812345678")
    first, second = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert "510101********8515 is no number" in first["exception"]
    assert (second["event"], second["logger"]) == ("user 138****5678", "some.library")


def test_answers_that_nobody_takes_fill_no_log(
    unconfigured: None, capsys: pytest.CaptureFixture[str]
) -> None:
    """gRPC has a line and a traceback for each; of what else it says all is written."""
    configure_logging("probe", LogConfig())
    logger = logging.getLogger("grpc._cython.cygrpc")
    logger.error("ExecuteBatchError raised in core by servicer method [%s]", "/a/b")
    logger.error("Unexpected [%s] raised by servicer method [%s]", "X", "/a/b")
    (line,) = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert line["event"] == "Unexpected [X] raised by servicer method [/a/b]"


def test_level_is_a_setting(unconfigured: None, capsys: pytest.CaptureFixture[str]) -> None:
    """Below the level nothing is written."""
    configure_logging("probe", LogConfig(level="warning"))
    structlog.get_logger().info("quiet")
    logging.getLogger("x").info("quiet")
    assert capsys.readouterr().out == ""


def test_background_work_has_an_actor() -> None:
    """Work outside of a call acts in a name, and only within its block."""
    with acting_as(Actor("enrollment", "service")):
        assert current_actor().subject == "enrollment"
        assert len(current_request_id()) == 36
    assert current_request_id() == ""
    with pytest.raises(RuntimeError, match="acting_as"):
        current_actor()
