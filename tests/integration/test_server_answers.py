"""A real server over mutual TLS: what may be sent, and how it answers."""

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2
from structlog.testing import capture_logs
from support.garbage import left_to_the_collector
from support.probe import SERVICE, Probe, refusal, refused, running_probe, stream_refusal
from zikao.test.v1 import probe_pb2
from zikao_kit.error_table import problem_of, reason_of, sentence_of, status_of
from zikao_kit.errors import DomainError

Code = grpc.StatusCode


@pytest.fixture
async def probe(tmp_path: Path) -> AsyncIterator[Probe]:
    """A running server."""
    async with running_probe(tmp_path / "ca") as running:
        yield running


async def test_all_bad_fields_come_at_once(probe: Probe) -> None:
    """Five bad fields are five violations with Chinese sentences, and no value is sent back."""
    request = probe_pb2.ConstrainedRequest(
        request_id="no-uuid",
        document_number="5101",
        courses=9,
        choices=[probe_pb2.Choice(county_code="x")],
    )
    error = await refused(probe, "Constrained", request)
    assert (error.code(), reason_of(error)) == (Code.INVALID_ARGUMENT, "INVALID_REQUEST")
    assert {problem.field: problem.description for problem in problem_of(error).fields} == {
        "request_id": "必须是UUID",
        "document_number": "长度必须为18个字符",
        "courses": "超出允许的范围",
        "choices[0].county_code": "格式不正确",
        "mobile": "必须填写",
    }
    assert probe.servicer.entered == []


async def test_each_message_of_a_stream_is_validated(probe: Probe) -> None:
    """Good messages are answered until a bad one ends the stream and is named by its index."""
    texts = ["a", "b", "far too long", "c"]
    requests = [probe_pb2.ExchangeRequest(text=text) for text in texts]
    async with probe.stub() as stub:
        call = stub.Exchange(iter(requests), timeout=5)
        assert [(await call.read()).text, (await call.read()).text] == ["a", "b"]
        problem = problem_of(await refusal(call.read()))
    assert problem.fields[0].description == "长度不能超过5个字符"
    assert problem.metadata["message_index"] == "2"


async def test_unparsable_request_is_invalid(probe: Probe) -> None:
    """Bytes that are no such message are the caller's fault, told without exception texts."""
    async with probe.channel() as channel:
        error = await refusal(channel.unary_unary(SERVICE + "Open")(b"\xff\xff", timeout=5))
    assert (error.code(), reason_of(error)) == (Code.INVALID_ARGUMENT, "INVALID_REQUEST")


async def test_request_above_its_contract_is_refused_unread(probe: Probe) -> None:
    """What its method has no use for is not even parsed; the caller reads the limit."""
    within = probe_pb2.OpenRequest(deed="x" * (16 * 1024 - 3))
    async with probe.stub() as stub:
        await stub.Open(within, timeout=5)
    async with probe.channel() as channel:
        unparsable = b"\xff" * (16 * 1024 + 1)
        error = await refusal(channel.unary_unary(SERVICE + "Open")(unparsable, timeout=5))
    (problem,) = problem_of(error).fields
    assert (reason_of(error), problem.description) == ("INVALID_REQUEST", "请求不能超过16KiB")


async def test_nul_in_a_text_is_refused(probe: Probe) -> None:
    """PostgreSQL cannot keep a NUL: it is the caller's fault, not ours; elsewhere it may be."""
    error = await refused(probe, "Open", probe_pb2.OpenRequest(deed="a\0b"))
    (problem,) = problem_of(error).fields
    assert (reason_of(error), problem.field) == ("INVALID_REQUEST", "deed")
    assert problem.description == "不能含有空字符"
    async with probe.stub() as stub:
        await stub.Open(probe_pb2.OpenRequest(seconds=2.0), timeout=5)  # seven NULs on the wire


async def test_surrogate_in_a_text_is_refused(probe: Probe) -> None:
    """Half a character is no UTF-8, and no text."""
    async with probe.channel() as channel:
        raw = b"\x0a\x03\xed\xa0\x80"
        error = await refusal(channel.unary_unary(SERVICE + "Open")(raw, timeout=5))
    assert (error.code(), reason_of(error)) == (Code.INVALID_ARGUMENT, "INVALID_REQUEST")


