"""The keys of access tokens in a process: the newest signs, all of them are trusted."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from zikao_kit.clock import Clock
from zikao_kit.tokens import AccessToken, TokenIssuer, TrustedKeys

from zikao_registration.domain.open_logins import StartedLogin
from zikao_registration.stores.accounts import StoredSigningKey


@dataclass(frozen=True)
class TokenLifetimes:
    """How long tokens are good for, by whose they are."""

    candidate: timedelta
    staff: timedelta

    @property
    def longest(self) -> timedelta:
        """How long a revoked login must be remembered."""
        return max(self.candidate, self.staff)


class TokenKeys:
    """Issues tokens with the newest stored key; `trusted` is what the own server verifies with.

    Candidates' tokens live longer than those of staff, who read other people's data: somebody
    who is choosing or paying is not held up while registration is away.
    """

    def __init__(self, clock: Clock, lifetimes: TokenLifetimes, trusted: TrustedKeys) -> None:
        self._clock = clock
        self._lifetimes = lifetimes
        self._trusted = trusted
        self._candidate_issuer: TokenIssuer | None = None
        self._staff_issuer: TokenIssuer | None = None
        self._keys: Sequence[StoredSigningKey] = ()

    @property
    def public_keys(self) -> dict[str, bytes]:
        """The raw public keys (32 bytes) by key id."""
        return {key.key_id: key.public_key for key in self._keys}

    def use(self, keys: Sequence[StoredSigningKey]) -> None:
        """Sign with the first of `keys` from now on, and trust exactly these."""
        if keys == self._keys:
            return
        self._candidate_issuer = self._issuer_with(keys[0], self._lifetimes.candidate)
        self._staff_issuer = self._issuer_with(keys[0], self._lifetimes.staff)
        self._keys = keys
        self._trusted.replace(
            {
                key_id: Ed25519PublicKey.from_public_bytes(public_key)
                for key_id, public_key in self.public_keys.items()
            }
        )

    def issue(self, started: StartedLogin) -> AccessToken:
        """Sign a token for the login's next minutes, or hours."""
        account, login = started.account, started.login
        issuer = self._staff_issuer if account.is_staff else self._candidate_issuer
        if issuer is None:
            raise RuntimeError("no signing key is in use yet")
        return issuer.issue(
            str(account.account_id),
            account.role,
            account.scope,
            restricted=login.restricted,
            login_id=str(login.login_id),
            party=login.caller,
            not_after=login.expires_at,
        )

    def _issuer_with(self, key: StoredSigningKey, lifetime: timedelta) -> TokenIssuer:
        private_key = Ed25519PrivateKey.from_private_bytes(key.private_key)
        return TokenIssuer(key.key_id, private_key, self._clock, lifetime)
