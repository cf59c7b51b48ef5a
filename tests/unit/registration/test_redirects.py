"""What is outside may not send us elsewhere: a redirect is no answer, and is not followed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from aiohttp import web
from support.service import free_port
from zikao_kit.errors import UNAVAILABLE, DomainError
from zikao_kit.tls import DevelopmentCa
from zikao_registration.clients.identity_provider import open_identity_client
from zikao_registration.clients.identity_tokens import IdentityProviderConfig
from zikao_registration.clients.sms import SmsConfig, open_sms
from zikao_registration.domain.messages import Channel, NotSent, OutgoingMessage
from zikao_sandbox.https import serving_https

SECRET = "not for anybody else"


@dataclass
class Redirecting:
    """A server that sends everybody on to itself, and remembers who came."""

    url: str
    ca_file: Path
    secret_file: Path
    asked: list[str] = field(default_factory=list)


@asynccontextmanager
async def redirecting(folder: Path) -> AsyncIterator[Redirecting]:
    """It answers every path but /elsewhere with a redirect there."""
    files, port = DevelopmentCa(folder).issue("outside"), free_port()
    secret_file = folder / "secret"
    secret_file.write_text(SECRET, encoding="utf-8")
    server = Redirecting(f"https://localhost:{port}", files.ca_file, secret_file)

    async def answer(request: web.Request) -> web.StreamResponse:
        server.asked.append(request.path)
        if request.path == "/elsewhere":
            return web.json_response({"issuer": server.url})
        raise web.HTTPTemporaryRedirect("/elsewhere")

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    async with serving_https(app, files, f"127.0.0.1:{port}"):
        yield server


async def test_an_sms_goes_nowhere_else(tmp_path: Path) -> None:
    """A gateway that redirects gets neither message nor key at the other address."""
    message = OutgoingMessage(
        uuid4(), Channel.SMS, "13912345678", "", "123456", datetime.now(UTC) + timedelta(minutes=5)
    )
    async with redirecting(tmp_path) as server:
        config = SmsConfig(f"{server.url}/v1/messages", server.secret_file, server.ca_file)
        async with open_sms(config) as client:
            with pytest.raises(NotSent):
                await client.send(message)
    assert server.asked == ["/v1/messages"]


async def test_a_provider_is_where_it_is_said_to_be(tmp_path: Path) -> None:
    """A description is not fetched from another address."""
    async with redirecting(tmp_path) as server:
        config = IdentityProviderConfig(
            issuer=server.url,
            client_id="registration",
            client_secret_file=server.secret_file,
            redirect_uri="https://portal.example/login",
            ca_file=server.ca_file,
        )
        async with open_identity_client(config) as client:
            assert client is not None
            with pytest.raises(DomainError, match=UNAVAILABLE):
                await client.find()
    assert server.asked == ["/.well-known/openid-configuration"]
