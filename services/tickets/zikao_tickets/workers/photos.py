"""Fetches the photos of candidates with sittings, so that printing asks nobody."""

from datetime import timedelta

from zikao_kit.clock import Clock
from zikao_kit.crypto import KeyRing
from zikao_kit.db import Database

from zikao_tickets.clients import RegistrationClient
from zikao_tickets.feed_store import FeedStore

# The answer must fit a message of 4 MiB; a photo has at most 200 KB (DOMAIN section 3).
PHOTOS_PER_ROUND = 16


class PhotoWorker:
    """Asks for a photo that registration does not have again only after `again_after`."""

    def __init__(
        self,
        db: Database,
        keys: KeyRing,
        clock: Clock,
        registration: RegistrationClient,
        again_after: timedelta,
    ) -> None:
        self._db = db
        self._keys = keys
        self._clock = clock
        self._registration = registration
        self._again_after = again_after

    async def work(self) -> bool:
        """Fetch some; False when no more are to be asked for now."""
        async with self._db.transaction() as tx:
            store = FeedStore(tx, self._keys)
            missing = await store.take_missing_photos(self._again_after, PHOTOS_PER_ROUND)
        if not missing:
            return False
        photos = await self._registration.photos(missing)
        async with self._db.transaction() as tx:
            await FeedStore(tx, self._keys).save_photos(photos, self._clock.now())
        return len(missing) == PHOTOS_PER_ROUND
