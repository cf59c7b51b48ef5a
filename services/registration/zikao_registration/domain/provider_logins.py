"""Who a government's identity provider says somebody is (DOMAIN section 3, Recovery)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

PROVIDER_LOGIN_LIFETIME = timedelta(minutes=10)


@dataclass(frozen=True)
class BegunLogin:
    """A login that somebody went to the provider for; the texts are random."""

    state: str = field(repr=False)
    nonce: str = field(repr=False)
    verifier: str = field(repr=False)
    expires_at: datetime


@dataclass(frozen=True)
class ProvenIdentity:
    """What the provider vouches for; the kind of document as our contracts name it."""

    name: str
    document_type: str
    document_number: str
