"""What the contracts say of errors, in their comments and in Chinese."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from buf.validate import validate_pb2
from google.protobuf.descriptor import EnumDescriptor, MethodDescriptor
from google.protobuf.message import Message
from support.contracts import errors_stated, messages, methods, reason_enums, reasons_in
from zikao_kit import errors
from zikao_kit.validation import sentence_for

COMMON = next(enum for enum in reason_enums() if enum.file.package == "zikao.options.v1")
OWN = {enum.file.package: enum for enum in reason_enums() if enum is not COMMON}
METHODS = methods()
# Enrollment serves a contract beside its own.
SERVED_BY = {"zikao.payment.v1.PaymentNotificationService": "zikao.enrollment.v1"}
FIELDS = [field for message in messages() for field in message.fields]
# What FieldRules holds beside the rules of kinds; `cel` is looked at by itself.
NO_RULES = {"cel", "ignore"}
COMPARISONS = {"gt", "gte", "lt", "lte"}


def test_the_kit_names_the_common_reasons() -> None:
    """Code that raises a common reason has a constant for it, and none that no contract has."""
    constants = {name for name, value in vars(errors).items() if name == value}
    assert constants == reasons_in(COMMON)


def served_by(method: MethodDescriptor) -> str:
    """The package whose own reasons the method may answer with."""
    service = method.containing_service
    return SERVED_BY.get(service.full_name, service.file.package)


@pytest.mark.parametrize("method", METHODS, ids=lambda m: m.full_name)
def test_every_method_lists_its_errors(method: MethodDescriptor) -> None:
    """A caller reads beside each method what may go wrong; only reasons that there are."""
    stated = errors_stated()[method.full_name]
    assert stated is not None
    own = OWN.get(served_by(method))
    assert stated <= reasons_in(COMMON) | (reasons_in(own) if own else set())


@pytest.mark.parametrize("method", METHODS, ids=lambda m: m.full_name)
def test_a_request_id_that_may_be_reused_says_so(method: MethodDescriptor) -> None:
    """Who keeps request ids tells what becomes of one that comes with another body."""
    has_id = "request_id" in method.input_type.fields_by_name
    assert not has_id or errors.REQUEST_ID_REUSED in (errors_stated()[method.full_name] or ())


@pytest.mark.parametrize("enum", OWN.values(), ids=lambda e: e.full_name)
def test_every_own_reason_is_some_methods_error(enum: EnumDescriptor) -> None:
    """A reason that no method lists never comes, or comes unannounced."""
    served = [method for method in METHODS if served_by(method) == enum.file.package]
    stated = [errors_stated()[method.full_name] or () for method in served]
    assert reasons_in(enum) - frozenset().union(*stated) == set()


def ids_of(rules: Message) -> Iterator[str]:
    """Ids of a field's rules, as violations name them: "required", "int32.gte_lte"."""
    for field, value in rules.ListFields():
        if field.name == "required":
            yield field.name
        elif field.name not in NO_RULES:
            yield from ids_of_kind(field.name, value)


def ids_of_kind(kind: str, rules: Message) -> Iterator[str]:
    """The ids of one kind's rules; those of two bounds only when both are set."""
    present = {field.name for field, _ in rules.ListFields()}
    for field, value in rules.ListFields():
        if field.name in ("items", "keys", "values"):
            yield from ids_of(value)
            continue
        variants = field.GetOptions().Extensions[validate_pb2.predefined].cel
        for rule_id in [rule.id for rule in variants] or [f"{kind}.{field.name}"]:
            words = set(rule_id.partition(".")[2].split("_"))
            if words & COMPARISONS <= present:
                yield rule_id


def is_chinese(text: str) -> bool:
    """Whether people can read it: Chinese, and no English word in it."""
    return bool(re.search("[\u4e00-\u9fff]", text)) and not re.search("[A-Za-z]{5,}", text)


def test_every_rule_has_a_chinese_sentence() -> None:
    """Whoever breaks a rule of a contract reads what is wrong in Chinese."""
    all_rules = [field.GetOptions().Extensions[validate_pb2.field] for field in FIELDS]
    used = {rule_id for rules in all_rules for rule_id in ids_of(rules)}
    assert {"required", "string.pattern", "duration.gte_lte", "repeated.max_items"} <= used
    assert {rule_id for rule_id in used if not is_chinese(sentence_for(rule_id) or "")} == set()


def test_a_contracts_own_rules_speak_chinese() -> None:
    """Rules written in CEL carry their own sentence."""
    fields = (field.GetOptions().Extensions[validate_pb2.field].cel for field in FIELDS)
    whole = (each.GetOptions().Extensions[validate_pb2.message].cel for each in messages())
    own = {rule.id: rule.message for rules in (*fields, *whole) for rule in rules}
    assert "staff.scope" in own
    assert {rule_id for rule_id, sentence in own.items() if not is_chinese(sentence)} == set()
