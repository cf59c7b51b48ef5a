"""The commands of docs/grpcurl.md, against the contracts: what they name is there."""

from __future__ import annotations

import importlib
import re
import shlex
from pathlib import Path

import pytest
from google.protobuf import descriptor_pool, json_format, message_factory
from google.protobuf.descriptor import MethodDescriptor
from support.contracts import PROTOS, file_of, methods
from support.contracts import ROOT as PROTO_ROOT
from zikao.options.v1 import options_pb2
from zikao_ctl.ports import DEFAULT_PORT_BASE, OFFSETS

PAGE = Path(__file__).parents[2] / "docs" / "grpcurl.md"
BLOCKS = re.findall(r"^```\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
LINES = [line for block in BLOCKS for line in block.splitlines() if "grpcurl " in line]
CALLS = [line for line in LINES if re.search(r" \S+/\w+( \||\)?$)", line) and "-d @" not in line]
METHODS = {f"{m.containing_service.full_name}/{m.name}": m for m in methods()}
HEALTH = "grpc.health.v1.Health/Check"


def words_of(line: str) -> list[str]:
    """The words of the line's grpcurl command, up to a pipe."""
    command = line[line.index("grpcurl ") :]
    words = shlex.split(command.removesuffix(")"))
    return words[: words.index("|")] if "|" in words else words


def value_of(words: list[str], flag: str) -> str | None:
    """What follows a flag."""
    return words[words.index(flag) + 1] if flag in words else None


def method_of(words: list[str]) -> MethodDescriptor:
    """The method that is called: the last word."""
    return METHODS[words[-1]]


@pytest.mark.parametrize("line", CALLS, ids=lambda line: words_of(line)[-1])
def test_every_call_is_one_of_a_contract(line: str) -> None:
    """Method and port fit, the body is a request, and the call says how long it waits."""
    words = words_of(line)
    assert value_of(words, "-max-time")
    if words[-1] == HEALTH:
        return
    method = method_of(words)
    service = method.full_name.split(".")[1]
    assert words[-2] == f"127.0.0.1:{DEFAULT_PORT_BASE + OFFSETS[service]}"
    request = message_factory.GetMessageClass(method.input_type)()
    json_format.Parse(value_of(words, "-d") or "{}", request)
    access = method.GetOptions().Extensions[options_pb2.access]
    shows_token, is_reader = "-H" in words, "$AS_READER" in words
    is_allowed = access.anyone or (access.roles and shows_token) or is_reader
    assert is_allowed or "is refused" in PAGE.read_text(encoding="utf-8").split(line)[0][-500:]


def test_what_goes_through_a_pipe_is_a_request() -> None:
    """The message that is printed into a stream parses as its method's request."""
    (line,) = [line for line in LINES if "-d @" in line]
    request = message_factory.GetMessageClass(method_of(words_of(line)).input_type)()
    json_format.Parse(shlex.split(line)[2], request)


def test_what_is_described_and_read_is_there() -> None:
    """Symbols to describe are known, and files of protos exist, those of google.rpc too."""
    for proto in PROTOS:
        file_of(proto)
    pool, google = descriptor_pool.Default(), importlib.import_module("google.rpc").__path__[0]
    for line in LINES:
        words = words_of(line)
        if "describe" in words:
            symbol = words[words.index("describe") + 1]
            assert pool.FindFileContainingSymbol(symbol)
        for at, word in enumerate(words):
            if word == "-proto":
                assert (PROTO_ROOT / words[at + 1]).is_file()
    assert (Path(google).parents[1] / "google/rpc/error_details.proto").is_file()


def test_the_page_shows_what_it_should() -> None:
    """Health, a plan, seats as they go, a roster and its feed are called; most lines are calls."""
    called = {words_of(line)[-1].rpartition("/")[2] for line in CALLS}
    wanted = {"Check", "SavePlan", "WatchAvailability", "StreamRoster", "WatchEnrollments", "LogIn"}
    assert called >= wanted
    assert len(CALLS) >= 14