async def test_too_large_request_is_refused(tmp_path: Path) -> None:
    """What a server takes at all is a setting; what it sends is another."""
    long = probe_pb2.OpenRequest(deed="x" * 1001)
    async with running_probe(tmp_path, max_receive_bytes=1000) as probe, probe.stub() as stub:
        assert (await refusal(stub.Open(long, timeout=5))).code() == Code.RESOURCE_EXHAUSTED
    async with running_probe(tmp_path, max_send_bytes=1000) as probe, probe.stub() as stub:
        await stub.Open(long, timeout=5)
        await stub.Pour(probe_pb2.PourRequest(parts=1), timeout=5).read()
        large = stub.Pour(probe_pb2.PourRequest(parts=1, part_kib=1), timeout=5)
        assert (await refusal(large.read())).code() == Code.RESOURCE_EXHAUSTED


async def test_call_without_deadline_is_refused(probe: Probe) -> None:
    """Every call says how long it waits."""
    error = await refused(probe, "Open", probe_pb2.OpenRequest(), timeout=None)
    assert (error.code(), reason_of(error)) == (Code.INVALID_ARGUMENT, "DEADLINE_REQUIRED")


async def test_too_short_deadline_is_refused(probe: Probe) -> None:
    """A call with less than 20 ms left is not begun: it would be wasted."""
    async with probe.stub() as stub:
        await stub.Open(probe_pb2.OpenRequest(), timeout=5)
        probe.servicer.entered.clear()
        error = await refusal(stub.Open(probe_pb2.OpenRequest(), timeout=0.015))
    assert error.code() == Code.DEADLINE_EXCEEDED
    assert probe.servicer.entered == []


async def test_domain_error_carries_everything(probe: Probe) -> None:
    """A rule's refusal comes with reason, domain, metadata, Chinese sentence and request id."""
    metadata = (("x-request-id", "abcd-1234"),)
    error = await refused(probe, "Open", probe_pb2.OpenRequest(deed="refuse"), metadata=metadata)
    assert error.code() == Code.FAILED_PRECONDITION
    assert sentence_of(error) == "探测甲被拒绝"
    info, request_info = error_details_pb2.ErrorInfo(), error_details_pb2.RequestInfo()
    status_of(error).details[0].Unpack(info)
    status_of(error).details[2].Unpack(request_info)
    assert (info.reason, info.domain, info.metadata) == (
        "PROBE_REFUSED",
        "probe.zikao",
        {"what": "甲"},
    )
    assert request_info.request_id == "abcd-1234"


@pytest.mark.parametrize("deed", ["crash", "unlisted", "malformed_answer"])
async def test_unexpected_error_stays_opaque(probe: Probe, deed: str) -> None:
    """A fault of ours tells the caller the request id only; the cause is in the log."""
    with capture_logs() as logs:
        error = await refused(
            probe,
            "Open",
            probe_pb2.OpenRequest(deed=deed),
            metadata=(("x-request-id", "abcd-1234"),),
        )
    assert (error.code(), reason_of(error)) == (Code.INTERNAL, "INTERNAL")
    assert sentence_of(error).endswith("（编号：abcd-1234）")
    wire = str(error.trailing_metadata()) + str(error.details())
    assert "hunter2" not in wire
    assert "RuntimeError" not in wire
    assert [entry for entry in logs if entry["log_level"] == "error"]


async def test_request_id_is_taken_or_made(probe: Probe) -> None:
    """A caller's request id is used; where it sent none, or a bad one, a new one is returned."""
    async with probe.stub() as stub:
        for sent, kept in (("abcd-1234", True), ("no id: spaces", False), ("", False)):
            metadata = (("x-request-id", sent),)
            call = stub.Open(probe_pb2.OpenRequest(), timeout=5, metadata=metadata)
            answer = await call
            echoed = dict(await call.trailing_metadata()).get("x-request-id")
            assert (answer.request_id == sent) is kept
            assert echoed == (None if kept else answer.request_id)


@pytest.mark.parametrize("method", ["Open", "Exchange"])
async def test_a_refusal_names_the_request_id(probe: Probe, method: str) -> None:
    """In its details always, in its metadata where the server has made it; of a stream, too."""
    for sent, kept in (("abcd-1234", True), ("no id: spaces", False)):
        more: Any = {"metadata": (("x-request-id", sent),), "timeout": 5}
        async with probe.stub() as stub:
            if method == "Open":
                error = await refusal(stub.Open(probe_pb2.OpenRequest(deed="refuse"), **more))
            else:
                too_long = probe_pb2.ExchangeRequest(text="far too long")
                error = await stream_refusal(partial(stub.Exchange, iter([too_long]), **more))
        told = error_details_pb2.RequestInfo()
        assert any(each.Unpack(told) for each in status_of(error).details)
        trailing: Any = error.trailing_metadata()
        assert (told.request_id == sent) is kept
        assert dict(trailing).get("x-request-id") == (None if kept else told.request_id)


