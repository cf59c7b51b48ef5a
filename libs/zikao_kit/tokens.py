"""Who a caller is: short-lived access tokens (JWT, EdDSA), and what their bearer may touch.

Registration issues them; every other service verifies them with the published
keys alone. Verifying costs about as much as a whole empty RPC, so verified
tokens are remembered: never beyond their own end, nor beyond their key's or their login's.

A token is good only through the system it was issued through: registration writes the name
in the caller's certificate into it (`azp`), and to whoever else comes with it it is none. So a
copied token is worth nothing without the key of that system.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import uuid4

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from zikao_kit.clock import Clock
from zikao_kit.errors import OUT_OF_SCOPE, TOKEN_EXPIRED, TOKEN_INVALID, UNAVAILABLE, DomainError
from zikao_kit.revoked_logins import RevokedLogins
from zikao_kit.verified_tokens import Verified, VerifiedTokens

ALGORITHM = "EdDSA"
ISSUER = AUDIENCE = "zikao"
# Services on machines whose clocks are a little behind accept a token at once.
NOT_BEFORE_MARGIN_SECONDS = 30
# Ours are about 500 characters; longer ones are refused before any work is done for them.
MAX_TOKEN_CHARACTERS = 2048
# About 300 bytes each. Who shows more tokens than these has many verified twice.
VERIFIED_TOKENS_KEPT = 20_000
HEADERS_KEPT = 64

SERVICE_ROLE = "service"
# Roles a token may give. A service is known by its certificate, never by a token.
TOKEN_ROLES = frozenset(
    {"candidate", "county_officer", "city_officer", "province_officer", "auditor"}
)

_TEXT_CLAIMS = ("sub", "role", "scope", "jti", "sid")
_TIME_CLAIMS = ("iat", "nbf", "exp")
# The authorized party (OpenID Connect Core 1.0, section 2); absent: anybody's.
_PARTY_CLAIM = "azp"


class Actor(NamedTuple):
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
        party: str = "",
        not_after: datetime | None = None,
    ) -> AccessToken:
        """Sign a token for `subject`; ValueError for a role that no token may give.

        It is good through the system `party` alone, the name in its certificate; without one
        through any. It ends at `not_after` at the latest, when the login it is of does.
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
        if party:
            claims[_PARTY_CLAIM] = party
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


class TokenVerifier:
    """Verifies access tokens against the keys that `keys` returns by key id.

    Remembers up to `cache_size` verified tokens, those that were shown last.
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
        self._known = VerifiedTokens(cache_size)
        # The keys that have verified what is known, by key id.
        self._verified_by: dict[str, Ed25519PublicKey] = {}

    def verify(self, token: str, caller: str = "") -> Actor:
        """Return the bearer, who comes through `caller` (the name in its certificate).

        Raises TOKEN_EXPIRED, TOKEN_INVALID for all else that is wrong with the token, and
        what the lookup of keys raises (UNAVAILABLE from TrustedKeys without any key).
        """
        if len(token) > MAX_TOKEN_CHARACTERS or not token.isascii():
            raise DomainError(TOKEN_INVALID)
        verified = self._recall(token, self.now())
        if verified is None:
            verified = self._check(token)
            self._remember(token, verified)
        if not self._is_good(verified, caller):
            raise DomainError(TOKEN_INVALID)
        return Actor(
            verified.subject,
            verified.role,
            verified.scope,
            caller,
            verified.restricted,
            verified.login_id,
        )

    def now(self) -> float:
        """The time, in epoch seconds, for many tokens that are recalled together."""
        return self._clock.now().timestamp()

    def recall(self, token: str, caller: str, at: float) -> Verified | None:
        """What a token says that `verify` has seen before and would let through now.

        Where it would not, or is to look at the token first, None; `at` is `now()`.
        """
        verified = self._recall(token, at) if token.isascii() else None
        return verified if verified is not None and self._is_good(verified, caller) else None

    def _is_good(self, verified: Verified, caller: str) -> bool:
        return verified.login_id not in self._revoked and verified.party in ("", caller)

    def _recall(self, token: str, at: float) -> Verified | None:
        verified = self._known.recall(token)
        if verified is None or not self._is_signed_by_trusted(verified.key_id):
            return None
        return verified if _is_alive(verified, at) else None

    def _is_signed_by_trusted(self, key_id: str) -> bool:
        """Whether the key of that id is still the one that has verified what is known."""
        key, verified_by = self._keys(key_id), self._verified_by[key_id]
        if key is not verified_by:
            if key != verified_by:
                return False
            self._verified_by[key_id] = verified_by = key  # an equal one: fetched again
        return True

    def _remember(self, token: str, verified: Verified) -> None:
        key = self._keys(verified.key_id)
        if key is None:
            return
        if self._verified_by.setdefault(verified.key_id, key) != key:
            self._known.clear()
            self._verified_by = {verified.key_id: key}
        self._known.remember(token, verified)

    def _check(self, token: str) -> Verified:
        try:
            key_id = _key_id_in(token.partition(".")[0])
            key = self._keys(key_id)
            if key is None:
                raise DomainError(TOKEN_INVALID)
            verified = _verified_from_claims(_decode(token, key), key_id)
        except jwt.PyJWTError as error:
            raise DomainError(TOKEN_INVALID) from error
        if not _is_alive(verified, now := self.now()):
            expired = now >= verified.expires
            raise DomainError(TOKEN_EXPIRED if expired else TOKEN_INVALID)
        return verified


def _is_alive(verified: Verified, at: float) -> bool:
    return verified.not_before <= at < verified.expires


@lru_cache(maxsize=HEADERS_KEPT)
def _key_id_in(header: str) -> str:
    # All tokens of a key begin with the same header: it is read once.
    return str(jwt.get_unverified_header(f"{header}..").get("kid", ""))


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


def _verified_from_claims(claims: dict[str, Any], key_id: str) -> Verified:
    party = claims.get(_PARTY_CLAIM, "")
    well_formed = (
        all(type(claims[name]) is str for name in _TEXT_CLAIMS)
        and all(type(claims[name]) is int for name in _TIME_CLAIMS)
        and type(claims["restricted"]) is bool
        and type(party) is str
        and claims["role"] in TOKEN_ROLES
        and claims["sub"] != ""
    )
    if not well_formed:
        raise DomainError(TOKEN_INVALID)
    return Verified(
        subject=claims["sub"],
        role=claims["role"],
        scope=claims["scope"],
        restricted=claims["restricted"],
        login_id=claims["sid"],
        party=party,
        key_id=key_id,
        not_before=claims["nbf"],
        expires=claims["exp"],
    )
