"""Who a caller is: short-lived access tokens (JWT, EdDSA), and what their bearer may touch.

Registration issues them; every other service verifies them with the published
keys alone. Verifying costs about as much as a whole empty RPC, so verified
tokens are remembered: never beyond their own end, nor beyond their key's or their login's.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import uuid4

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from zikao_kit.clock import Clock
from zikao_kit.errors import OUT_OF_SCOPE, TOKEN_EXPIRED, TOKEN_INVALID, UNAVAILABLE, DomainError
from zikao_kit.revoked_logins import RevokedLogins

ALGORITHM = "EdDSA"
ISSUER = AUDIENCE = "zikao"
# Services on machines whose clocks are a little behind accept a token at once.
NOT_BEFORE_MARGIN_SECONDS = 30
# Ours are about 500 characters; longer ones are refused before any work is done for them.
MAX_TOKEN_CHARACTERS = 2048
# About 1.1 KB each.
VERIFIED_TOKENS_KEPT = 20_000

SERVICE_ROLE = "service"
# Roles a token may give. A service is known by its certificate, never by a token.
TOKEN_ROLES = frozenset(
    {"candidate", "county_officer", "city_officer", "province_officer", "auditor"}
)

_TEXT_CLAIMS = ("sub", "role", "scope", "jti", "sid")
_TIME_CLAIMS = ("iat", "nbf", "exp")


@dataclass(frozen=True, slots=True)
class Actor:
    """Who calls.

    `subject` is the account's or candidate's UUID, for role `service` the caller's
    name. `scope` is an office's code prefix (2, 4 or 6 digits), `caller` the name in
    the peer's certificate. A `restricted` actor must first choose a password or set up a
    second factor, and may do nothing else (DOMAIN sections 3 and 7). `login_id` is the login
    that the token came from; it may be revoked.
    """

    subject: str
    role: str
    scope: str = ""
    caller: str = ""
    restricted: bool = False
    login_id: str = ""

    def covers(self, county_code: str) -> bool:
        """Say whether `county_code` (2 to 6 digits) lies in the scope.

        An empty scope covers nothing; a service covers everything its contract admits it to.
        """
        if self.role == SERVICE_ROLE:
            return True
        return self.scope != "" and county_code.startswith(self.scope)

    def require_scope(self, county_code: str) -> None:
        """Raise DomainError OUT_OF_SCOPE unless `county_code` lies in the scope.

        It does not say which county: whose data it is may be what the caller is not to learn.
        """
        if not self.covers(county_code):
            raise DomainError(OUT_OF_SCOPE)


class AccessToken(NamedTuple):
    """A signed token and when it ends (whole seconds, UTC)."""

    token: str
    expires_at: datetime


class TokenIssuer:
    """Signs access tokens with one key; registration has the only one."""

    def __init__(
        self, key_id: str, private_key: Ed25519PrivateKey, clock: Clock, lifetime: timedelta
    ) -> None:
        if not key_id or lifetime < timedelta(seconds=1):
            raise ValueError("a token issuer needs a key id and a lifetime of at least a second")
        self._headers = {"kid": key_id}
        self._private_key = private_key
        self._clock = clock
        self._lifetime = timedelta(seconds=int(lifetime.total_seconds()))

    def issue(
        self,
        subject: str,
        role: str,
        scope: str = "",
        restricted: bool = False,
        *,
        login_id: str = "",
        not_after: datetime | None = None,
    ) -> AccessToken:
        """Sign a token for `subject`; ValueError for a role that no token may give.

        It ends at `not_after` at the latest, when the login it is of does.
        """
        if role not in TOKEN_ROLES or not subject:
            raise ValueError(f"no token for role {role!r}, subject {subject!r}")
        issued_at = self._clock.now().replace(microsecond=0)
        expires_at = issued_at + self._lifetime
        if not_after is not None:
            expires_at = min(expires_at, not_after.replace(microsecond=0))
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": subject,
            "role": role,
            "scope": scope,
            "restricted": restricted,
            "iat": int(issued_at.timestamp()),
            "nbf": int(issued_at.timestamp()) - NOT_BEFORE_MARGIN_SECONDS,
            "exp": int(expires_at.timestamp()),
            "jti": uuid4().hex,
            "sid": login_id,
        }
        token = jwt.encode(claims, self._private_key, algorithm=ALGORITHM, headers=self._headers)
        return AccessToken(token, expires_at)


class TrustedKeys:
    """The signing keys accepted now, by key id; a refresher replaces them as they are published."""

    def __init__(self, keys: Mapping[str, Ed25519PublicKey] | None = None) -> None:
        self._keys = dict(keys or {})

    def get(self, key_id: str) -> Ed25519PublicKey | None:
        """Return the key, or None when it is not (or no longer) trusted.

        Raises UNAVAILABLE while no key is known at all: whoever has just started cannot say
        of any token that it is a bad one.
        """
        if not self._keys:
            raise DomainError(UNAVAILABLE)
        return self._keys.get(key_id)

    def replace(self, keys: Mapping[str, Ed25519PublicKey]) -> None:
        """Trust exactly `keys` from now on; tokens of keys left out are refused at once."""
        self._keys = dict(keys)


@dataclass(frozen=True, slots=True)
class _Verified:
    """A token that was verified, the key that did it, and its life in epoch seconds."""

    actor: Actor
    key_id: str
    key: Ed25519PublicKey
    not_before: int
    expires: int


class TokenVerifier:
    """Verifies access tokens against the keys that `keys` returns by key id.

    Remembers up to `cache_size` verified tokens, the least recently used go first.
    What is remembered is only the signature: life, key and login are checked at every call.
    """

    def __init__(
        self,
        keys: Callable[[str], Ed25519PublicKey | None],
        clock: Clock,
        revoked: RevokedLogins | None = None,
        cache_size: int = VERIFIED_TOKENS_KEPT,
    ) -> None:
        self._keys = keys
        self._clock = clock
        self._revoked = RevokedLogins(clock) if revoked is None else revoked
        self._cache_size = cache_size
        self._cache: OrderedDict[str, _Verified] = OrderedDict()

    def verify(self, token: str) -> Actor:
        """Return the bearer.

        Raises TOKEN_EXPIRED, TOKEN_INVALID for all else that is wrong with the token, and
        what the lookup of keys raises (UNAVAILABLE from TrustedKeys without any key).
        """
        verified = self._recall(token)
        if verified is None:
            verified = self._check(token)
            self._remember(token, verified)
        if verified.actor.login_id in self._revoked:
            raise DomainError(TOKEN_INVALID)
        return verified.actor

    def _recall(self, token: str) -> _Verified | None:
        verified = self._cache.get(token)
        if verified is None:
            return None
        if self._keys(verified.key_id) != verified.key or not self._is_alive(verified):
            del self._cache[token]
            return None
        self._cache.move_to_end(token)
        return verified

    def _remember(self, token: str, verified: _Verified) -> None:
        self._cache[token] = verified
        while len(self._cache) > self._cache_size:
            self._cache.popitem(last=False)

    def _is_alive(self, verified: _Verified) -> bool:
        return verified.not_before <= self._clock.now().timestamp() < verified.expires

    def _check(self, token: str) -> _Verified:
        if len(token) > MAX_TOKEN_CHARACTERS or not token.isascii():
            raise DomainError(TOKEN_INVALID)
        try:
            key_id = str(jwt.get_unverified_header(token).get("kid", ""))
            key = self._keys(key_id)
            if key is None:
                raise DomainError(TOKEN_INVALID)
            verified = _verified_from_claims(_decode(token, key), key_id, key)
        except jwt.PyJWTError as error:
            raise DomainError(TOKEN_INVALID) from error
        if not self._is_alive(verified):
            expired = self._clock.now().timestamp() >= verified.expires
            raise DomainError(TOKEN_EXPIRED if expired else TOKEN_INVALID)
        return verified


def _decode(token: str, key: Ed25519PublicKey) -> dict[str, Any]:
    # PyJWT would check the times against the machine's clock; ours may be moved.
    claims: dict[str, Any] = jwt.decode(
        token,
        key,
        algorithms=[ALGORITHM],
        issuer=ISSUER,
        audience=AUDIENCE,
        options={
            "require": ["iss", "aud", *_TEXT_CLAIMS, *_TIME_CLAIMS, "restricted"],
            "verify_exp": False,
            "verify_nbf": False,
            "verify_iat": False,
        },
    )
    return claims


def _verified_from_claims(claims: dict[str, Any], key_id: str, key: Ed25519PublicKey) -> _Verified:
    well_formed = (
        all(type(claims[name]) is str for name in _TEXT_CLAIMS)
        and all(type(claims[name]) is int for name in _TIME_CLAIMS)
        and type(claims["restricted"]) is bool
        and claims["role"] in TOKEN_ROLES
        and claims["sub"] != ""
    )
    if not well_formed:
        raise DomainError(TOKEN_INVALID)
    actor = Actor(
        subject=claims["sub"],
        role=claims["role"],
        scope=claims["scope"],
        restricted=claims["restricted"],
        login_id=claims["sid"],
    )
    return _Verified(actor, key_id, key, not_before=claims["nbf"], expires=claims["exp"])
