"""Requests against their contracts."""

from uuid import uuid4

import pytest
from google.protobuf.duration_pb2 import Duration
from zikao.test.v1 import probe_pb2
from zikao_kit.errors import DomainError
from zikao_kit.validation import problems_in, require_valid


def request(**changes: object) -> probe_pb2.ConstrainedRequest:
    """Make a valid request with changes."""
    fields: dict[str, object] = {
        "request_id": str(uuid4()),
        "document_number": "510101199003078515",
        "courses": 2,
        "choices": [probe_pb2.Choice(county_code="510104")],
        "mobile": "13812345678",
    }
    return probe_pb2.ConstrainedRequest(**(fields | changes))  # type: ignore[arg-type]


def test_valid_request_has_no_problems() -> None:
    """What keeps the rules passes."""
    assert problems_in(request()) == []
    require_valid(request())


def test_nested_problem_is_named_by_its_path() -> None:
    """A bad element of a list is named by field and index."""
    choices = [probe_pb2.Choice(county_code="510104"), probe_pb2.Choice(county_code="abc")]
    (problem,) = problems_in(request(choices=choices))
    assert (problem.field, problem.description) == ("choices[1].county_code", "格式不正确")


def test_a_large_request_is_looked_at_until_its_first_bad_field() -> None:
    """Thousands of bad elements take no longer than one, and the caller reads that it is one."""
    for count in (200, 100_000):
        problems = problems_in(request(choices=[probe_pb2.Choice()] * count))
        assert [problem.field for problem in problems] == ["choices", ""]
        assert problems[1].description == "请求内容较多，只列出第一处错误"


def test_a_form_is_told_all_its_problems_but_no_more_than_100() -> None:
    """As many values as a form has are looked at to the end."""
    assert len(problems_in(request(choices=[probe_pb2.Choice()] * 45))) == 46
    assert len(problems_in(request(choices=[probe_pb2.Choice(county_code="x")] * 45))) == 46
    assert len(problems_in(request(choices=[probe_pb2.Choice()] * 96))) == 97


def test_rule_values_are_in_the_sentence() -> None:
    """The sentence says what would be right."""
    (problem,) = problems_in(request(choices=[probe_pb2.Choice(county_code="510104")] * 4))
    assert problem.description == "最多允许3项"


def test_a_time_span_is_told_in_seconds() -> None:
    """Who waits too long reads how long it may be."""
    (problem,) = problems_in(request(pause=Duration(seconds=91)))
    assert (problem.field, problem.description) == ("pause", "不能大于90秒")


def test_rules_of_our_own_speak_chinese_themselves() -> None:
    """A `cel` rule's message is passed on as the contract has it."""
    (problem,) = problems_in(request(mobile="12345"))
    assert (problem.field, problem.description) == ("mobile", "手机号码格式不正确")


def test_problems_never_hold_the_value() -> None:
    """A sentence repeats rules, never what was sent: it may be an identity number."""
    problems = problems_in(request(document_number="5101011990030785", mobile="138123456789"))
    assert len(problems) == 2
    assert "510101" not in str(problems)
    assert "138123" not in str(problems)


def test_all_problems_are_raised_together() -> None:
    """One error carries every bad field."""
    with pytest.raises(DomainError) as caught:
        require_valid(probe_pb2.ConstrainedRequest())
    assert caught.value.reason == "INVALID_REQUEST"
    assert [problem.field for problem in caught.value.fields] == [
        "request_id",
        "document_number",
        "courses",
        "choices",
        "mobile",
    ]
