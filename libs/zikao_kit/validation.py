"""Requests against the rules in their contract: every bad field at once, in Chinese.

A violation costs the event loop some 30 µs. So a request is looked at until its first
one, and only one of as many values as a form has is looked at to the end.
"""

from __future__ import annotations

from typing import Any

import protovalidate
from google.protobuf.message import Message

from zikao_kit.errors import INVALID_REQUEST, DomainError, FieldProblem
from zikao_kit.message_values import holds_more_than

# At the worst, 400 violations, of which 100 are told: 5 ms.
MAX_VALUES = 100
MAX_PROBLEMS = 100
_MORE_MAY_FOLLOW = FieldProblem("", "请求内容较多，只列出第一处错误")

# By protovalidate's rule id; `{}` is the rule's value. What is not here (the
# `cel` rules of our own contracts, which are written in Chinese) speaks for itself.
_SENTENCES = {
    "required": "必须填写",
    "string.min_len": "长度不能少于{}个字符",
    "string.max_len": "长度不能超过{}个字符",
    "string.len": "长度必须为{}个字符",
    "string.min_bytes": "长度不能少于{}字节",
    "string.max_bytes": "长度不能超过{}字节",
    "string.pattern": "格式不正确",
    "string.not_contains": "格式不正确",
    "string.prefix": "必须以“{}”开头",
    "string.in": "不在允许的取值之内",
    "string.uuid": "必须是UUID",
    "string.uuid_empty": "必须是UUID，不能为空",
    "string.email": "电子邮箱格式不正确",
    "string.email_empty": "电子邮箱不能为空",
    "bytes.min_len": "内容不能少于{}字节",
    "bytes.max_len": "内容不能超过{}字节",
    "bytes.len": "内容必须为{}字节",
    "enum.defined_only": "不在允许的取值之内",
    "enum.not_in": "不在允许的取值之内",
    "enum.in": "不在允许的取值之内",
    "repeated.min_items": "至少需要{}项",
    "repeated.max_items": "最多允许{}项",
    "repeated.unique": "不能重复",
    "map.min_pairs": "至少需要{}项",
    "map.max_pairs": "最多允许{}项",
    "timestamp.lt_now": "必须早于当前时间",
    "timestamp.gt_now": "必须晚于当前时间",
    "bool.const": "取值不正确",
    "string.const": "取值不正确",
}
# The same for every type that has an order: "int32.gte" ends in "gte".
_ORDER_SENTENCES = {
    "const": "必须等于{}",
    "gt": "必须大于{}",
    "gte": "不能小于{}",
    "lt": "必须小于{}",
    "lte": "不能大于{}",
    "in": "不在允许的取值之内",
    "not_in": "不在允许的取值之内",
}
# Of two bounds ("gte_lte", "gt_lt_exclusive", …) a violation carries only the first.
_BETWEEN_SENTENCE = "超出允许的范围"
_ORDERED_TYPES = frozenset(
    {f"{sign}{width}" for sign in ("int", "uint", "sint", "fixed", "sfixed") for width in (32, 64)}
    | {"float", "double", "duration"}
)
_validator = protovalidate.Validator()


def problems_in(message: Message, *, of_any_size: bool = False) -> list[FieldProblem]:
    """Return what is wrong with `message`, in the order of its contract; at most MAX_PROBLEMS.

    Of one with more than MAX_VALUES values only the first, and a word that it is not all:
    looking for the others takes the time of everybody else. `of_any_size`: look all the same.
    """
    first = _validator.collect_violations(message, fail_fast=True)
    if not first:
        return []
    if not of_any_size and holds_more_than(message, MAX_VALUES):
        return [_problem_of(first[0]), _MORE_MAY_FOLLOW]
    violations = _validator.collect_violations(message)
    return [_problem_of(violation) for violation in violations[:MAX_PROBLEMS]]


def require_valid(message: Message, *, of_any_size: bool = False) -> None:
    """Raise INVALID_REQUEST with its bad fields when `message` breaks its contract."""
    problems = problems_in(message, of_any_size=of_any_size)
    if problems:
        raise DomainError(INVALID_REQUEST, fields=problems)


def _problem_of(violation: protovalidate.Violation) -> FieldProblem:
    stated = violation.proto
    sentence = sentence_for(stated.rule_id)
    if sentence is None:
        return FieldProblem(_path_of(stated.field), stated.message or stated.rule_id)
    return FieldProblem(
        _path_of(stated.field), sentence.format(_readable(violation.rule_value, stated.rule_id))
    )


def sentence_for(rule_id: str) -> str | None:
    """Return the sentence of one of protovalidate's own rules, `{}` for its value; None for others.

    `rule_id` is as violations name it: "string.min_len".
    """
    kind, _, rule = rule_id.partition(".")
    if kind not in _ORDERED_TYPES:
        return _SENTENCES.get(rule_id)
    if rule.startswith(("gt_", "gte_")):
        return _BETWEEN_SENTENCE
    return _ORDER_SENTENCES.get(rule)


def _readable(value: Any, rule_id: str) -> Any:
    if rule_id.startswith("duration."):  # a Duration, but protovalidate's own class of it
        return f"{value.seconds + value.nanos / 1e9:g}秒"
    return value


def _path_of(path: Any) -> str:
    return ".".join(_element(e) for e in path.elements) if path else ""


def _element(element: Any) -> str:
    subscript = element.subscript
    if subscript is None:
        return str(element.field_name)
    key = getattr(subscript, "value", subscript)
    return f"{element.field_name}[{key}]"
