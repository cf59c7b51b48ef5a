"""The typed client, against the contracts."""

from __future__ import annotations

import sys
from pathlib import Path

from google.protobuf.descriptor import MethodDescriptor
from support.contracts import methods
from zikao.options.v1 import options_pb2
from zikao_client import Endpoints, ZikaoClient
from zikao_kit.channel import ServiceConfig
from zikao_kit.tls import DevelopmentCa

SERVICES = ("zikao.registration.", "zikao.enrollment.", "zikao.tickets.")
# Whoever carries one of these is one of ours, with a channel of its own.
OUR_PROCESSES = frozenset({"registration", "enrollment", "tickets", "payment-platform"})


def for_others(method: MethodDescriptor) -> bool:
    """Whether people, portals or operators may call a method."""
    access = method.GetOptions().Extensions[options_pb2.access]
    return access.anyone or bool(access.roles) or bool(set(access.services) - OUR_PROCESSES)


def calls_of(stub: object) -> set[str]:
    """The full names of the methods that a stub calls."""
    module = sys.modules[type(stub).__module__.removesuffix("_grpc")]
    service = module.DESCRIPTOR.services_by_name[type(stub).__name__.removesuffix("Stub")]
    return {f"{service.full_name}/{method.name}" for method in service.methods}


async def test_whatever_others_may_call_has_an_attribute(tmp_path: Path) -> None:
    """Every method for people, portals and operators is a method of one of the client's stubs."""
    wanted = {
        f"{method.containing_service.full_name}/{method.name}"
        for method in methods()
        if method.full_name.startswith(SERVICES) and for_others(method)
    }
    endpoints = Endpoints("localhost:1", "localhost:1", "localhost:1")
    client = ZikaoClient(endpoints, DevelopmentCa(tmp_path).issue("portal"))
    async with client:
        stubs = [each for name, each in vars(client).items() if not name.startswith("_")]
        assert wanted - set().union(*map(calls_of, stubs)) == set()


def test_what_is_not_repeated_is_known() -> None:
    """A call that a restart cuts off is lost to its caller for these alone, each for a reason.

    An attempt counts against a limit, uses up what came back from a provider, or is kept.
    """
    services = {
        method.containing_service for method in methods() if method.full_name.startswith(SERVICES)
    }
    repeated = ServiceConfig.from_contract(*services).idempotent
    assert {
        method.full_name
        for service in services
        for method in service.methods
        if not (method.client_streaming or method.server_streaming)
        and f"/{service.full_name}/{method.name}" not in repeated
    } == {
        "zikao.registration.v1.AccountService.LogIn",
        "zikao.registration.v1.IdentityProviderService.CompleteProviderLogin",
        "zikao.registration.v1.RecoveryService.FindTicketNumber",
        "zikao.tickets.v1.VerificationService.VerifyTicket",
    }
