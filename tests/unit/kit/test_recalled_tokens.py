"""Tokens that are recalled together: what is remembered is still looked at."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from support.clocks import FixedClock
from zikao_kit.revoked_logins import RevokedLogins
from zikao_kit.tokens import TokenIssuer, TokenVerifier, TrustedKeys

OPENING = datetime(2022, 2, 28, 1, 0, tzinfo=UTC)
LIFETIME = timedelta(minutes=15)
SUBJECT = "7e57ab1e-0000-4000-8000-000000000001"
KEY = Ed25519PrivateKey.generate()


@pytest.fixture
def clock() -> FixedClock:
    """A clock at the opening of enrollment."""
    return FixedClock(OPENING)


@pytest.fixture
def keys() -> TrustedKeys:
    """The published keys: one, `k1`."""
    return TrustedKeys({"k1": KEY.public_key()})


@pytest.fixture
def issuer(clock: FixedClock) -> TokenIssuer:
    """Signs with `k1`."""
    return TokenIssuer("k1", KEY, clock, LIFETIME)


def test_what_is_recalled_is_what_would_be_verified(
    clock: FixedClock, keys: TrustedKeys, issuer: TokenIssuer
) -> None:
    """Once it was verified, through its own system, while it lives, unless it was taken back."""
    revoked = RevokedLogins(clock)
    verifier = TokenVerifier(keys.get, clock, revoked)
    token = issuer.issue(SUBJECT, "candidate", party="portal").token
    assert verifier.recall(token, "portal", verifier.now()) is None
    actor = verifier.verify(token, "portal")
    said = verifier.recall(token, "portal", verifier.now())
    assert said is not None
    assert (said.subject, said.login_id) == (actor.subject, actor.login_id)
    assert verifier.recall(token, "scanner", verifier.now()) is None
    assert verifier.recall("中" + token, "portal", verifier.now()) is None
    clock.set(OPENING - timedelta(minutes=5))
    assert verifier.recall(token, "portal", verifier.now()) is None
    clock.set(OPENING + LIFETIME)
    assert verifier.recall(token, "portal", verifier.now()) is None
    clock.set(OPENING)
    assert verifier.recall(token, "portal", verifier.now()) == said
    revoked.add({actor.login_id: OPENING + LIFETIME})
    assert verifier.recall(token, "portal", verifier.now()) is None


def test_a_replaced_key_ends_what_is_recalled(
    clock: FixedClock, keys: TrustedKeys, issuer: TokenIssuer
) -> None:
    """Another key under the same id has not signed it, nor has one that is gone."""
    verifier = TokenVerifier(keys.get, clock)
    token = issuer.issue(SUBJECT, "candidate").token
    verifier.verify(token)
    keys.replace({"k1": Ed25519PrivateKey.generate().public_key()})
    assert verifier.recall(token, "", verifier.now()) is None
