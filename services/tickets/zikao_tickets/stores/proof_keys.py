"""Keys of the proof and lists for scanners: one method a named query of `proof_keys.sql`."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, cast
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from zikao_kit.crypto import KeyRing
from zikao_kit.db import Transaction

from zikao_tickets.domain.person import proof_key_context
from zikao_tickets.domain.proof_key import ProofKey


class ProofKeyStore:
    """Bound to the running transaction; private keys are written encrypted."""

    def __init__(self, tx: Transaction, keys: KeyRing) -> None:
        self._tx = tx
        self._keys = keys

    async def list_all(self) -> list[ProofKey]:
        """Every key, in the order in which they sign."""
        return [self._key(row) for row in await self._tx.fetch("list_proof_keys")]

    async def lock(self) -> None:
        """Let nobody else change the keys until the transaction ends."""
        await self._tx.execute("lock_proof_keys")

    async def add(self, key: ProofKey, now: datetime) -> None:
        """Keep a new key, told to scanners from now on."""
        secret = self._keys.encrypt(
            key.private_key.private_bytes_raw(), proof_key_context(key.key_id)
        )
        public = key.private_key.public_key().public_bytes_raw()
        await self._tx.execute("insert_proof_key", key.key_id, secret, public, now, key.signs_from)

    async def retire(self, key_id: str, now: datetime) -> None:
        """Let nothing that it has signed count any more."""
        await self._tx.execute("retire_proof_key", key_id, now)

    async def signed_with(self, key_id: str) -> dict[tuple[str, str], list[UUID]]:
        """Whose tickets in force the key has signed, by session and county, in their order."""
        rows = await self._tx.fetch("list_tickets_signed_with", key_id)
        return {(row["session_code"], row["county_code"]): row["candidate_ids"] for row in rows}

    async def revoked(self, session_code: str) -> Sequence[tuple[str, int]]:
        """Ticket number and version of every ticket that is not valid any more, ascending.

        Rows as they come: there may be a hundred thousand.
        """
        rows = await self._tx.fetch("list_revoked_tickets", session_code)
        return cast(Sequence[tuple[str, int]], rows)

    async def lock_list(self, session_code: str) -> None:
        """Let nobody else number a list of the session until the transaction ends."""
        await self._tx.execute("lock_verification_list", session_code)

    async def number_list(self, session_code: str, content_sha256: bytes, now: datetime) -> int:
        """The number of a list with this content: a new one if the last list had another."""
        known: int | None = await self._tx.fetchval(
            "find_verification_list", session_code, content_sha256
        )
        if known is not None:
            return known
        number: int = await self._tx.fetchval(
            "number_verification_list", session_code, content_sha256, now
        )
        return number

    def _key(self, row: Any) -> ProofKey:
        secret = self._keys.decrypt(row["private_key_enc"], proof_key_context(row["key_id"]))
        return ProofKey(
            key_id=row["key_id"],
            private_key=Ed25519PrivateKey.from_private_bytes(secret),
            signs_from=row["signs_from"],
            retired=row["retired_at"] is not None,
        )
