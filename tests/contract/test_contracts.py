"""What every contract must say, read from the generated descriptors."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from buf.validate import validate_pb2
from google.protobuf.descriptor import (
    Descriptor,
    EnumDescriptor,
    FieldDescriptor,
    MethodDescriptor,
)
from google.rpc import code_pb2
from support.contracts import PROTOS, file_of, methods, reason_enums
from zikao.options.v1 import options_pb2
from zikao_kit.policy import MethodPolicy

METHODS = methods()


@pytest.mark.parametrize("method", METHODS, ids=lambda m: m.full_name)
def test_every_method_states_who_may_call_it(method: MethodDescriptor) -> None:
    """A method without a permission is refused for everyone, so none is published without one."""
    access = method.GetOptions().Extensions[options_pb2.access]
    assert access.anyone or access.roles or access.services


@pytest.mark.parametrize("method", METHODS, ids=lambda m: m.full_name)
def test_a_scope_field_is_a_field_of_the_request(method: MethodDescriptor) -> None:
    """The field that an officer's scope is held against exists, and officers may call."""
    access = method.GetOptions().Extensions[options_pb2.access]
    if access.scope_field:
        assert access.scope_field in method.input_type.fields_by_name
        assert options_pb2.ROLE_COUNTY_OFFICER in access.roles


# KiB of settings, of rows with photos in them, of 500 ids, of 200 candidates with their tokens.
OF_MANY_PARTS = {
    "ApplySession": 4000,
    "SubmitEnrollments": 600,
    "WatchPlaces": 600,
    "ImportOlderCandidates": 5200,
    "ImportStatement": 256,
    "ImportSites": 400,
    "UploadScans": 640,
    "SupplyGlyph": 32,
    "ApproveRegistrations": 32,
    "ReleaseLeases": 32,
}


@pytest.mark.parametrize("method", METHODS, ids=lambda m: m.full_name)
def test_files_and_settings_have_room(method: MethodDescriptor) -> None:
    """A request may be as large as the file or the list in it, or as a session's settings."""
    kib = MethodPolicy.of(method).max_request_kib
    limits = [f.GetOptions().Extensions[validate_pb2.field] for f in method.input_type.fields]
    files = sum(limit.bytes.max_len for limit in limits)
    if method.name in OF_MANY_PARTS:
        assert kib == OF_MANY_PARTS[method.name]
    else:
        assert kib == (16 if not files else 5200)
        assert kib * 1024 > files


READING = ("Get", "List", "Export", "Watch", "BatchGet", "Stream", "Query", "Verify")
# These need no request id: logging in changes nothing that is kept, finding counts
# an attempt each time, a candidate has one place in a waiting room however often, and the
# platform's calls are named by the order, refund or payment they are about.
NAMED_OTHERWISE = {
    "LogIn": None,
    "FindTicketNumber": None,
    "ImportOlderCandidates": "import_id",
    "SubmitEnrollments": "submissions",
    "ImportStatement": "import_id",
    "UploadScans": "scans",
    "CompleteProviderLogin": "state",
    "CreatePaymentOrder": "order_id",
    "ClosePaymentOrder": "order_id",
    "RefundPayment": "refund_id",
    "NotifyPayment": "payment",
    "JoinWaitingRoom": "session_code",
}


@pytest.mark.parametrize(
    "method", [m for m in METHODS if not m.name.startswith(READING)], ids=lambda m: m.full_name
)
def test_every_mutation_can_be_repeated_safely(method: MethodDescriptor) -> None:
    """A mutation carries a request_id, or the name of the one thing it is about."""
    key = NAMED_OTHERWISE.get(method.name, "request_id")
    if key is not None:
        assert key in method.input_type.fields_by_name


@pytest.mark.parametrize("enum", reason_enums(), ids=lambda e: e.full_name)
def test_every_error_reason_has_a_code_and_a_chinese_sentence(enum: EnumDescriptor) -> None:
    """A reason without a meaning could not be told to anyone."""
    for value in enum.values[1:]:
        meaning = value.GetOptions().Extensions[options_pb2.error]
        assert meaning.code not in (code_pb2.OK, code_pb2.UNKNOWN), value.name
        assert any("\u4e00" <= character <= "\u9fff" for character in meaning.message_zh), (
            value.name
        )


def test_service_reasons_do_not_shadow_the_common_ones() -> None:
    """A reason means one thing: no service redefines one that every service may answer with."""
    common, *others = sorted(
        reason_enums(), key=lambda e: e.full_name != "zikao.options.v1.ErrorReason"
    )
    shared = {value.name for value in common.values[1:]}
    for enum in others:
        assert not shared & {value.name for value in enum.values[1:]}, enum.full_name


NAMES_OF_PERSONAL_FIELDS = {
    "name": {"PersonalData", "Candidate", "VerifyTicketResponse"},
    "document_number": None,
    "password": None,
    "mobile": None,
    "birth_date": None,
    "jpeg": None,
    "photo_jpeg": None,
    "access_token": None,
    "refresh_token": None,
    "old_password": None,
    "new_password": None,
    "one_time_code": None,
    "secret": None,
    "uri": None,
}


@pytest.mark.parametrize("proto", PROTOS, ids=lambda p: "/".join(p.parts[-3:]))
def test_personal_fields_are_marked_sensitive(proto: Path) -> None:
    """What identifies a person, or opens an account, is never logged (DOMAIN section 7)."""
    for message in file_of(proto).message_types_by_name.values():
        for field in message.fields:
            where = NAMES_OF_PERSONAL_FIELDS.get(field.name, set())
            if where is None or message.name in where:
                assert field.GetOptions().Extensions[options_pb2.sensitive], field.full_name


# A site is where people sit.
PLACES = {"zikao.tickets.v1.Site.address", "zikao.tickets.v1.CorrectSiteRequest.address"}
ELSEWHERE = {"url", "uri", "host", "address", "endpoint", "target", "path", "file", "filename"}


def fields_sent(kind: Descriptor, seen: set[str]) -> Iterator[FieldDescriptor]:
    """All fields of a request, also of what is in it."""
    for field in kind.fields:
        yield field
        inner = field.message_type
        if inner is not None and inner.full_name not in seen:
            seen.add(inner.full_name)
            yield from fields_sent(inner, seen)


def test_no_request_names_an_address_or_a_file() -> None:
    """Nobody tells a service where to connect to, or what to open."""
    fields = [field for method in METHODS for field in fields_sent(method.input_type, set())]
    named = {f.full_name for f in fields if ELSEWHERE & set(f.name.split("_"))}
    assert named == PLACES
