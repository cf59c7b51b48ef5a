"""Fetches the photos of candidates with sittings, so that printing asks nobody."""

from uuid import UUID

from zikao_kit.clock import Clock
from zikao_kit.crypto import KeyRing
from zikao_kit.db import Database

from zikao_tickets.clients import RegistrationClient
from zikao_tickets.feed_store import FeedStore

# The answer must fit a message of 4 MiB; a photo has at most 200 KB (DOMAIN section 3).
PHOTOS_PER_ROUND = 16
BEGINNING = UUID(int=0)


class PhotoWorker:
    """Goes through the candidates by id and begins again at the end."""

    def __init__(
        self, db: Database, keys: KeyRing, clock: Clock, registration: RegistrationClient
    ) -> None:
        self._db = db
        self._keys = keys
        self._clock = clock
        self._registration = registration
        self._after = BEGINNING

    async def work(self) -> bool:
        """Fetch some; False when the end was reached."""
        async with self._db.read() as tx:
            missing = await FeedStore(tx, self._keys).missing_photos(self._after, PHOTOS_PER_ROUND)
        if not missing:
            self._after = BEGINNING
            return False
        photos = await self._registration.photos(missing)
        async with self._db.transaction() as tx:
            await FeedStore(tx, self._keys).save_photos(photos, self._clock.now())
        self._after = missing[-1]
        return True
