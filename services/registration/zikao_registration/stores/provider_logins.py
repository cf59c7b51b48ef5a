"""Logins begun at the identity provider in the database, each good once and for its caller."""

from __future__ import annotations

import json
from datetime import datetime

from zikao_kit.crypto import KeyRing
from zikao_kit.db import Transaction

from zikao_registration.domain.provider_logins import BegunLogin


class ProviderLoginStore:
    """One method a query, bound to a running transaction."""

    def __init__(self, transaction: Transaction, keys: KeyRing) -> None:
        self._tx = transaction
        self._keys = keys

    async def insert(self, login: BegunLogin, caller: str) -> None:
        """Store what is needed to complete it, encrypted; of the state a keyed hash."""
        index = self._state_index(login.state, caller)
        secrets = json.dumps([login.nonce, login.verifier]).encode()
        sealed = self._keys.encrypt(secrets, _context(index))
        await self._tx.execute("insert_provider_login", index, sealed, login.expires_at)

    async def take(self, state: str, caller: str, now: datetime) -> BegunLogin | None:
        """Use a login up; None when there is none, or none of this caller, or it has lapsed."""
        index = self._state_index(state, caller)
        row = await self._tx.fetchrow("take_provider_login", index, now)
        if row is None:
            return None
        nonce, verifier = json.loads(self._keys.decrypt(row["secrets_enc"], _context(index)))
        return BegunLogin(state, nonce, verifier, row["expires_at"])

    async def delete_expired(self, now: datetime) -> None:
        """Forget those that nobody came back from."""
        await self._tx.execute("delete_expired_provider_logins", now)

    def _state_index(self, state: str, caller: str) -> bytes:
        return self._keys.blind_index(f"{caller}:{state}", "registration.provider_login")


def _context(index: bytes) -> str:
    return f"registration.provider_login:{index.hex()}"
