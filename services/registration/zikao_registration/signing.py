"""The keys of access tokens in a process: the newest signs, all of them are trusted."""

from collections.abc import Sequence
from datetime import timedelta

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from zikao_kit.clock import Clock
from zikao_kit.tokens import AccessToken, TokenIssuer, TrustedKeys

from zikao_registration.account_store import Account, StoredSigningKey


class TokenKeys:
    """Issues tokens with the newest stored key; `trusted` is what the own server verifies with."""

    def __init__(self, clock: Clock, lifetime: timedelta, trusted: TrustedKeys) -> None:
        self._clock = clock
        self._lifetime = lifetime
        self._trusted = trusted
        self._issuer: TokenIssuer | None = None
        self._keys: Sequence[StoredSigningKey] = ()

    @property
    def public_keys(self) -> dict[str, bytes]:
        """The raw public keys (32 bytes) by key id."""
        return {key.key_id: key.public_key for key in self._keys}

    def use(self, keys: Sequence[StoredSigningKey]) -> None:
        """Sign with the first of `keys` from now on, and trust exactly these."""
        if keys == self._keys:
            return
        private_key = Ed25519PrivateKey.from_private_bytes(keys[0].private_key)
        self._issuer = TokenIssuer(keys[0].key_id, private_key, self._clock, self._lifetime)
        self._keys = keys
        self._trusted.replace(
            {
                key_id: Ed25519PublicKey.from_public_bytes(public_key)
                for key_id, public_key in self.public_keys.items()
            }
        )

    def issue(self, account: Account) -> AccessToken:
        """Sign a token for the account's next minutes."""
        if self._issuer is None:
            raise RuntimeError("no signing key is in use yet")
        return self._issuer.issue(str(account.account_id), account.role, account.scope)
