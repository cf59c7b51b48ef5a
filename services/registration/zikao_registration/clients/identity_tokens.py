"""ID tokens: whose signature, for whom, of which login, how sure (OpenID Connect Core, 3.1.3.7)."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import jwt
from zikao_kit.config import HOUR_SECONDS, SHORTEST_SECONDS, require_within
from zikao_kit.errors import DomainError

from zikao_registration.domain.documents import DocumentType
from zikao_registration.domain.provider_logins import ProvenIdentity

# What a provider's clock may be ahead or behind.
CLOCK_MARGIN_SECONDS = 30
# A secret that two share proves nothing about who signed.
SIGNATURES = frozenset({"ES256", "ES384", "RS256", "RS384", "RS512", "PS256", "PS384", "EdDSA"})
PROVIDER_TIMEOUT_SECONDS = 5.0
STARTS_PER_CALLER = 50_000
MAX_STARTS_PER_CALLER = 10**9
# Tokens that name a key which nobody has must not make us ask for keys each time.
KEYS_PAUSE_SECONDS = 5.0


@dataclass(frozen=True)
class IdentityProviderConfig:
    """The provider, what we are to it, and how it names what we need of a person.

    `document_types` gives our name for each of the provider's kinds of documents; without it
    they are the same.
    """

    issuer: str
    client_id: str
    client_secret_file: Path
    redirect_uri: str
    ca_file: Path | None = None
    scope: str = "openid profile"
    accepted_acr: tuple[str, ...] = ("L3",)
    algorithms: tuple[str, ...] = ("ES256", "RS256", "PS256", "EdDSA")
    name_claim: str = "name"
    assurance_claim: str = "acr"
    document_type_claim: str = "document_type"
    document_number_claim: str = "document_number"
    document_types: Mapping[str, str] = field(default_factory=dict)
    timeout_seconds: float = PROVIDER_TIMEOUT_SECONDS
    keys_pause_seconds: float = KEYS_PAUSE_SECONDS
    starts_per_caller: int = STARTS_PER_CALLER

    def __post_init__(self) -> None:
        """Refuse what anybody could forge or overhear."""
        if not (self.issuer.startswith("https://") and self.redirect_uri.startswith("https://")):
            raise ValueError("issuer and redirect_uri must begin with https://")
        if "openid" not in self.scope.split():
            raise ValueError("scope must contain openid")
        if not self.algorithms or not SIGNATURES.issuperset(self.algorithms):
            raise ValueError(f"algorithms must be some of {', '.join(sorted(SIGNATURES))}")
        if not self.accepted_acr:
            raise ValueError("accepted_acr must name a level")
        if unknown := sorted(set(self.document_types.values()).difference(DocumentType)):
            raise ValueError(f"document_types must name ours, not {', '.join(unknown)}")
        require_within(
            self,
            timeout_seconds=(SHORTEST_SECONDS, HOUR_SECONDS),
            keys_pause_seconds=(SHORTEST_SECONDS, HOUR_SECONDS),
            starts_per_caller=(1, MAX_STARTS_PER_CALLER),
        )


def key_id_of(token: str, config: IdentityProviderConfig) -> str:
    """The id of the key that has signed; raises PROVIDER_LOGIN_FAILED for no such signature."""
    try:
        header = jwt.get_unverified_header(token)
    except jwt.PyJWTError as error:
        raise login_failed() from error
    key_id = header.get("kid")
    if header.get("alg") not in config.algorithms or not isinstance(key_id, str):
        raise login_failed()
    return key_id


def read_id_token(
    token: str, key: jwt.PyJWK, config: IdentityProviderConfig, *, nonce: str, now: datetime
) -> ProvenIdentity:
    """Whom a token is about.

    Raises DomainError PROVIDER_LOGIN_FAILED for a token that is not the answer to this login,
    ASSURANCE_TOO_LOW for one who is not known well enough.
    """
    try:
        claims = jwt.decode(
            token,
            key,
            algorithms=list(config.algorithms),
            audience=config.client_id,
            issuer=config.issuer,
            # Times are judged by our clock.
            options={
                "require": ["iss", "aud", "sub", "exp", "iat"],
                "verify_exp": False,
                "verify_iat": False,
                "verify_nbf": False,
            },
        )
    except jwt.PyJWTError as error:
        raise login_failed() from error
    if not _is_of_this_login(claims, config, nonce, now.timestamp()):
        raise login_failed()
    if claims.get(config.assurance_claim) not in config.accepted_acr:
        raise DomainError("ASSURANCE_TOO_LOW", required="、".join(config.accepted_acr))
    return _identity(claims, config)


def login_failed() -> DomainError:
    """The provider's answer proves nothing; the answer does not say why."""
    return DomainError("PROVIDER_LOGIN_FAILED")


def _is_of_this_login(
    claims: Mapping[str, Any], config: IdentityProviderConfig, nonce: str, now: float
) -> bool:
    issued_at, expires_at, given = claims["iat"], claims["exp"], claims.get("nonce")
    if not (isinstance(issued_at, int | float) and isinstance(expires_at, int | float)):
        return False
    in_time = issued_at <= now + CLOCK_MARGIN_SECONDS and now < expires_at + CLOCK_MARGIN_SECONDS
    # Of a token for several, the one it was issued to must be us.
    party = claims.get("azp", config.client_id if isinstance(claims["aud"], str) else None)
    same = isinstance(given, str) and hmac.compare_digest(given.encode(), nonce.encode())
    return in_time and same and party == config.client_id


def _identity(claims: Mapping[str, Any], config: IdentityProviderConfig) -> ProvenIdentity:
    names = config.name_claim, config.document_type_claim, config.document_number_claim
    name, kind, number = (claims.get(each) for each in names)
    if not (isinstance(name, str) and isinstance(kind, str) and isinstance(number, str)):
        raise login_failed()
    return ProvenIdentity(name, config.document_types.get(kind, kind), number)
