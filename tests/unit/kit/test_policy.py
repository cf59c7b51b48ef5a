"""Who may call, as the contracts say."""

from dataclasses import replace

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool
from zikao.options.v1 import options_pb2
from zikao.test.v1 import probe_pb2
from zikao_kit.errors import DomainError
from zikao_kit.policy import MethodPolicy, Priority, policies_of
from zikao_kit.tokens import Actor

POLICIES = policies_of(probe_pb2.DESCRIPTOR.services_by_name["ProbeService"])


def policy(method: str) -> MethodPolicy:
    """Return the policy of a method of the probe."""
    return POLICIES[f"/zikao.test.v1.ProbeService/{method}"]


def test_policies_are_read_from_the_contract() -> None:
    """Roles, services, scope, priority and long life come from the method's option."""
    assert policy("Candidate").roles == {"candidate"}
    assert policy("Candidate").priority is Priority.SUBMIT
    assert policy("Officer").roles == {"county_officer", "city_officer", "province_officer"}
    assert policy("Service").services == {"enrollment"}
    assert policy("Service").priority is Priority.PAYMENT
    assert policy("Subscribe").long_lived
    assert policy("Open").priority is Priority.READ


def test_method_without_option_admits_nobody() -> None:
    """Silence in the contract is a refusal, whoever calls."""
    officer = Actor("o", "province_officer", scope="51")
    for caller, actor in (("enrollment", None), ("portal", officer)):
        with pytest.raises(DomainError, match="METHOD_NOT_PERMITTED"):
            policy("Forgotten").admit(caller, actor)


@pytest.mark.parametrize(
    ("method", "caller", "role", "reason"),
    [
        ("Candidate", "portal", None, "TOKEN_INVALID"),
        ("Candidate", "portal", "county_officer", "PERMISSION_DENIED"),
        ("Service", "tickets", None, "PERMISSION_DENIED"),
        ("Service", "", None, "PERMISSION_DENIED"),
        ("Service", "enrollment", "candidate", "PERMISSION_DENIED"),
    ],
)
def test_refusals(method: str, caller: str, role: str | None, reason: str) -> None:
    """No token, the wrong role, another service, and a service that hides behind a token."""
    actor = Actor("x", role, scope="510104") if role else None
    with pytest.raises(DomainError, match=reason):
        policy(method).admit(caller, actor)


def test_restricted_token_opens_only_what_says_so() -> None:
    """Who must first choose a password gets through where the contract says so, in that role."""
    restricted = Actor("c", "candidate", restricted=True)
    with pytest.raises(DomainError, match="PERMISSION_DENIED"):
        policy("Candidate").admit("portal", restricted)
    first_steps = replace(policy("Candidate"), restricted_too=True)
    assert first_steps.admit("portal", restricted) is restricted
    with pytest.raises(DomainError, match="PERMISSION_DENIED"):
        first_steps.admit("portal", Actor("o", "county_officer", "510104", restricted=True))


def test_scope_concerns_officers_and_auditors() -> None:
    """A service has no scope; an officer or auditor has one and must keep to it."""
    request = probe_pb2.OfficerRequest(county_code="510104")
    policy("Officer").check_scope(Actor("enrollment", "service"), request)
    policy("Officer").check_scope(Actor("o", "province_officer", scope="51"), request)
    for role, scope in (("city_officer", ""), ("city_officer", "5102"), ("auditor", "52")):
        with pytest.raises(DomainError, match="OUT_OF_SCOPE"):
            policy("Officer").check_scope(Actor("o", role, scope=scope), request)


@pytest.mark.parametrize("scope_field", ["no_such_field", "seconds", "deed.x"])
def test_contract_with_an_impossible_scope_stops_the_start(scope_field: str) -> None:
    """A scope field that the request does not have is found at the start, not at a call."""
    name = f"made_scope_{scope_field.replace('.', '_')}"
    file = descriptor_pb2.FileDescriptorProto(name=f"{name}.proto", package=name)
    file.dependency.extend(["zikao/options/v1/options.proto", "zikao/test/v1/probe.proto"])
    service = file.service.add(name="MadeService")
    method = service.method.add(
        name="Do",
        input_type=".zikao.test.v1.OpenRequest",
        output_type=".zikao.test.v1.OpenResponse",
    )
    method.options.Extensions[options_pb2.access].scope_field = scope_field
    pool = descriptor_pool.Default()
    pool.AddSerializedFile(file.SerializeToString())
    with pytest.raises(ValueError, match=scope_field):
        policies_of(pool.FindServiceByName(f"{name}.MadeService"))
