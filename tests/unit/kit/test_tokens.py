"""Access tokens: what is signed, what is refused, and what is remembered."""

import base64
import json
import tracemalloc
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st
from support.clocks import FixedClock
from zikao_kit.errors import DomainError
from zikao_kit.tokens import (
    MAX_TOKEN_CHARACTERS,
    NOT_BEFORE_MARGIN_SECONDS,
    Actor,
    TokenIssuer,
    TokenVerifier,
    TrustedKeys,
)
from zikao_kit.verified_tokens import Verified, VerifiedTokens

OPENING = datetime(2022, 2, 28, 1, 0, 0, 600_000, tzinfo=UTC)
LIFETIME = timedelta(minutes=15)
SUBJECT = "7e57ab1e-0000-4000-8000-000000000001"
KEY = Ed25519PrivateKey.generate()


def public_copy(key: Ed25519PrivateKey) -> Ed25519PublicKey:
    """The public key as another process builds it: equal, not the same object."""
    return Ed25519PublicKey.from_public_bytes(key.public_key().public_bytes_raw())


@pytest.fixture
def clock() -> FixedClock:
    """A clock at the opening of enrollment."""
    return FixedClock(OPENING)


@pytest.fixture
def keys() -> TrustedKeys:
    """The published keys: one, `k1`."""
    return TrustedKeys({"k1": public_copy(KEY)})


@pytest.fixture
def issuer(clock: FixedClock) -> TokenIssuer:
    """Signs with `k1`."""
    return TokenIssuer("k1", KEY, clock, LIFETIME)


@pytest.fixture
def verifier(keys: TrustedKeys, clock: FixedClock) -> TokenVerifier:
    """Verifies with the published keys and the same clock."""
    return TokenVerifier(keys.get, clock, cache_size=4)


