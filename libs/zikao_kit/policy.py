"""What a contract says of a method, read once from its descriptor when a server starts."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from buf.validate import validate_pb2
from google.protobuf.descriptor import (
    Descriptor,
    FieldDescriptor,
    MethodDescriptor,
    ServiceDescriptor,
)
from zikao.options.v1 import options_pb2

from zikao_kit.errors import METHOD_NOT_PERMITTED, PERMISSION_DENIED, TOKEN_INVALID, DomainError
from zikao_kit.message_values import may_hold_times
from zikao_kit.tokens import Actor

OFFICER_ROLES = frozenset({"county_officer", "city_officer", "province_officer"})
SCOPED_ROLES = OFFICER_ROLES | {"auditor"}
DEFAULT_REQUEST_KIB = 16
_ROLE_PREFIX = "ROLE_"


class Priority(IntEnum):
    """How much a method matters under overload; the higher is shed first."""

    PAYMENT = 1
    SUBMIT = 2
    JOIN = 3
    READ = 4
    PRINT = 5


@dataclass(frozen=True)
class MethodPolicy:
    """Who may call one method, and how it is treated."""

    full_name: str  # "/zikao.enrollment.v1.EnrollmentService/SubmitEnrollment"
    request: Descriptor
    stated: bool
    anyone: bool = False
    roles: frozenset[str] = frozenset()
    services: frozenset[str] = frozenset()
    scope_field: str = ""
    scope_of: Callable[[Any], str] | None = None
    priority: Priority = Priority.READ
    long_lived: bool = False
    streams: bool = False
    grpc_type: str = "unary"
    max_request_kib: int = DEFAULT_REQUEST_KIB
    restricted_too: bool = False
    polled: bool = False
    # Its contract leaves the parts of a request to the method, which answers each by itself.
    judges_parts: bool = False
    may_hold_times: bool = False

    @property
    def service(self) -> str:
        """The full name of the method's service."""
        return self.full_name.split("/")[1]

    @property
    def for_services_only(self) -> bool:
        """Whether nobody calls but systems of the installation, known by their certificates."""
        return bool(self.services) and not (self.anyone or self.roles)

    @classmethod
    def of(cls, method: MethodDescriptor) -> MethodPolicy:
        """Read the option `access`; raises ValueError when it contradicts the request."""
        full_name = f"/{method.containing_service.full_name}/{method.name}"
        options = method.GetOptions()
        if not options.HasExtension(options_pb2.access):
            return cls(full_name, method.input_type, stated=False, grpc_type=grpc_type(method))
        access = options.Extensions[options_pb2.access]
        if access.scope_field:
            _check_scope_field(full_name, method.input_type, access.scope_field)
        return cls(
            full_name,
            method.input_type,
            stated=True,
            anyone=access.anyone,
            roles=frozenset(_role_name(role) for role in access.roles),
            services=frozenset(access.services),
            scope_field=access.scope_field,
            scope_of=operator.attrgetter(access.scope_field) if access.scope_field else None,
            priority=_priority(access.priority) if access.priority else Priority.READ,
            long_lived=access.long_lived,
            streams=method.client_streaming or method.server_streaming,
            grpc_type=grpc_type(method),
            max_request_kib=access.max_request_kib or DEFAULT_REQUEST_KIB,
            restricted_too=access.restricted_too,
            polled=access.polled,
            judges_parts=any(map(_is_left_to_method, method.input_type.fields)),
            may_hold_times=may_hold_times(method.input_type),
        )

    def admit(self, caller: str, token_actor: Actor | None) -> Actor:
        """Return who acts, or raise PERMISSION_DENIED, METHOD_NOT_PERMITTED or TOKEN_INVALID.

        `caller` is the name in the client certificate, `token_actor` who the access
        token speaks for. A token that is there always counts: a portal whose
        candidate may not do something cannot do it with its own certificate instead.
        A restricted token (first login with the initial password, DOMAIN section 3)
        opens nothing but methods for anyone and those that say `restricted_too`.
        """
        if not self.stated:
            raise DomainError(METHOD_NOT_PERMITTED)
        if token_actor is not None:
            return self._admit_token(token_actor)
        if caller in self.services:
            return Actor(subject=caller, role="service", caller=caller)
        if self.anyone:
            return Actor(subject="", role="anonymous", caller=caller)
        raise DomainError(TOKEN_INVALID if self.roles else PERMISSION_DENIED)

    def may(self, role: str, *, restricted: bool) -> bool:
        """Whether tokens of a role open the method."""
        return self.stated and (
            self.anyone or (role in self.roles and (self.restricted_too or not restricted))
        )

    def _admit_token(self, actor: Actor) -> Actor:
        if self.may(actor.role, restricted=actor.restricted):
            return actor
        raise DomainError(PERMISSION_DENIED)

    def check_scope(self, actor: Actor, request: Any) -> None:
        """Raise OUT_OF_SCOPE when an officer's or auditor's scope does not cover the county."""
        if self.scope_of is not None and actor.role in SCOPED_ROLES:
            actor.require_scope(self.scope_of(request))


def policies_of(*services: ServiceDescriptor) -> dict[str, MethodPolicy]:
    """Read the policies of all methods, by full name."""
    policies = (MethodPolicy.of(method) for service in services for method in service.methods)
    return {policy.full_name: policy for policy in policies}


def grpc_type(method: MethodDescriptor) -> str:
    """The kind of a method as metrics of the gRPC ecosystem name it."""
    if method.client_streaming:
        return "bidi_stream" if method.server_streaming else "client_stream"
    return "server_stream" if method.server_streaming else "unary"


def _priority(stated: int) -> Priority:
    """By name: in the contract later ones have higher numbers, whatever they matter."""
    name: str = options_pb2.Priority.Name(stated)  # type: ignore[arg-type]
    return Priority[name.removeprefix("PRIORITY_")]


def _role_name(role: int) -> str:
    name: str = options_pb2.Role.Name(role)  # type: ignore[arg-type]
    return name.removeprefix(_ROLE_PREFIX).lower()


def _is_left_to_method(field: FieldDescriptor) -> bool:
    rules = field.GetOptions().Extensions[validate_pb2.field]
    ignored: bool = rules.repeated.items.ignore == validate_pb2.IGNORE_ALWAYS
    return ignored


def _check_scope_field(full_name: str, request: Descriptor, path: str) -> None:
    message: Descriptor | None = request
    field = None
    for part in path.split("."):
        field = message.fields_by_name.get(part) if message else None
        message = field.message_type if field else None
    if field is None or field.type != field.TYPE_STRING or field.is_repeated:
        raise ValueError(f"{full_name}: scope_field {path} is no text field of the request")
