"""The typed client, and the command line, through a gateway that knows names and opens nothing."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from support.commands import run_command
from support.name_gateway import NameGateway, name_gateway
from support.registration_server import RegistrationServer, registration_server
from support.service_databases import MakeDatabase
from zikao.registration.v1 import account_service_pb2 as accounts
from zikao_client import Endpoints, ZikaoClient
from zikao_kit.error_table import reason_of
from zikao_kit.tls import DevelopmentCa

OUTSIDE = "registration.zikao.example.gov.cn"
REFUSED = "LOGIN_FAILED"
NOWHERE = "127.0.0.1:1"
LOGIN = accounts.LogInRequest(login_name="nobody", password="no password at all")


@pytest.fixture
async def server(make_database: MakeDatabase, tmp_path: Path) -> AsyncIterator[RegistrationServer]:
    """A service whose certificate has its name from outside, too."""
    DevelopmentCa(tmp_path / "certs").issue("registration", OUTSIDE)
    async with registration_server(await make_database("registration"), tmp_path) as running:
        yield running


@pytest.fixture
async def gateway(server: RegistrationServer) -> AsyncIterator[NameGateway]:
    """In front of it; it knows the name from outside alone."""
    async with name_gateway({OUTSIDE: server.port}) as running:
        yield running


async def reason_told(address: str, server: RegistrationServer) -> str | None:
    """Why the service refuses somebody it does not know; None where it was not reached."""
    endpoints = Endpoints(address, NOWHERE, NOWHERE)
    async with ZikaoClient(endpoints, server.ca.issue("portal")) as zikao:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await zikao.accounts.LogIn(LOGIN, timeout=5)
    return reason_of(refused.value)


async def test_a_gateway_finds_the_service_by_the_host_that_a_client_calls(
    server: RegistrationServer, gateway: NameGateway
) -> None:
    """The client asks for the host's own name, with which the gateway knows where to send it."""
    assert await reason_told(gateway.target(OUTSIDE), server) == REFUSED
    assert set(gateway.asked) == {OUTSIDE}


async def test_an_address_without_a_name_is_asked_for_the_service(
    server: RegistrationServer, gateway: NameGateway
) -> None:
    """Which a gateway does not know: it needs to be told another name."""
    assert await reason_told(f"127.0.0.1:{gateway.port}", server) is None
    assert set(gateway.asked) == {"registration"}


async def test_a_client_says_by_which_name_it_comes_through_a_tunnel(
    server: RegistrationServer, gateway: NameGateway
) -> None:
    """The name before the address is the one that is asked for."""
    assert await reason_told(f"{OUTSIDE}@127.0.0.1:{gateway.port}", server) == REFUSED
    assert set(gateway.asked) == {OUTSIDE}


async def test_who_answers_has_the_name_that_was_asked_for(
    server: RegistrationServer, gateway: NameGateway
) -> None:
    """A gateway that sends a call astray does not make the client speak to somebody else."""
    astray = "tickets.zikao.example.gov.cn"
    gateway.backends = {astray: server.port}
    assert await reason_told(gateway.target(astray), server) is None
    assert set(gateway.asked) == {astray}


@pytest.mark.parametrize("named", [True, False])
async def test_commands_come_through_a_gateway(
    server: RegistrationServer, gateway: NameGateway, tmp_path: Path, named: bool
) -> None:
    """By the host's name, and through a tunnel by the name that is given before it."""
    server.ca.issue("operator")
    tunnel = f"{OUTSIDE}@127.0.0.1:{gateway.port}"
    address = gateway.target(OUTSIDE) if named else tunnel
    read, write = os.pipe()
    os.write(write, b"no password at all\n\n")
    os.close(write)
    ended = await run_command(
        [
            *("login", "--name", "nobody", "--password-fd", str(read), "--code-fd", str(read)),
            *("--token-file", str(tmp_path / "token")),
            *("--registration", address, "--certs", str(tmp_path / "certs")),
        ]
    )
    os.close(read)
    assert REFUSED in ended.output, ended
    assert set(gateway.asked) == {OUTSIDE}
