"""The keys of access tokens: in memory for the calls, in the database for a restart.

keeper = TokenKeyKeeper(db, "enrollment", registration.signing_keys, trusted)
await keeper.recall()
running(repeat("token keys", keeper.work, KEYS_POLL_SECONDS))
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from zikao_kit.db import Database
from zikao_kit.queries import kit_queries
from zikao_kit.tokens import TrustedKeys

Fetch = Callable[[], Awaitable[Mapping[str, bytes]]]


class TokenKeyKeeper:
    """Asks the issuer for its public keys; while it is away the keys known last go on to count."""

    def __init__(self, db: Database, schema: str, fetch: Fetch, trusted: TrustedKeys) -> None:
        """`fetch` returns the raw Ed25519 public keys (32 bytes) by key id."""
        self._db = db
        self._queries = kit_queries(schema)
        self._fetch = fetch
        self._trusted = trusted
        self._known: dict[str, bytes] = {}

    async def recall(self) -> None:
        """Trust what was known before the restart."""
        async with self._db.read() as tx:
            rows = await tx.using(self._queries).fetch("list_trusted_keys")
        self._trust({row["key_id"]: row["public_key"] for row in rows})

    async def work(self) -> bool:
        """Ask for the keys; always False: there is never more at once."""
        found = dict(await self._fetch())
        if found and found != self._known:
            async with self._db.transaction() as tx:
                kit = tx.using(self._queries)
                await kit.execute("delete_trusted_keys", list(found))
                await kit.execute("save_trusted_keys", list(found), list(found.values()))
            self._trust(found)
        return False

    def _trust(self, keys: dict[str, bytes]) -> None:
        self._known = keys
        self._trusted.replace(
            {key_id: Ed25519PublicKey.from_public_bytes(key) for key_id, key in keys.items()}
        )