@pytest.mark.parametrize(
    "number", ["510101199003078515", "of-51010119900307851X", "510101900307851", "13812345678"]
)
async def test_an_id_that_is_a_persons_number_is_replaced(probe: Probe, number: str) -> None:
    """Ids go to traces as they are, so one that may be of a document or a mobile is not taken."""
    async with probe.stub() as stub:
        metadata = (("x-request-id", number),)
        answer = await stub.Open(probe_pb2.OpenRequest(), timeout=5, metadata=metadata)
        assert number not in answer.request_id
        longer = (("x-request-id", f"a{number[-11:]}b"),)
        answer = await stub.Open(probe_pb2.OpenRequest(), timeout=5, metadata=longer)
        assert answer.request_id == f"a{number[-11:]}b"


async def test_every_call_is_logged_without_its_content(probe: Probe) -> None:
    """One line a call: method, code, reason, duration."""
    with capture_logs() as logs:
        await refused(
            probe,
            "Constrained",
            probe_pb2.ConstrainedRequest(document_number="510101199003078515"),
        )
    (line,) = [entry for entry in logs if entry["event"] == "rpc"]
    assert (line["grpc_code"], line["reason"]) == ("INVALID_ARGUMENT", "INVALID_REQUEST")
    assert line["duration_ms"] >= 0
    assert "510101199003078515" not in str(logs)


async def test_access_log_can_be_thinned(tmp_path: Path) -> None:
    """A hot method logs every n-th call, also of those it refuses, and every fault of ours."""
    settings = {"access_log_every": {SERVICE + "Open": 3}}
    async with running_probe(tmp_path, **settings) as probe, probe.stub() as stub:
        with capture_logs() as logs:
            for _ in range(4):
                await stub.Open(probe_pb2.OpenRequest(), timeout=5)
            for deed in ("refuse", "refuse", "crash", "refuse", "crash"):
                await refusal(stub.Open(probe_pb2.OpenRequest(deed=deed), timeout=5))
    codes = [entry["grpc_code"] for entry in logs if entry["event"] == "rpc"]
    assert codes == ["OK", "FAILED_PRECONDITION", "INTERNAL", "INTERNAL"]


async def test_unknown_method_does_not_exist(probe: Probe) -> None:
    """A method that no contract has is UNIMPLEMENTED."""
    async with probe.channel() as channel:
        error = await refusal(channel.unary_unary(SERVICE + "Nothing")(b"", timeout=5))
    assert error.code() == Code.UNIMPLEMENTED


@pytest.mark.parametrize("deed", ["refuse", "refuse_what_it_holds"])
async def test_a_refusal_leaves_nothing_to_the_collector(probe: Probe, deed: str) -> None:
    """Else a full county, where most are refused, is slower than it need be."""
    async with probe.stub() as stub:
        with left_to_the_collector(DomainError) as left:
            for _ in range(5):
                error = await refusal(stub.Open(probe_pb2.OpenRequest(deed=deed), timeout=5))
                assert reason_of(error) == "PROBE_REFUSED"
    assert [error for error in left if error.reason == "PROBE_REFUSED"] == []


async def test_an_answer_leaves_no_context_to_the_collector(probe: Probe) -> None:
    """Whatever waits for its end: a rush answers thousands a second."""
    async with probe.stub() as stub:
        with left_to_the_collector(object) as left:
            for _ in range(5):
                await stub.Open(probe_pb2.OpenRequest(), timeout=5)
    contexts = [each for each in left if type(each).__name__ in ("_ServicerContext", "RPCState")]
    assert contexts == []


async def test_a_refused_stream_leaves_nothing_to_the_collector(probe: Probe) -> None:
    """Neither does one that is ended by a message of its own."""
    too_long = probe_pb2.ExchangeRequest(text="far too long")
    with left_to_the_collector(DomainError) as left:
        async with probe.stub() as stub:
            for _ in range(5):
                error = await stream_refusal(lambda: stub.Exchange(iter([too_long]), timeout=5))
                assert reason_of(error) == "INVALID_REQUEST"
    assert [error for error in left if error.reason == "INVALID_REQUEST"] == []


def test_a_circle_is_seen() -> None:
    """What the test above looks for is there where an error's frame holds it."""

    def refuse() -> None:
        held = DomainError("PROBE_REFUSED")
        raise held

    with left_to_the_collector(DomainError) as left:
        with pytest.raises(DomainError) as raised:
            refuse()
        del raised
    assert [error.reason for error in left] == ["PROBE_REFUSED"]
