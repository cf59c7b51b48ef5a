"""The sandbox's mail server, SMS gateway and identity provider, as somebody who tries them."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import aiohttp
import pytest
from support.registration_outside import REDIRECT_URI, SECRET, Outside, outside
from zikao_sandbox.identity_provider import Fault, Persona

BEARER = {"Authorization": f"Bearer {SECRET}"}


@pytest.fixture
async def peers(tmp_path: Path) -> AsyncIterator[Outside]:
    """All of them."""
    async with outside(tmp_path) as running:
        running.provider.personas["ayi"] = Persona("阿依古丽", "513101198201130014")
        yield running


@pytest.fixture
async def http(peers: Outside) -> AsyncIterator[aiohttp.ClientSession]:
    """A client that knows their authority."""
    tls = ssl.create_default_context(cafile=peers.settings["sms"].ca_file)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=tls)) as session:
        yield session


def sms(message_id: str = "m1") -> dict[str, Any]:
    """A message."""
    return {"message_id": message_id, "mobile": "13812345678", "text": "内容"}


async def test_gateway_takes_messages_of_its_client(
    peers: Outside, http: aiohttp.ClientSession
) -> None:
    """Without the key nothing is taken; a message that comes twice arrives once."""
    url = peers.settings["sms"].url
    async with http.post(url, json=sms()) as answer:
        assert answer.status == 401
    for _ in range(2):
        async with http.post(url, json=sms(), headers=BEARER) as answer:
            assert await answer.json() == {"message_id": "m1"}
    async with http.get(url, params={"mobile": "13812345678"}) as answer:
        assert await answer.json() == {"messages": [sms()]}
    async with http.get(url, params={"mobile": "13900000000"}) as answer:
        assert await answer.json() == {"messages": []}


async def test_gateway_behaves_as_it_is_told(peers: Outside, http: aiohttp.ClientSession) -> None:
    """It refuses, or delivers twice, from the moment it is told to."""
    url = peers.settings["sms"].url
    told = url.replace("messages", "behaviour")
    async with http.put(told, json={"status": 429}):
        pass
    async with http.post(url, json=sms(), headers=BEARER) as answer:
        assert answer.status == 429
    async with http.put(told, json={"copies": 2}):
        pass
    async with http.post(url, json=sms(), headers=BEARER) as answer:
        assert answer.status == 200
    assert [each.message_id for each in peers.sms.arrived] == ["m1", "m1"]


async def test_provider_shows_its_people(peers: Outside, http: aiohttp.ClientSession) -> None:
    """Its page offers the people there are; a client it does not know gets none."""
    asked = {
        "client_id": "registration",
        "redirect_uri": REDIRECT_URI,
        "response_type": "code",
        "code_challenge_method": "S256",
    }
    page = f"{peers.provider.issuer}/authorize"
    async with http.get(f"{page}?{urlencode(asked)}") as answer:
        assert "阿依古丽" in await answer.text()
    async with http.get(f"{page}?{urlencode(asked | {'redirect_uri': 'https://x'})}") as answer:
        assert answer.status == 400


async def test_provider_changes_keys_and_manners(
    peers: Outside, http: aiohttp.ClientSession
) -> None:
    """After a change of keys both are published; a fault it is told of it has."""
    issuer = peers.provider.issuer
    async with http.post(f"{issuer}/v1/rotate-key"):
        pass
    async with http.get(f"{issuer}/jwks") as answer:
        assert len((await answer.json())["keys"]) == 2
    async with http.put(f"{issuer}/v1/fault", json={"fault": "expired"}):
        pass
    assert peers.provider.fault is Fault.EXPIRED


async def test_provider_gives_no_token_without_its_client(
    peers: Outside, http: aiohttp.ClientSession
) -> None:
    """A code is exchanged for the client alone."""
    form = {"grant_type": "authorization_code", "code": "of-nobody"}
    async with http.post(f"{peers.provider.issuer}/token", data=form) as answer:
        assert answer.status == 401
