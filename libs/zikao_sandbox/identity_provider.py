"""A government's identity provider: OpenID Connect with the code flow and PKCE.

/.well-known/openid-configuration, /jwks, /token
/authorize?…             a page with its people; with &persona=NAME it sends that one back
PUT  /v1/fault           {"fault": NAME}: its ID tokens are wrong in this way from now on
POST /v1/rotate-key      signs with another key; the last one stays published
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import html
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any
from urllib.parse import quote_plus, urlencode

import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm
from zikao_kit.clock import Clock

CODE_SECONDS = 60
TOKEN_SECONDS = 300
KEYS_PUBLISHED = 2
SLOW_SECONDS = 30.0


class Fault(StrEnum):
    """What may be wrong with it."""

    NONE = ""
    WRONG_NONCE = "wrong_nonce"
    WRONG_AUDIENCE = "wrong_audience"
    WRONG_ISSUER = "wrong_issuer"
    LOW_ASSURANCE = "low_assurance"
    EXPIRED = "expired"
    FROM_THE_FUTURE = "from_the_future"
    UNSIGNED = "unsigned"
    SYMMETRIC = "symmetric"
    UNKNOWN_KEY = "unknown_key"
    FORGED = "forged"
    SLOW = "slow"
    AWAY = "away"


@dataclass(frozen=True)
class Persona:
    """A person who is known to the government, as in the claims of an ID token."""

    name: str
    document_number: str
    document_type: str = "resident_id"
    acr: str = "L3"


@dataclass(frozen=True)
class Client:
    """Who may ask: its id and secret, and where people are sent back to."""

    client_id: str
    secret: str
    redirect_uri: str


@dataclass(frozen=True)
class _Grant:
    """What a code stands for."""

    persona: Persona
    nonce: str
    challenge: str
    expires_at: float


class IdentityProvider:
    """An issuer with one client."""

    def __init__(
        self, issuer: str, client: Client, clock: Clock, personas: Mapping[str, Persona]
    ) -> None:
        """`issuer` is its address, https://…; `personas` by the name one chooses them with."""
        self.issuer = issuer
        self.client = client
        self.personas = dict(personas)
        self.fault = Fault.NONE
        self.keys_asked = 0
        """How often the keys were asked for."""
        self._clock = clock
        self._grants: dict[str, _Grant] = {}
        self._keys: dict[str, ec.EllipticCurvePrivateKey] = {}
        self.rotate_key()

    def rotate_key(self) -> None:
        """Sign with a new key from now on."""
        self._keys[secrets.token_hex(4)] = ec.generate_private_key(ec.SECP256R1())
        for old in list(self._keys)[:-KEYS_PUBLISHED]:
            del self._keys[old]

    def app(self) -> web.Application:
        """What it answers."""
        app = web.Application()
        app.add_routes(
            [
                web.get("/.well-known/openid-configuration", self._describe),
                web.get("/jwks", self._show_keys),
                web.get("/authorize", self._authorize),
                web.post("/token", self._exchange),
                web.put("/v1/fault", self._set_fault),
                web.post("/v1/rotate-key", self._rotate),
            ]
        )
        return app

    async def _describe(self, _: web.Request) -> web.Response:
        described = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/jwks",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256"],
            "code_challenge_methods_supported": ["S256"],
            "acr_values_supported": ["L1", "L2", "L3"],
        }
        return web.json_response(described)

    async def _show_keys(self, _: web.Request) -> web.Response:
        self.keys_asked += 1
        keys = [
            ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
            | {"kid": key_id, "use": "sig", "alg": "ES256"}
            for key_id, key in self._keys.items()
        ]
        return web.json_response({"keys": keys})

    async def _authorize(self, request: web.Request) -> web.Response:
        asked = request.query
        wanted = {
            "client_id": self.client.client_id,
            "redirect_uri": self.client.redirect_uri,
            "response_type": "code",
            "code_challenge_method": "S256",
        }
        if any(asked.get(name) != value for name, value in wanted.items()):
            raise web.HTTPBadRequest
        if asked.get("persona") not in self.personas:
            return self._page(request)
        code = secrets.token_urlsafe(24)
        expires_at = self._clock.now().timestamp() + CODE_SECONDS
        persona = self.personas[asked["persona"]]
        grant = _Grant(persona, asked["nonce"], asked["code_challenge"], expires_at)
        self._grants[code] = grant
        back = urlencode({"code": code, "state": asked["state"]})
        raise web.HTTPFound(f"{self.client.redirect_uri}?{back}")

    def _page(self, request: web.Request) -> web.Response:
        links = (
            f'<li><a href="{html.escape(f"{request.rel_url}&persona={name}")}">'
            f"{html.escape(persona.name)}（{persona.acr}）</a></li>"
            for name, persona in self.personas.items()
        )
        page = f"<meta charset=utf-8><title>政务服务登录</title><ul>{''.join(links)}</ul>"
        return web.Response(text=page, content_type="text/html")

    async def _exchange(self, request: web.Request) -> web.Response:
        if self.fault is Fault.AWAY:
            raise web.HTTPServiceUnavailable
        if self.fault is Fault.SLOW:
            await asyncio.sleep(SLOW_SECONDS)
        if request.headers.get("Authorization") != self._basic():
            raise web.HTTPUnauthorized
        asked = await request.post()
        grant = self._grants.pop(str(asked.get("code")), None)
        digest = hashlib.sha256(str(asked.get("code_verifier")).encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        if (
            grant is None
            or asked.get("redirect_uri") != self.client.redirect_uri
            or challenge != grant.challenge
            or self._clock.now().timestamp() > grant.expires_at
        ):
            return web.json_response({"error": "invalid_grant"}, status=400)
        token = {"access_token": secrets.token_urlsafe(16), "token_type": "Bearer"}
        return web.json_response(token | {"id_token": self._id_token(grant)})

    def _basic(self) -> str:
        pair = f"{quote_plus(self.client.client_id)}:{quote_plus(self.client.secret)}"
        return f"Basic {base64.b64encode(pair.encode()).decode()}"

    def _id_token(self, grant: _Grant) -> str:
        now = int(self._clock.now().timestamp())
        claims: dict[str, Any] = asdict(grant.persona) | {
            "iss": self.issuer,
            "sub": hashlib.sha256(grant.persona.document_number.encode()).hexdigest(),
            "aud": self.client.client_id,
            "nonce": grant.nonce,
            "iat": now,
            "exp": now + TOKEN_SECONDS,
        }
        claims |= _WRONG_CLAIMS.get(self.fault, {})
        if self.fault is Fault.EXPIRED:
            claims |= {"iat": now - 2 * TOKEN_SECONDS, "exp": now - TOKEN_SECONDS}
        if self.fault is Fault.FROM_THE_FUTURE:
            claims["iat"] = now + TOKEN_SECONDS
        return self._signed(claims)

    def _signed(self, claims: dict[str, Any]) -> str:
        key_id, key = list(self._keys.items())[-1]
        if self.fault is Fault.UNSIGNED:
            return jwt.encode(claims, "", algorithm="none", headers={"kid": key_id})
        if self.fault is Fault.SYMMETRIC:
            secret = self.client.secret
            return jwt.encode(claims, secret, algorithm="HS256", headers={"kid": key_id})
        if self.fault is Fault.UNKNOWN_KEY:
            key_id = "of-nobody"
        if self.fault is Fault.FORGED:
            key = ec.generate_private_key(ec.SECP256R1())
        return jwt.encode(claims, key, algorithm="ES256", headers={"kid": key_id})

    async def _set_fault(self, request: web.Request) -> web.Response:
        self.fault = Fault((await request.json())["fault"])
        return web.Response(status=204)

    async def _rotate(self, _: web.Request) -> web.Response:
        self.rotate_key()
        return web.Response(status=204)


_WRONG_CLAIMS: Mapping[Fault, Mapping[str, str]] = {
    Fault.WRONG_NONCE: {"nonce": "of another login"},
    Fault.WRONG_AUDIENCE: {"aud": "another client"},
    Fault.WRONG_ISSUER: {"iss": "https://elsewhere.example"},
    Fault.LOW_ASSURANCE: {"acr": "L1"},
}
