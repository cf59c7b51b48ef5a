"""The identity provider over HTTPS: its description, its keys, codes for ID tokens."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import math
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote_plus, urlencode

import aiohttp
import jwt
import structlog
from zikao_kit.admission import overloaded
from zikao_kit.config import read_secret, tls_context
from zikao_kit.errors import UNAVAILABLE, DomainError

from zikao_registration.clients.identity_tokens import (
    IdentityProviderConfig,
    key_id_of,
    login_failed,
    read_id_token,
)
from zikao_registration.domain.provider_logins import BegunLogin, ProvenIdentity

MAX_AT_ONCE = 64
MAX_ANSWER_BYTES = 256 * 1024
DESCRIPTION_SECONDS = 3600.0
RETRY_AFTER = timedelta(seconds=5)
REFUSED = 400
_ENDPOINTS = ("authorization_endpoint", "token_endpoint", "jwks_uri")

log = structlog.get_logger()


class IdentityClient:
    """Asks the provider; from `open_identity_client`. Nothing waits without a place."""

    def __init__(
        self, config: IdentityProviderConfig, secret: str, session: aiohttp.ClientSession
    ) -> None:
        self.config = config
        # RFC 6749, 2.3.1: both are form-encoded first.
        pair = f"{quote_plus(config.client_id)}:{quote_plus(secret)}"
        self._basic = {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}
        self._session = session
        self._places = MAX_AT_ONCE
        self._asking = asyncio.Lock()
        self._described: Mapping[str, str] = {}
        self._described_at = -math.inf
        self._keys: Mapping[str, jwt.PyJWK] = {}
        self._keys_at = -math.inf

    async def find(self) -> None:
        """Make sure that the provider is known. Raises DomainError UNAVAILABLE, OVERLOADED."""
        with self._place():
            await self._description()

    def authorization_url(self, login: BegunLogin) -> str:
        """Where to send the browser; the provider has been found."""
        digest = hashlib.sha256(login.verifier.encode()).digest()
        asked = {
            "response_type": "code",
            "client_id": self.config.client_id,
            "redirect_uri": self.config.redirect_uri,
            "scope": self.config.scope,
            "state": login.state,
            "nonce": login.nonce,
            "code_challenge": base64.urlsafe_b64encode(digest).decode().rstrip("="),
            "code_challenge_method": "S256",
            "acr_values": " ".join(self.config.accepted_acr),
        }
        endpoint = self._described["authorization_endpoint"]
        return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(asked)}"

    async def identify(self, login: BegunLogin, code: str, now: datetime) -> ProvenIdentity:
        """Whom the provider has recognised.

        Raises DomainError PROVIDER_LOGIN_FAILED, ASSURANCE_TOO_LOW, UNAVAILABLE, OVERLOADED.
        """
        with self._place():
            token = await self._id_token(code, login.verifier)
            key = await self._key(key_id_of(token, self.config))
        return read_id_token(token, key, self.config, nonce=login.nonce, now=now)

    async def _id_token(self, code: str, verifier: str) -> str:
        described = await self._description()
        asked = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.config.redirect_uri,
            "code_verifier": verifier,
        }
        endpoint = described["token_endpoint"]
        answer = await self._ask("POST", endpoint, data=asked, headers=self._basic)
        token = answer.get("id_token")
        if not isinstance(token, str):
            raise login_failed()
        return token

    async def _key(self, key_id: str) -> jwt.PyJWK:
        """A key that is published: known, or found by asking again, which is done rarely."""
        if key_id not in self._keys:
            async with self._asking:
                now = time.monotonic()
                pause = self.config.keys_pause_seconds
                if key_id not in self._keys and now - self._keys_at >= pause:
                    self._keys = await self._fetch_keys()
                    self._keys_at = time.monotonic()
        if key_id not in self._keys:
            raise login_failed()
        return self._keys[key_id]

    async def _fetch_keys(self) -> Mapping[str, jwt.PyJWK]:
        answer = await self._ask("GET", self._described["jwks_uri"])
        try:
            keys = jwt.PyJWKSet.from_dict(answer).keys
        except (jwt.PyJWTError, AttributeError, TypeError) as error:
            raise _away("keys that are none") from error
        return {key.key_id: key for key in keys if key.key_id}

    async def _description(self) -> Mapping[str, str]:
        if time.monotonic() - self._described_at < DESCRIPTION_SECONDS:
            return self._described
        async with self._asking:
            if time.monotonic() - self._described_at >= DESCRIPTION_SECONDS:
                issuer = self.config.issuer.rstrip("/")
                answer = await self._ask("GET", f"{issuer}/.well-known/openid-configuration")
                self._described = self._checked(answer)
                self._described_at = time.monotonic()
        return self._described

    def _checked(self, answer: Mapping[str, Any]) -> Mapping[str, str]:
        found = {name: answer.get(name) for name in _ENDPOINTS}
        secure = all(isinstance(url, str) and url.startswith("https://") for url in found.values())
        if answer.get("issuer") != self.config.issuer or not secure:
            raise _away("a description of somebody else")
        return {name: str(url) for name, url in found.items()}

    async def _ask(self, method: str, url: str, **options: Any) -> dict[str, Any]:
        """The JSON that an endpoint answers; PROVIDER_LOGIN_FAILED for 400, UNAVAILABLE else."""
        try:
            async with self._session.request(
                method, url, allow_redirects=False, **options
            ) as answer:
                body = bytearray()
                async for chunk in answer.content.iter_chunked(MAX_ANSWER_BYTES):
                    body += chunk
                    if len(body) > MAX_ANSWER_BYTES:
                        raise _away("an endless answer")
                if answer.status == REFUSED:
                    raise login_failed()
                if not answer.ok:
                    raise _away(f"status {answer.status}")
            content = json.loads(body)
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise _away(type(error).__name__) from None
        if not isinstance(content, dict):
            raise _away("no JSON object")
        return content

    @contextmanager
    def _place(self) -> Iterator[None]:
        if self._places <= 0:
            raise overloaded()
        self._places -= 1
        try:
            yield
        finally:
            self._places += 1


def _away(cause: str) -> DomainError:
    """The cause is for the operator; it holds nothing of the person's."""
    log.warning("identity provider is away", cause=cause)
    return DomainError(UNAVAILABLE, retry_after=RETRY_AFTER)


@asynccontextmanager
async def open_identity_client(
    config: IdentityProviderConfig | None,
) -> AsyncIterator[IdentityClient | None]:
    """The client, with its connections; None where there is no provider.

    Raises ConfigError when a file cannot be used.
    """
    if config is None:
        yield None
        return
    connector = aiohttp.TCPConnector(ssl=tls_context(config.ca_file))
    secret = read_secret(config.client_secret_file)
    timeout = aiohttp.ClientTimeout(total=config.timeout_seconds)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
        yield IdentityClient(config, secret, session)
