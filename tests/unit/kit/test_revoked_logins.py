"""Tokens of logins that were revoked, and what is remembered of those."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from support.clocks import FixedClock
from zikao_kit.errors import UNAVAILABLE, DomainError
from zikao_kit.revoked_logins import RevocationKeeper, RevokedLogins, RevokedPage
from zikao_kit.tokens import TokenIssuer, TokenVerifier, TrustedKeys

NOW = datetime(2022, 2, 28, 1, tzinfo=UTC)
KEY = Ed25519PrivateKey.generate()
HOUR = timedelta(hours=1)


@pytest.fixture
def clock() -> FixedClock:
    """A clock at the opening of enrollment."""
    return FixedClock(NOW)


@pytest.fixture
def revoked(clock: FixedClock) -> RevokedLogins:
    """Nobody yet."""
    return RevokedLogins(clock)


def test_a_remembered_token_of_a_revoked_login_is_refused(
    clock: FixedClock, revoked: RevokedLogins
) -> None:
    """Verified a moment ago or never: it is none any more; other logins' tokens are."""
    issuer = TokenIssuer("k1", KEY, clock, HOUR)
    verifier = TokenVerifier(TrustedKeys({"k1": KEY.public_key()}).get, clock, revoked)
    mine = [issuer.issue("somebody", "candidate", login_id="one").token for _ in range(2)]
    other = issuer.issue("somebody", "candidate", login_id="another").token
    assert verifier.verify(mine[0]).login_id == "one"
    revoked.add({"one": NOW + HOUR})
    for token in mine:
        with pytest.raises(DomainError, match="TOKEN_INVALID"):
            verifier.verify(token)
    assert verifier.verify(other).login_id == "another"


def test_an_access_token_ends_with_its_login(clock: FixedClock) -> None:
    """What is left of the login is what the token gets."""
    issuer = TokenIssuer("k1", KEY, clock, HOUR)
    soon, late = NOW + timedelta(minutes=5), NOW + 2 * HOUR
    assert issuer.issue("x", "candidate", not_after=soon).expires_at == soon
    assert issuer.issue("x", "candidate", not_after=late).expires_at == NOW + HOUR


def test_logins_are_forgotten_when_their_tokens_have_ended(
    clock: FixedClock, revoked: RevokedLogins
) -> None:
    """However many have logged out, those of the longest token's life are remembered."""
    for minute in range(600):
        clock.set(NOW + timedelta(minutes=minute))
        revoked.add({f"login-{minute}": clock.now() + HOUR})
        assert len(revoked) <= 62
    assert "login-598" in revoked


class Issuer:
    """Publishes revoked logins in pages, or is away."""

    def __init__(self) -> None:
        self.pages: dict[str, RevokedPage] = {}
        self.away = False

    async def fetch(self, cursor: str) -> RevokedPage:
        """Answer."""
        if self.away:
            raise DomainError(UNAVAILABLE)
        return self.pages[cursor]


async def test_a_keeper_goes_on_where_it_was(revoked: RevokedLogins) -> None:
    """It says whether there is more, and asks from the same place when the issuer is back."""
    issuer = Issuer()
    issuer.pages = {
        "": RevokedPage({"one": NOW + HOUR}, "a", more=True),
        "a": RevokedPage({"two": NOW + HOUR}, "b", more=False),
        "b": RevokedPage({"three": NOW + HOUR}, "b", more=False),
    }
    keeper = RevocationKeeper(issuer.fetch, revoked)
    assert await keeper.work() is True
    issuer.away = True
    with pytest.raises(DomainError):
        await keeper.work()
    assert "two" not in revoked
    issuer.away = False
    assert await keeper.work() is False
    assert await keeper.work() is False
    assert [name for name in ("one", "two", "three") if name in revoked] == ["one", "two", "three"]
