"""Who may call what, tried out: every method of a service by everybody, as its contract says.

Who is let in at all follows from the contract alone: every caller tries every method. What a
method may be asked about (data of a county, of another person) is in a table of entries, and a
method without an entry fails its test.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.descriptor import FieldDescriptor, MethodDescriptor
from google.protobuf.message_factory import GetMessageClass
from support.contracts import methods
from support.refusals import note
from support.service import Caller
from zikao_kit.error_table import reason_of
from zikao_kit.errors import (
    INVALID_REQUEST,
    METHOD_NOT_PERMITTED,
    NOT_FOUND,
    OUT_OF_SCOPE,
    PERMISSION_DENIED,
    TOKEN_EXPIRED,
    TOKEN_INVALID,
)
from zikao_kit.policy import OFFICER_ROLES, SCOPED_ROLES, MethodPolicy

SHUT_OUT = {METHOD_NOT_PERMITTED, PERMISSION_DENIED, TOKEN_EXPIRED, TOKEN_INVALID}
# A method may hide that there is something where the caller may not look.
HIDDEN = {NOT_FOUND, OUT_OF_SCOPE}
TIMEOUT_SECONDS = 10.0
# Endings of fields that could name somebody's data.
_NAMING = ("_id", "_ids", "_number", "_numbers", "_code", "_codes", "login_name")
_NAMES_NOBODY = ("province_code", "request_id", "session_code", "course_code", "course_codes")


@dataclass(frozen=True)
class Someone:
    """A caller: the certificate, and of a token (role empty: none) its role and scope."""

    name: str
    caller: Caller
    certificate: str = "portal"
    role: str = ""
    scope: str = ""
    restricted: bool = False


@dataclass(frozen=True)
class Scoped:
    """Officers name a county or data of it: `build(world)` makes the request about the county's."""

    build: Callable[[Any], Any]


@dataclass(frozen=True)
class Named:
    """Candidates name something: `build(world, owner)` makes the request about the owner's.

    The owners are "own" (whoever is in the token) and "other".
    """

    build: Callable[[Any, str], Any]


@dataclass(frozen=True)
class OwnOnly:
    """Works on the token's subject: its request can name nobody."""


@dataclass(frozen=True)
class NobodysData:
    """Tells nothing of a person or a county, or its caller proves what is needed; says why."""

    why: str


Entry = Scoped | Named | OwnOnly | NobodysData
Entries = Mapping[str, Entry]
# Statuses in a row.
MAX_LOST = 5


def methods_of(package: str) -> list[MethodDescriptor]:
    """Every method of a package's contracts."""
    return [method for method in methods() if method.full_name.startswith(f"{package}.")]


def short_name(method: MethodDescriptor) -> str:
    """E.g. "ReviewService.DecideRegistration", as entries and test reports have it."""
    return f"{method.containing_service.name}.{method.name}"


def require_entries(methods: Sequence[MethodDescriptor], entries: Entries) -> None:
    """Fail for a method without an entry, and for an entry without a method."""
    assert {short_name(method) for method in methods} == set(entries)


def require_fitting(method: MethodDescriptor, entry: Entry) -> None:
    """Fail for an entry that leaves out what the contract lets somebody ask about."""
    policy = MethodPolicy.of(method)
    if policy.roles & OFFICER_ROLES:
        assert isinstance(entry, Scoped | NobodysData)
    elif policy.roles:
        assert isinstance(entry, Named | OwnOnly | NobodysData)
    if isinstance(entry, OwnOnly):
        assert _naming_fields(method) == [], short_name(method)


async def require_admitted(method: MethodDescriptor, everybody: Sequence[Someone]) -> None:
    """Fail where the server lets somebody in, or keeps somebody out, against the contract."""
    wrong = {}
    for who in everybody:
        reason = await reason_from(who, method, GetMessageClass(method.input_type)())
        if may_call(method, who) == (reason in SHUT_OUT):
            wrong[who.name] = reason or "answered"
    assert wrong == {}, wrong


async def require_scope(
    method: MethodDescriptor, make_request: Callable[[], Any], county_code: str, everybody: Any
) -> None:
    """Fail where an officer or auditor reaches a county outside of the scope, or not one inside."""
    wrong, tried, valid = {}, set(), False
    for who in everybody:
        if who.role in SCOPED_ROLES and may_call(method, who):
            reason = await reason_from(who, method, make_request())
            covered = county_code.startswith(who.scope)
            tried.add(covered)
            valid = valid or (covered and reason != INVALID_REQUEST)
            if reason in SHUT_OUT or covered == (reason in HIDDEN):
                wrong[who.name] = reason or "answered"
            elif not covered:
                note(method, reason)
    assert wrong == {}, wrong
    assert tried == {True, False}
    assert valid


async def require_own(
    method: MethodDescriptor, candidate: Someone, own: Any, anothers: Any
) -> None:
    """Fail where a candidate reaches what is another's, or not the candidate's own."""
    hidden = await reason_from(candidate, method, anothers)
    assert hidden in HIDDEN
    note(method, hidden)
    assert await reason_from(candidate, method, own) not in HIDDEN | SHUT_OUT | {INVALID_REQUEST}


async def reason_from(who: Someone, method: MethodDescriptor, request: Any) -> str:
    """Why a call was refused; empty when it was answered.

    gRPC's client sometimes loses the status of a stream (docs/errors.md): then it is asked again.
    """
    for _ in range(MAX_LOST):
        if (reason := await _reason_from(who, method, request)) != grpc.StatusCode.INTERNAL.name:
            break
    return reason


async def _reason_from(who: Someone, method: MethodDescriptor, request: Any) -> str:
    bearer = (("authorization", f"Bearer {who.caller.token}"),) if who.caller.token else ()
    sent = _each(request) if method.client_streaming else request
    call = _opened(who.caller.channel, method)(sent, timeout=TIMEOUT_SECONDS, metadata=bearer)
    try:
        if method.server_streaming:
            await anext(aiter(call), None)  # a subscription has a first answer and no last one
            call.cancel()
        else:
            await call
    except grpc.aio.AioRpcError as error:
        return reason_of(error) or error.code().name
    return ""


def may_call(method: MethodDescriptor, who: Someone) -> bool:
    """What the contract says, read here once more."""
    policy = MethodPolicy.of(method)
    if not who.role:
        return policy.anyone or who.certificate in policy.services
    admitted = who.role in policy.roles and (policy.restricted_too or not who.restricted)
    return policy.anyone or admitted


def _naming_fields(method: MethodDescriptor) -> list[str]:
    return [
        field.name
        for field in method.input_type.fields
        if field.type == FieldDescriptor.TYPE_STRING
        and field.name.endswith(_NAMING)
        and field.name not in _NAMES_NOBODY
    ]


def _opened(channel: grpc.aio.Channel, method: MethodDescriptor) -> Any:
    kinds = {
        (False, False): channel.unary_unary,
        (False, True): channel.unary_stream,
        (True, False): channel.stream_unary,
        (True, True): channel.stream_stream,
    }
    opened: Any = kinds[method.client_streaming, method.server_streaming](
        f"/{method.containing_service.full_name}/{method.name}",
        GetMessageClass(method.input_type).SerializeToString,
        GetMessageClass(method.output_type).FromString,
    )
    return opened


async def _each(request: Any) -> AsyncIterator[Any]:
    yield request
