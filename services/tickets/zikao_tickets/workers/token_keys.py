"""Keeps registration's token keys: in memory for the calls, in the database for a restart."""

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from zikao_kit.crypto import KeyRing
from zikao_kit.db import Database
from zikao_kit.tokens import TrustedKeys

from zikao_tickets.clients import RegistrationClient
from zikao_tickets.feed_store import FeedStore


class TokenKeyWorker:
    """Asks registration; while it is away the keys known last go on to count."""

    def __init__(
        self,
        db: Database,
        keys: KeyRing,
        registration: RegistrationClient,
        trusted: TrustedKeys,
    ) -> None:
        self._db = db
        self._keys = keys
        self._registration = registration
        self._trusted = trusted
        self._known: dict[str, bytes] = {}

    async def recall(self) -> None:
        """Trust what was known before the restart."""
        async with self._db.read() as tx:
            self._trust(await FeedStore(tx, self._keys).trusted_keys())

    async def work(self) -> bool:
        """Ask for the keys; always False: there is never more at once."""
        found = await self._registration.signing_keys()
        if found != self._known:
            async with self._db.transaction() as tx:
                await FeedStore(tx, self._keys).replace_trusted_keys(found)
            self._trust(found)
        return False

    def _trust(self, keys: dict[str, bytes]) -> None:
        self._known = keys
        self._trusted.replace(
            {key_id: Ed25519PublicKey.from_public_bytes(key) for key_id, key in keys.items()}
        )
