"""Fetches the photos of candidates with sittings, so that printing asks nobody."""

import math
import time
from datetime import timedelta

from zikao_kit.clock import Clock
from zikao_kit.crypto import KeyRing
from zikao_kit.db import Database

from zikao_tickets.clients import RegistrationClient
from zikao_tickets.stores.feeds import FeedStore

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
        # Looking goes over all candidates: only after news, or when somebody is due again.
        self._complete_at = ""
        self._look_again_at = -math.inf

    async def work(self) -> bool:
        """Fetch some; False when no more are to be asked for now."""
        async with self._db.read() as tx:
            position = await FeedStore(tx, self._keys).position()
        if position == self._complete_at and time.monotonic() < self._look_again_at:
            return False
        more = await self._fetch_some()
        if not more:
            self._complete_at = position
            self._look_again_at = time.monotonic() + self._again_after.total_seconds()
        return more

    async def _fetch_some(self) -> bool:
        async with self._db.transaction() as tx:
            store = FeedStore(tx, self._keys)
            missing = await store.take_missing_photos(self._again_after, PHOTOS_PER_ROUND)
        if not missing:
            return False
        photos = await self._registration.photos(missing)
        async with self._db.transaction() as tx:
            await FeedStore(tx, self._keys).save_photos(photos, self._clock.now())
        return len(missing) == PHOTOS_PER_ROUND
