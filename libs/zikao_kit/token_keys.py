"""The keys of access tokens: in memory for the calls, in the database for a restart.

keeper = TokenKeyKeeper(db, "enrollment", registration.signing_keys, trusted)
await keeper.recall()
running(repeat("token keys", keeper.work, config.poll_seconds))
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
        self._known = {row["key_id"]: row["public_key"] for row in rows}
        self._trusted.replace(_parsed(self._known))

    async def work(self) -> bool:
        """Ask for the keys; always False: there is never more at once.

        An empty answer changes nothing. Raises ValueError for what is no key: nothing
        of that answer is kept.
        """
        found = dict(await self._fetch())
        if found and found != self._known:
            keys = _parsed(found)  # first: what is no key must not be met again at every start
            async with self._db.transaction() as tx:
                kit = tx.using(self._queries)
                await kit.execute("delete_trusted_keys", list(found))
                await kit.execute("save_trusted_keys", list(found), list(found.values()))
            self._known = found
            self._trusted.replace(keys)
        return False


def _parsed(keys: Mapping[str, bytes]) -> dict[str, Ed25519PublicKey]:
    return {key_id: Ed25519PublicKey.from_public_bytes(key) for key_id, key in keys.items()}