@pytest.fixture
def decodings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every token whose signature is checked, in order; the checking is the real one."""
    seen: list[str] = []
    decode = jwt.decode

    def recording(token: str, *args: Any, **options: Any) -> Any:
        seen.append(token)
        return decode(token, *args, **options)

    monkeypatch.setattr(jwt, "decode", recording)
    return seen


def reason(verifier: TokenVerifier, token: str) -> str:
    """Why `token` is refused."""
    with pytest.raises(DomainError) as caught:
        verifier.verify(token)
    return caught.value.reason


def forge(
    changes: dict[str, Any] | None = None,
    key: Any = KEY,
    algorithm: str = "EdDSA",
    headers: dict[str, Any] | None = None,
) -> str:
    """A token with the right claims but for `changes` (None removes), signed as stated."""
    now = int(OPENING.timestamp())
    claims: dict[str, Any] = {
        "iss": "zikao",
        "aud": "zikao",
        "sub": SUBJECT,
        "role": "candidate",
        "scope": "",
        "restricted": False,
        "iat": now,
        "nbf": now,
        "exp": now + 900,
        "jti": "1",
        "sid": "",
    } | (changes or {})
    present = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(
        present, key, algorithm=algorithm, headers={"kid": "k1"} if headers is None else headers
    )


def encoded(part: Any) -> str:
    """One part of a token, base64url without padding."""
    content = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def test_what_was_issued_is_what_is_verified(issuer: TokenIssuer, verifier: TokenVerifier) -> None:
    """Subject, role, scope and the initial-password mark arrive unchanged."""
    token, expires_at = issuer.issue(SUBJECT, "county_officer", "510104", restricted=True)
    expected = Actor(SUBJECT, "county_officer", "510104", restricted=True)
    assert verifier.verify(token) == verifier.verify(token) == expected
    assert expires_at == OPENING.replace(microsecond=0) + LIFETIME


def test_a_forged_token_with_the_right_claims_is_accepted(verifier: TokenVerifier) -> None:
    """The control of the refusals below: unchanged, the same claims are accepted."""
    assert verifier.verify(forge()) == Actor(SUBJECT, "candidate")


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "elsewhere"},
        {"aud": "elsewhere"},
        {"role": "service"},
        {"role": "anonymous"},
        {"sub": ""},
        {"sub": 7},
        {"scope": 51},
        {"restricted": "no"},
        {"exp": "9999999999"},
        {"exp": 9999999999.5},
        {"iat": True},
        {"nbf": int(OPENING.timestamp()) + 60},
        {"azp": 7},
        {"azp": "another-portal"},
        *({name: None} for name in ("iss", "aud", "sub", "role", "scope", "restricted")),
        *({name: None} for name in ("iat", "nbf", "exp", "jti", "sid")),
    ],
    ids=str,
)
def test_wrong_or_missing_claims_are_refused(
    verifier: TokenVerifier, changes: dict[str, Any]
) -> None:
    """A well-signed token whose claims are not exactly ours is TOKEN_INVALID."""
    assert reason(verifier, forge(changes)) == "TOKEN_INVALID"


def test_only_our_key_and_algorithm_sign(verifier: TokenVerifier) -> None:
    """Another key under our id, HMAC with the public key as secret, and `none` are refused."""
    public_bytes = KEY.public_key().public_bytes_raw()
    unsigned = f"{encoded({'alg': 'none', 'kid': 'k1'})}.{forge().split('.')[1]}."
    for token in (
        forge(key=Ed25519PrivateKey.generate()),
        forge(key=public_bytes, algorithm="HS256"),
        unsigned,
    ):
        assert reason(verifier, token) == "TOKEN_INVALID"


@pytest.mark.parametrize("headers", [{}, {"kid": "k2"}, {"kid": ""}], ids=str)
def test_the_key_id_is_mandatory_and_known(
    verifier: TokenVerifier, headers: dict[str, Any]
) -> None:
    """A token that names no key, or one not published, is refused."""
    assert reason(verifier, forge(headers=headers)) == "TOKEN_INVALID"


def test_changed_bytes_are_refused(issuer: TokenIssuer, verifier: TokenVerifier) -> None:
    """Claims of one token under the signature of another are refused, in either order."""
    county = issuer.issue(SUBJECT, "county_officer", "510104").token.split(".")
    province = issuer.issue(SUBJECT, "province_officer", "51").token.split(".")
    mixed = ".".join([county[0], province[1], county[2]])
    assert reason(verifier, mixed) == "TOKEN_INVALID"


@given(st.text(max_size=60) | st.text("abcdefghijklmnopqrstuvwxyz0123456789-_.=", max_size=60))
def test_any_text_is_refused_with_a_reason(text: str) -> None:
    """Whatever arrives instead of a token is TOKEN_INVALID, never another exception."""
    verifier = TokenVerifier(TrustedKeys().get, FixedClock(OPENING))
    assert reason(verifier, text) == "TOKEN_INVALID"


@pytest.mark.parametrize(
    "header",
    [b"[" * 1100, b'{"a":' * 220, b"[]", b'"k1"', b'{"kid":["k1"],"alg":"EdDSA"}', b"\xff"],
    ids=lambda header: header[:12],
)
def test_hostile_headers_are_refused(verifier: TokenVerifier, header: bytes) -> None:
    """A header that is no object, nested deeply, or of wrong types is TOKEN_INVALID."""
    token = ".".join([encoded(header), *forge().split(".")[1:]])
    assert len(token) <= MAX_TOKEN_CHARACTERS
    assert reason(verifier, token) == "TOKEN_INVALID"


def test_oversized_tokens_cost_nothing(verifier: TokenVerifier, decodings: list[str]) -> None:
    """A token above the limit is refused before its signature is looked at."""
    token = forge({"padding": "x" * MAX_TOKEN_CHARACTERS})
    assert reason(verifier, token) == "TOKEN_INVALID"
    assert decodings == []


def test_a_token_ends_on_time_remembered_or_not(
    issuer: TokenIssuer, verifier: TokenVerifier, clock: FixedClock, decodings: list[str]
) -> None:
    """In its last second a token is good, at its end it is TOKEN_EXPIRED: cached or fresh."""
    token, expires_at = issuer.issue(SUBJECT, "candidate")
    verifier.verify(token)
    clock.set(expires_at - timedelta(milliseconds=1))
    verifier.verify(token)
    assert len(decodings) == 1
    clock.set(expires_at)
    assert [reason(verifier, token), reason(verifier, token)] == ["TOKEN_EXPIRED"] * 2


def test_a_clock_a_little_behind_accepts_a_new_token(
    issuer: TokenIssuer, verifier: TokenVerifier, clock: FixedClock
) -> None:
    """A verifier up to 30 s behind the issuer accepts; further behind it does not, even cached."""
    token = issuer.issue(SUBJECT, "candidate").token
    clock.advance(-timedelta(seconds=NOT_BEFORE_MARGIN_SECONDS))
    verifier.verify(token)
    clock.advance(-timedelta(seconds=1))
    assert reason(verifier, token) == "TOKEN_INVALID"


def test_verified_tokens_are_remembered_up_to_the_bound(
    issuer: TokenIssuer, verifier: TokenVerifier, decodings: list[str]
) -> None:
    """Of four that fit the two shown last are kept for sure; who was not shown goes first."""
    first, second, third, fourth, fifth = (
        issuer.issue(SUBJECT, "candidate").token for _ in range(5)
    )
    for token in (first, second, third, first, fourth, fifth):
        verifier.verify(token)
    assert decodings == [first, second, third, fourth, fifth]
    for token in (fourth, fifth, second):
        verifier.verify(token)
    assert decodings[5:] == [second]


def test_a_token_is_good_through_its_own_system_alone(
    issuer: TokenIssuer, verifier: TokenVerifier, decodings: list[str]
) -> None:
    """Fresh or remembered: whoever copies a token can do nothing with it."""
    token = issuer.issue(SUBJECT, "candidate", party="portal").token
    for caller in ("scanner", "", "portal", "scanner"):
        if caller == "portal":
            assert verifier.verify(token, caller) == Actor(SUBJECT, "candidate", caller=caller)
        else:
            with pytest.raises(DomainError, match="TOKEN_INVALID"):
                verifier.verify(token, caller)
    assert decodings == [token]
    anybodys = issuer.issue(SUBJECT, "candidate").token
    assert verifier.verify(anybodys, "scanner").caller == "scanner"


def test_a_claim_that_would_be_mistaken_is_not_remembered(
    verifier: TokenVerifier, decodings: list[str]
) -> None:
    """A subject with what separates claims in memory is read from the token each time."""
    token = forge({"sub": "a\x1fcandidate\x1f51"})
    first, second = verifier.verify(token), verifier.verify(token)
    assert first.subject == second.subject == "a\x1fcandidate\x1f51"
    assert decodings == [token] * 2


def test_a_province_of_tokens_is_remembered_in_little_memory() -> None:
    """300,000 candidates have room in some 100 MB."""
    known, count = VerifiedTokens(600_000), 20_000
    verified = Verified(SUBJECT, "candidate", "", False, SUBJECT, "portal", "k1", 1, 2)
    tracemalloc.start()
    try:
        for number in range(count):
            known.remember(f"token {number}", verified)
        used = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert len(known) == count
    assert known.recall("token 7") == verified
    assert used / count < 340


def test_without_any_key_nobody_is_judged(
    keys: TrustedKeys, verifier: TokenVerifier, issuer: TokenIssuer
) -> None:
    """Who has just started and knows no key says "not now" rather than "a bad token"."""
    token = issuer.issue(SUBJECT, "candidate").token
    keys.replace({})
    assert reason(verifier, token) == "UNAVAILABLE"


def test_refused_tokens_are_not_remembered(
    keys: TrustedKeys, verifier: TokenVerifier, issuer: TokenIssuer
) -> None:
    """A token refused because its key was not yet fetched is accepted once it is."""
    token = issuer.issue(SUBJECT, "candidate").token
    keys.replace({"k0": public_copy(Ed25519PrivateKey.generate())})
    assert reason(verifier, token) == "TOKEN_INVALID"
    keys.replace({"k1": public_copy(KEY)})
    verifier.verify(token)


def test_replaced_keys_end_remembered_tokens(
    keys: TrustedKeys, issuer: TokenIssuer, verifier: TokenVerifier
) -> None:
    """A key withdrawn, or another under the same id, refuses tokens verified before."""
    token = issuer.issue(SUBJECT, "candidate").token
    for key_id in ("k0", "k1"):
        keys.replace({"k1": public_copy(KEY)})
        verifier.verify(token)
        keys.replace({key_id: public_copy(Ed25519PrivateKey.generate())})
        assert reason(verifier, token) == "TOKEN_INVALID"


def test_a_refresh_with_the_same_keys_keeps_what_is_remembered(
    keys: TrustedKeys, issuer: TokenIssuer, verifier: TokenVerifier, decodings: list[str]
) -> None:
    """Fetching the same key again (an equal, new object) costs no second verification."""
    token = issuer.issue(SUBJECT, "candidate").token
    verifier.verify(token)
    keys.replace({"k1": public_copy(KEY), "k2": public_copy(Ed25519PrivateKey.generate())})
    verifier.verify(token)
    assert decodings == [token]


def test_two_keys_are_trusted_while_they_change(
    keys: TrustedKeys, verifier: TokenVerifier, clock: FixedClock
) -> None:
    """During a rotation tokens of the old and of the new key are accepted."""
    new_key = Ed25519PrivateKey.generate()
    keys.replace({"k1": public_copy(KEY), "k2": public_copy(new_key)})
    for key_id, key in (("k1", KEY), ("k2", new_key)):
        token = TokenIssuer(key_id, key, clock, LIFETIME).issue(SUBJECT, "auditor", "51").token
        assert verifier.verify(token).role == "auditor"


def test_tokens_of_one_moment_differ(issuer: TokenIssuer) -> None:
    """Two logins in the same second give two tokens, each with its own id."""
    assert issuer.issue(SUBJECT, "candidate").token != issuer.issue(SUBJECT, "candidate").token


@pytest.mark.parametrize(
    ("subject", "role"), [(SUBJECT, "service"), (SUBJECT, "x"), ("", "auditor")]
)
def test_no_token_makes_a_service(issuer: TokenIssuer, subject: str, role: str) -> None:
    """Only the roles of people are issued, and never to nobody."""
    with pytest.raises(ValueError, match="no token for"):
        issuer.issue(subject, role)


def test_an_issuer_needs_a_key_id_and_a_lifetime(clock: FixedClock) -> None:
    """An issuer without key id, or of tokens that end at once, is a mistake of the wiring."""
    for key_id, lifetime in (("", LIFETIME), ("k1", timedelta(milliseconds=999))):
        with pytest.raises(ValueError, match="needs a key id"):
            TokenIssuer(key_id, KEY, clock, lifetime)


@pytest.mark.parametrize(
    ("role", "scope", "covered", "outside"),
    [
        ("county_officer", "510104", ["510104"], ["510105", "5101", "51", ""]),
        ("city_officer", "5101", ["510104", "5101"], ["510203", "51", ""]),
        ("province_officer", "51", ["510104", "51"], ["500101", ""]),
        ("county_officer", "", [], ["510104", ""]),
        ("candidate", "", [], ["510104"]),
        ("service", "", ["510104", "500101"], []),
    ],
)
def test_scope_is_a_prefix(role: str, scope: str, covered: list[str], outside: list[str]) -> None:
    """An office covers codes that begin with its own; no scope covers nothing; services all."""
    actor = Actor(SUBJECT, role, scope)
    assert [code for code in covered + outside if actor.covers(code)] == covered
    for code in outside:
        with pytest.raises(DomainError, match="OUT_OF_SCOPE") as refused:
            actor.require_scope(code)
        assert refused.value.metadata == {}


def test_a_token_says_nothing_personal(issuer: TokenIssuer) -> None:
    """Anyone can read a token: it holds ids, codes and times, and nothing else."""
    claims = jwt.decode(
        issuer.issue(SUBJECT, "candidate").token, options={"verify_signature": False}
    )
    ids_and_codes = {"iss", "aud", "sub", "role", "scope", "restricted", "jti", "sid"}
    assert set(claims) == ids_and_codes | {"iat", "nbf", "exp"}
    claims = jwt.decode(
        issuer.issue(SUBJECT, "candidate", party="portal").token,
        options={"verify_signature": False},
    )
    assert claims["azp"] == "portal"
